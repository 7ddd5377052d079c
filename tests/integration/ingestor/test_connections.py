"""Pollers, settings, and connections that stop working: each connection by itself, by one process at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.errors import SessionLost
from tests.integration.ingestor.world import SECRETS, World


def order_id(amazon_order_id: str, connection: str = "main") -> str:
    return f"{connection}:{amazon_order_id}"


async def imported(world: World, order: str) -> bool:
    return order in {fact["order_id"] for fact in await world.imports()}


async def test_a_connection_is_polled_soon_after_it_was_added(world: World) -> None:
    [amazon_id] = await world.generate()
    async with world.polling():
        await world.add_connection()
        await world.comes_to("the import", lambda: imported(world, order_id(amazon_id)), within_s=10)


async def test_of_two_instances_one_polls(world: World) -> None:
    await world.add_connection()
    async with world.replica() as other, world.polling(), other.polling():
        await world.comes_to("a few polls", lambda: _calls(world, 4))

    calls = await world.calls()
    tokens = {call["seller_id"] for call in await world.calls("token")}
    assert tokens == {"A1ORDERBRIDGE"}
    # Only one of the two ever needed a token.
    assert len(await world.calls("token")) == 1
    assert len(calls) >= 4


async def test_another_instance_takes_over_when_the_session_of_the_first_ends(world: World) -> None:
    await world.add_connection(overlap_s=86_400)
    first = asyncio.create_task(world.ingestor.pollers.run(asyncio.Event()))
    await world.comes_to("the first poll", lambda: _calls(world, 1))
    async with world.replica() as other, other.polling():
        await _end_the_session_that_polls(world)
        with pytest.raises(SessionLost):
            await asyncio.wait_for(first, 10)
        [amazon_id] = await world.generate()
        await world.comes_to("the import", lambda: imported(world, order_id(amazon_id)))


async def test_a_revoked_connection_says_so_and_the_other_one_goes_on(world: World) -> None:
    secrets = await world.second_seller()
    await world.add_connection(overlap_s=86_400)
    await world.add_connection("second", seller="A2SECOND", secrets=secrets)
    async with world.polling(), world.working():
        await world.comes_to("both are polled", lambda: _statuses(world, "ok", "main", "second"))
        await world.control("revoke", {"refresh_token": "Atzr|second"})
        status = await world.comes_to("the status", lambda: _status(world, "second", "unauthorized"))
        assert "authorisation by the seller" in status["missing"][0]
        refused = len(await world.calls("token"))

        [amazon_id] = await world.generate()
        await world.comes_to("the import", lambda: imported(world, order_id(amazon_id)))
        # A blocked connection is not polled: it is probed, and that in a minute.
        assert [call["seller_id"] for call in await world.calls("token")][refused:] == []

        await world.control("restore", {"refresh_token": "Atzr|second"})
        [later] = await world.generate(seller="A2SECOND")
        await world.add_connection("second", seller="A2SECOND", secrets=secrets, rev=2, secrets_rev=2, overlap_s=86_400)
        await world.comes_to("its import", lambda: imported(world, order_id(later, "second")))
        assert (await world.statuses("second"))[-1]["state"] == "ok"


async def test_a_changed_secret_is_used_at_once(world: World) -> None:
    [amazon_id] = await world.generate()
    await world.add_connection(secrets=SECRETS | {"client_secret": "old"})
    async with world.polling(), world.working():
        status = await world.comes_to("the status", lambda: _status(world, "main", "unauthorized"))
        assert status["missing"] == ["a client id and secret that Amazon accepts"]

        await world.add_connection(rev=2, secrets_rev=2)
        await world.comes_to("the import", lambda: imported(world, order_id(amazon_id)))
        answered = await world.comes_to("the answer", lambda: _status(world, "main", "ok"))
    assert answered["check"] == 2


async def test_a_check_asks_for_a_token_and_nothing_else(world: World) -> None:
    await world.add_connection()
    async with world.working():
        status = await world.comes_to("the answer", lambda: _status(world, "main", "ok"))

    assert status["check"] == 1
    assert [call["operation"] for call in await world.calls(None)] == ["token"]


async def test_a_search_that_is_refused_is_not_tried_again_with_every_probe(world: World) -> None:
    await world.add_connection()
    await world.trouble("forbidden", times=1000)
    async with world.polling(), world.working():
        await world.comes_to("the status", lambda: _status(world, "main", "unauthorized"))
        async with world.engine.begin() as connection:
            await connection.execute(text("update due set run_at = now() where kind = 'check'"))
        probed = len(await world.calls("token"))
        await world.comes_to("the probe", lambda: _tokens(world, probed + 1))
        searches = len(await world.calls())

        # A person who asks again is answered by the truth.
        await world.control("trouble", method="DELETE")
        await world.add_connection(rev=2)
        await world.comes_to("the answer", lambda: _status(world, "main", "ok"))
    assert searches == 2


async def test_a_connection_that_works_again_is_polled_at_once(world: World) -> None:
    [amazon_id] = await world.generate()
    await world.add_connection(secrets=SECRETS | {"client_secret": "old"}, poll_interval_s=3600)
    async with world.polling(), world.working():
        await world.comes_to("the status", lambda: _status(world, "main", "unauthorized"))
        await world.add_connection(rev=2, secrets_rev=2, poll_interval_s=3600)
        await world.comes_to("the import", lambda: imported(world, order_id(amazon_id)))
        polls = len(await world.calls())

        await world.add_connection(rev=3, secrets_rev=2, poll_interval_s=1)
        await world.comes_to("the next poll", lambda: _calls(world, polls + 1))
    assert polls == 1


async def test_credentials_that_are_not_set_are_named(world: World) -> None:
    await world.add_connection(secrets={"client_id": "x"})
    async with world.polling():
        status = await world.comes_to("the status", lambda: _status(world, "main", "misconfigured"))
    assert status["missing"] == ["client id, client secret and refresh token"]


async def test_figures_follow_a_poll_and_are_not_told_with_every_poll(world: World) -> None:
    await world.add_connection()
    async with world.polling():
        await world.comes_to("a few polls", lambda: _calls(world, 4))

    [status] = await world.statuses()
    assert status["state"] == "ok"
    assert status["last_poll_at"] is not None
    assert 180 <= status["lag_s"] < 200
    assert status["quota_left"] is not None


async def test_the_figures_follow_the_answer_to_a_check(world: World) -> None:
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)
    async with world.working():
        status = await world.comes_to("the figures", lambda: _told(world))
    assert status["check"] == 1


async def test_a_search_that_amazon_calls_invalid_is_said_and_not_repeated_at_once(world: World) -> None:
    await world.add_connection()
    await world.trouble("bad_request", times=1000)
    async with world.polling():
        status = await world.comes_to("the remark", lambda: _status(world, "main", "ok"))

    assert status["message"] == "Orders are read late: Amazon answers 400 to a search of orders"
    assert len(await world.calls()) == 1


async def test_switching_import_off_decides_the_open_orders_anew(world: World) -> None:
    asked = {"unshipped": 3, "pending": 2, "shipped": 1}
    await world.generate(asked)
    connection = await world.add_connection(overlap_s=86_400)
    await world.ingestor.poller.poll(connection)

    await world.add_connection(rev=2, import_enabled=False)

    newest = {fact["order_id"]: fact for fact in await world.imports()}
    reasons = sorted(fact["disposition"]["reason"] for fact in newest.values())
    assert reasons == ["already_shipped", *["import_disabled"] * 5]
    assert sorted(fact["seq"] for fact in newest.values()) == [1, 2, 2, 2, 2, 2]

    connection = await world.add_connection(rev=3, overlap_s=86_400)
    await world.ingestor.poller.poll(connection)
    assert len(await world.imports()) == 11, "switching it on again creates nothing by itself"


async def test_a_checked_connection_decides_nothing_anew(world: World) -> None:
    await world.generate({"unshipped": 3})
    await world.ingestor.poller.poll(await world.add_connection())
    events = len(await world.imports())

    await world.add_connection(rev=2, poll_interval_s=30)

    assert len(await world.imports()) == events


# --- what a person does about a parked order


async def parked_order(world: World, *, readable: bool) -> tuple[str, str]:
    """An order that was parked; returns its order_id and the parked id. ``readable``: Amazon's answers are good now."""
    [amazon_id] = await world.generate()
    await world.trouble("unreadable_order", times=1)
    await world.ingestor.poller.poll(await world.add_connection())
    if not readable:
        await world.trouble("unreadable_order", operation="getOrder", times=1000)
    [parked] = await world.parked()
    return order_id(amazon_id), parked["parked_id"]


