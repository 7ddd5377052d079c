"""One Amazon order never becomes two Shopify orders: cut-off answers, late effects, killed and rival workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from orderbridge.errors import SessionLost
from orderbridge.step.unit import DueRow
from tests.integration.creator.world import SHORT_TIMES, World, open_world, tee_match
from tests.support.facts import ORDER, imported
from tests.support.step import rows, until


@pytest.fixture(params=[True, False], ids=["unique", "not_unique"])
async def either(request: pytest.FixtureRequest, creator_database: str) -> AsyncIterator[World]:
    """A world whose shop enforces the unique metafield, and one whose shop does not."""
    async with open_world(creator_database, **SHORT_TIMES) as opened:
        await opened.control("POST", "settings", unique_enforced=request.param)
        await opened.ready()
        yield opened


@pytest.fixture
async def world(creator_database: str) -> AsyncIterator[World]:
    """With a shop that enforces the unique metafield."""
    async with open_world(creator_database, **SHORT_TIMES) as opened:
        await opened.ready()
        yield opened


@pytest.mark.parametrize("kind", ["cut_after", "timeout_after", "late"])
async def test_an_order_whose_answer_never_came_is_found_and_not_sent_again(either: World, kind: str) -> None:
    await either.trouble(kind, hang_s=30.0, late_s=0.3)
    async with either.working():
        await either.order()
        fact = await either.comes_to("created")

    assert await either.phases() == ["planned", "sending", "unknown", "created"]
    assert await either.creates() == ["accepted"]
    [order] = await either.shop_orders()
    assert fact["shopify"]["order_id"] == order["gid"]
    assert await either.attempts() == ["found"]


async def test_an_order_whose_answer_cannot_be_read_is_found_and_not_sent_again(world: World) -> None:
    await world.trouble("garbled_after")
    async with world.working():
        await world.order()
        await world.comes_to("created")

    assert await world.creates() == ["accepted"]


async def test_an_order_that_never_took_effect_is_sent_again_after_it_settled(either: World) -> None:
    await either.trouble("cut_before")
    async with either.working():
        await either.order()
        fact = await either.comes_to("created")

    assert await either.phases() == ["planned", "sending", "unknown", "planned", "sending", "created"]
    assert await either.creates() == ["cut_off", "accepted"]
    assert await either.attempts() == ["not_found", "accepted"]
    assert fact["attempts"] == 2
    assert (await either.ledger())["counts"]["calls"]["orderByIdentifier"] == 1


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
async def test_a_worker_killed_while_sending_leaves_an_order_that_is_looked_up_first(either: World, kind: str) -> None:
    await either.trouble(kind, hang_s=30.0)
    await either.order()
    async with either.replica() as killed, killed.doomed():
        await until(either.creates, what="the order is sent")
    assert await either.phases() == ["planned", "sending"]

    async with either.working():
        await either.comes_to("created")

    phases = await either.phases()
    assert phases[:3] == ["planned", "sending", "unknown"]
    assert len(await either.shop_orders()) == 1
    assert (await either.creates()).count("accepted") == 1


async def test_the_settle_time_counts_from_the_take_over(creator_database: str) -> None:
    async with open_world(creator_database, **(SHORT_TIMES | {"SETTLE": 30.0})) as world:
        await world.ready()
        await world.trouble("timeout_before", hang_s=30.0)
        await world.order()
        async with world.replica() as killed, killed.doomed():
            await until(world.creates, what="the order is sent")
        async with world.working():
            await world.comes_to("unknown")

            async def postponed() -> bool:
                [row] = await rows(
                    world.creator.store, "select run_at - now() as left, taken_by from due where kind = 'create'"
                )
                return row["taken_by"] is None and 25 < row["left"].total_seconds() <= 30

            await until(postponed, what="the work rests")
        assert len(await world.creates()) == 1


async def test_twenty_workers_on_two_stores_send_one_order_once(either: World) -> None:
    await either.order()
    row = await _due_row(either)
    async with either.replica() as other, either.replica() as third:
        await asyncio.gather(
            *(world.creator.creating.create(row) for world in (other, third) for _ in range(10)),
        )

    assert await either.creates() == ["accepted"]
    assert await either.phases() == ["planned", "sending", "created"]


async def test_no_rival_takes_an_order_over_while_its_worker_lives(world: World) -> None:
    await world.trouble("timeout_after", hang_s=30.0)
    await world.order()
    row = await _due_row(world)
    async with world.replica() as other:
        sending = asyncio.create_task(world.creator.creating.create(row))
        await until(world.creates, what="the order is sent")
        await other.creator.creating.create(row)
        assert await world.phases() == ["planned", "sending"]
        await sending


async def test_an_order_made_due_again_and_again_is_sent_once(either: World) -> None:
    async with either.replica() as other, either.working(), other.working():
        await either.order()
        for seq in range(2, 12):
            await either.deliver(tee_match(seq=seq))
        await either.comes_to("created")

    assert await either.creates() == ["accepted"]


@pytest.mark.parametrize("kind", ["throttled", "http429", "too_many_attempts"])
async def test_a_throttled_order_is_looked_up_before_it_is_sent_again(world: World, kind: str) -> None:
    await world.trouble(kind, retry_after=0.1)
    await _hurry(world)
    async with world.working():
        await world.order()
        await until(world.attempts, what="the first attempt")
        await until(lambda: _throttled(world), what="it is throttled")
        await _hurry(world)
        await world.comes_to("created")

    assert await world.attempts() == ["throttled", "accepted"]
    assert await world.creates() == ["refused", "accepted"]
    assert (await world.ledger())["counts"]["calls"]["orderByIdentifier"] == 1


async def test_an_order_that_nothing_happened_to_is_not_looked_up(world: World) -> None:
    async with world.working():
        await world.order()
        await world.comes_to("created")

    assert "orderByIdentifier" not in (await world.ledger())["counts"]["calls"]


async def test_a_cancellation_while_sending_does_not_interrupt_and_is_compared_afterwards(world: World) -> None:
    await world.trouble("cut_before")
    await world.order()
    await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
    async with world.working():
        await world.comes_to("unknown")
        await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
        assert await world.ends() == {}
        await world.comes_to("planned")
        await until(lambda: _no_work(world), what="the work ends")

    # The look-up found nothing, and what is canceled is not sent again.
    assert await world.phases() == ["planned", "planned", "sending", "unknown", "planned"]
    assert await world.creates() == ["cut_off"]
    assert await world.ends() == {"c1": ("rejected", "canceled_by_buyer")}


async def test_an_order_canceled_while_it_was_created_is_created(world: World) -> None:
    await world.trouble("cut_after")
    await world.order()
    async with world.working():
        await world.comes_to("unknown")
        await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
        await world.comes_to("created")

    assert len(await world.shop_orders()) == 1


async def test_an_order_that_exists_already_is_taken_as_created(world: World) -> None:
    """As after a lost database: Shopify's unique metafield refuses the second one."""
    async with world.working():
        await world.order()
        await world.comes_to("created")
        async with world.engine.begin() as connection:
            for table in ("orders", "attempts", "outbox"):
                await connection.execute(text(f"delete from {table}"))
        await world.deliver(imported(2), tee_match(seq=2, imported_seq=2))
        fact = await world.comes_to("created")

    [order] = await world.shop_orders()
    assert fact["shopify"]["order_id"] == order["gid"]
    assert await world.creates() == ["accepted", "refused"]