async def test_a_replayed_order_is_asked_for_again_and_imported(world: World) -> None:
    order, parked_id = await parked_order(world, readable=True)

    await world.command(parked_id, order)
    async with world.working():
        [ended] = await world.comes_to("the end", world.ends)

    assert (ended["state"], ended["outcome"], ended["order_id"]) == ("done", "replayed", order)
    assert [event["state"] for event in await world.parked()] == ["parked", "replayed"]
    [fact] = await world.imports()
    assert (fact["order_id"], fact["seq"]) == (order, 1)
    assert len(await world.calls("getOrder")) == 1


async def test_a_replayed_order_that_still_cannot_be_read_stays_parked(world: World) -> None:
    order, parked_id = await parked_order(world, readable=False)

    await world.command(parked_id, order)
    async with world.working():
        [ended] = await world.comes_to("the end", world.ends)

    assert (ended["state"], ended["reason"]["code"]) == ("rejected", "message_parked")
    assert [event["state"] for event in await world.parked()] == ["parked"]
    assert await world.imports() == []


async def test_a_replayed_order_that_the_database_still_refuses_stays_parked(world: World) -> None:
    [amazon_id] = await world.generate()
    items = (await world.order(amazon_id))["orderItems"]
    items[0]["product"]["title"] = "Mug\0"
    await world.patch(amazon_id, {"orderItems": items})
    await world.ingestor.poller.poll(await world.add_connection())
    [parked] = await world.parked()

    await world.command(parked["parked_id"], order_id(amazon_id))
    async with world.working():
        [ended] = await world.comes_to("the end", world.ends)

    assert (ended["state"], ended["reason"]["code"]) == ("rejected", "message_parked")
    assert [event["state"] for event in await world.parked()] == ["parked"]