async def test_a_process_that_lost_its_lock_session_ends_and_sends_nothing_more(world: World) -> None:
    async with world.replica() as losing:
        await _end_session_of(losing)
        await world.order()
        stop = asyncio.Event()
        with pytest.raises(SessionLost):
            await asyncio.wait_for(losing.creator.workers.run(stop), 10)
    assert await world.creates() == []

    async with world.working():
        await world.comes_to("created")


async def test_a_lost_lock_session_between_intent_and_call_sends_nothing(world: World) -> None:
    await world.order()
    async with world.replica() as losing:
        admit = losing.creator.creating._shopify.admit

        async def admit_and_lose(*args: object) -> None:
            await admit(*args)  # type: ignore[arg-type]
            await _end_session_of(losing)

        losing.creator.creating._shopify.admit = admit_and_lose  # type: ignore[method-assign, assignment]
        with pytest.raises(SessionLost):
            await asyncio.wait_for(losing.creator.workers.run(asyncio.Event()), 10)
    assert (await world.creates(), (await world.phases())[-1]) == ([], "sending")

    async with world.working():
        await world.comes_to("created")
    assert await world.creates() == ["accepted"]


async def _due_row(world: World) -> DueRow:
    [found] = await rows(
        world.creator.store,
        """select id, version, kind, key, connection_id, payload, ship_by, cause_source, cause_seq, command_id,
                  tries, waits from due where kind = 'create'""",
    )
    return DueRow(**found)


async def _end_session_of(world: World) -> None:
    pid = await world.locks._ask("select pg_backend_pid()")
    async with world.engine.begin() as connection:
        await connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})


async def _throttled(world: World) -> bool:
    return await world.attempts() == ["throttled"] and (await world.phases())[-1] == "planned"


async def _hurry(world: World) -> None:
    """What waits for its next time is due now."""
    async with world.engine.begin() as connection:
        await connection.execute(
            text("update due set run_at = now() where taken_by is null and key = :key"), {"key": ORDER}
        )


async def _no_work(world: World) -> bool:
    return await rows(world.creator.store, "select * from due") == []