async def test_a_replay_on_a_blocked_connection_ends_with_its_reason(world: World) -> None:
    order, parked_id = await parked_order(world, readable=True)
    await world.control("revoke", {"refresh_token": "Atzr|demo"})

    await world.command(parked_id, order)
    async with world.working():
        await world.comes_to("the end", world.ends)
        await world.command(parked_id, order, "c2")
        ended = await world.comes_to("both ends", lambda: _ends(world, 2))

    assert {end["reason"]["code"] for end in ended} == {"connection_unauthorized"}
    assert {end["command_id"] for end in ended} == {"c1", "c2"}


async def test_a_replay_of_what_is_not_parked_any_more_is_rejected(world: World) -> None:
    order, parked_id = await parked_order(world, readable=True)
    await world.command(parked_id, order)
    async with world.working():
        await world.comes_to("the end", world.ends)
        await world.command(parked_id, order, "c2")
        ended = await world.comes_to("both ends", lambda: _ends(world, 2))

    assert (ended[1]["state"], ended[1]["reason"]["code"]) == ("rejected", "not_applicable")


async def _calls(world: World, least: int) -> bool:
    return len(await world.calls()) >= least


async def _tokens(world: World, least: int) -> bool:
    return len(await world.calls("token")) >= least


async def _ends(world: World, count: int) -> list[dict[str, Any]] | None:
    ended = await world.ends()
    return ended if len(ended) == count else None


async def _status(world: World, name: str, state: str) -> dict[str, Any] | None:
    statuses = await world.statuses(name)
    return statuses[-1] if statuses and statuses[-1]["state"] == state else None


async def _statuses(world: World, state: str, *names: str) -> bool:
    return all([await _status(world, name, state) for name in names])


async def _told(world: World) -> dict[str, Any] | None:
    statuses = await world.statuses()
    return statuses[-1] if statuses and statuses[-1]["last_poll_at"] else None


async def _end_the_session_that_polls(world: World) -> None:
    """As when the process that polls is killed: the session with its locks ends."""
    async with world.engine.begin() as connection:
        await connection.execute(
            text("""
                select pg_terminate_backend(pid) from pg_locks
                where locktype = 'advisory' and granted and objsubid = 1 and database = (
                    select oid from pg_database where datname = current_database()
                ) and ((cast(classid as bigint) << 32) | cast(objid as bigint)) = hashtextextended('poll:main', 0)
            """)
        )
