"""A refetch of one order: what Amazon says now is published for the command, or the command ends with the reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.errors import Blocked
from orderbridge.events import Command
from orderbridge.topics import IMPORTED
from orderbridge_ingestor.adapters.amazon import INCLUDED_DATA
from orderbridge_ingestor.steps.asking import WAITS_FOR_A_REFUSED
from orderbridge_ingestor.steps.commands import take_commands
from tests.integration.ingestor.world import SECRETS, World
from tests.support.facts import at
from tests.support.step import rows

UNKNOWN = "main:113-0000000-0000000"


def order_id(amazon_order_id: str) -> str:
    return f"main:{amazon_order_id}"


async def polled_order(world: World, profile: str = "unshipped", **settings: Any) -> str:
    """An order that a poll has brought; returns Amazon's id."""
    [amazon_id] = await world.generate({profile: 1})
    await world.ingestor.poller.poll(await world.add_connection(**settings))
    return amazon_id


async def answered(world: World, *command_ids: str) -> list[dict[str, Any]]:
    """The imports that name these commands, once they are there."""

    async def named() -> list[dict[str, Any]] | None:
        found = [fact for fact in await world.imports() if fact["command_id"] in command_ids]
        return found if len(found) >= len(command_ids) else None

    facts: list[dict[str, Any]] = await world.comes_to(f"an import for {command_ids}", named)
    assert sorted(fact["command_id"] for fact in facts) == sorted(command_ids)
    return facts


async def ended(world: World, count: int = 1) -> list[dict[str, Any]]:
    async def all_of_them() -> list[dict[str, Any]] | None:
        found = await world.ends()
        return found if len(found) >= count else None

    ends: list[dict[str, Any]] = await world.comes_to("the end", all_of_them)
    assert len(ends) == count
    return ends


async def rejected(world: World) -> tuple[str, str]:
    """The reason that the one command ended with."""
    [end] = await ended(world)
    assert (end["state"], end["service"], end["command_id"]) == ("rejected", "ingestor", "c1")
    return end["reason"]["code"], end["reason"]["message"]


async def nothing_is_left(world: World) -> bool:
    """Neither work nor a command is open."""
    left = await rows(world.ingestor.store, "select kind from due where kind not in ('check', 'rescan', 'silent')")
    return left + await rows(world.ingestor.store, "select command_id from commands") == []


# --- answered by an import


async def test_an_unchanged_order_is_published_again_for_the_command_which_the_reader_ends(world: World) -> None:
    amazon_id = await polled_order(world)
    [before] = await world.imports()

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert {**fact, "at": None} == {**before, "seq": 2, "command_id": "c1", "at": None}
    [row] = await rows(
        world.ingestor.store,
        "select command_id from outbox where topic = :t and key = :k order by id desc limit 1",
        t=IMPORTED,
        k=order_id(amazon_id),
    )
    assert row["command_id"] == "c1"
    [call] = await world.calls("getOrder")
    assert (call["order_ids"], call["params"]["includedData"]) == ([amazon_id], INCLUDED_DATA)
    assert await world.ends() == []


async def test_what_is_new_at_amazon_comes_at_once_and_a_later_poll_has_nothing_to_add(world: World) -> None:
    amazon_id = await polled_order(world, "pending")
    await world.patch(amazon_id, {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}})

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")
    assert (fact["seq"], fact["disposition"]["kind"]) == (2, "import")

    connection = await world.add_connection(rev=2, overlap_s=86_400)
    await world.ingestor.poller.poll(connection)
    assert len(await world.imports()) == 2
    await world.patch(amazon_id, {"fulfillment": {"fulfillmentStatus": "SHIPPED"}})
    await world.ingestor.poller.poll(connection)
    assert (await world.newest(order_id(amazon_id)))["command_id"] is None


async def test_an_order_that_no_poll_has_brought_is_taken(world: World) -> None:
    [amazon_id] = await world.generate()
    await world.add_connection()

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")

    assert (fact["seq"], fact["disposition"]["kind"]) == (1, "import")
    assert await world.personal(order_id(amazon_id)) is not None


async def test_an_order_skipped_by_the_switch_is_taken_in_once_import_is_on(world: World) -> None:
    amazon_id = await polled_order(world, import_enabled=False)
    assert await world.personal(order_id(amazon_id)) is None

    async with world.working():
        await world.refetch(order_id(amazon_id))
        [still_off] = await answered(world, "c1")
        await world.add_connection(rev=2)
        await world.refetch(order_id(amazon_id), "c2")
        [on] = await answered(world, "c2")

    assert still_off["disposition"] == {"kind": "skip", "reason": "import_disabled"}
    assert on["disposition"]["kind"] == "import"
    assert await world.personal(order_id(amazon_id)) is not None
    stored = await rows(world.ingestor.store, "select switched_off, ever_open from orders")
    assert stored == [{"switched_off": False, "ever_open": True}]


async def test_an_older_answer_publishes_what_is_known(world: World) -> None:
    amazon_id = await polled_order(world)
    [before] = await world.imports()
    await world.patch(
        amazon_id, {"lastUpdatedTime": world.stamp(-90_000), "fulfillment": {"fulfillmentStatus": "PENDING"}}
    )

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")

    assert {**fact, "at": None} == {**before, "seq": 2, "command_id": "c1", "at": None}


async def test_a_role_granted_since_brings_the_address(world: World) -> None:
    [amazon_id] = await world.generate()
    whole = await world.order(amazon_id)
    await world.patch(amazon_id, {"recipient": None, "buyer": None})
    await world.ingestor.poller.poll(await world.add_connection())
    assert await world.personal(order_id(amazon_id)) is None
    same_time = (await world.order(amazon_id))["lastUpdatedTime"]
    await world.patch(
        amazon_id, {"recipient": whole["recipient"], "buyer": whole["buyer"], "lastUpdatedTime": same_time}
    )

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")

    assert (fact["seq"], fact["personal_data_rev"]) == (2, 1)
    personal = await world.personal(order_id(amazon_id))
    assert personal is not None
    assert personal.address is not None
    assert personal.address.name == whole["recipient"]["deliveryAddress"]["name"]


async def test_a_readable_answer_closes_what_was_parked(world: World) -> None:
    [amazon_id] = await world.generate()
    await world.trouble("unreadable_order")
    await world.ingestor.poller.poll(await world.add_connection())

    await world.refetch(order_id(amazon_id))
    async with world.working():
        await answered(world, "c1")

    assert [event["state"] for event in await world.parked()] == ["parked", "superseded"]


async def test_two_refetches_that_wait_are_answered_by_one_call_and_a_fact_each(world: World) -> None:
    amazon_id = await polled_order(world)

    await world.refetch(order_id(amazon_id), "c1")
    await world.refetch(order_id(amazon_id), "c2")
    async with world.working():
        facts = await answered(world, "c1", "c2")

    assert [(fact["seq"], fact["command_id"]) for fact in facts] == [(2, "c1"), (3, "c2")]
    assert len(await world.calls("getOrder")) == 1


async def test_a_refetch_asked_for_while_amazon_answers_another_is_answered_by_a_call_of_its_own(world: World) -> None:
    amazon_id = await polled_order(world)
    called, go_on = hold_get_order(world)

    await world.refetch(order_id(amazon_id), "c1")
    async with world.working():
        await asyncio.wait_for(called.wait(), 10)
        await world.refetch(order_id(amazon_id), "c2")
        go_on.set()
        facts = await answered(world, "c1", "c2")
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert [(fact["seq"], fact["command_id"]) for fact in facts] == [(2, "c1"), (3, "c2")]
    assert len(await world.calls("getOrder")) == 2


@pytest.mark.parametrize("kind", ["throttle", "error503", "html", "cut", "bad_request", "expired_token"])
async def test_trouble_that_passes_is_waited_out(world: World, kind: str) -> None:
    amazon_id = await polled_order(world)
    await world.trouble(kind, operation="getOrder")

    await world.refetch(order_id(amazon_id))
    async with world.working():
        [fact] = await answered(world, "c1")

    assert fact["seq"] == 2
    assert len(await world.calls("getOrder")) == 2
    assert await world.ends() == []


async def test_refetches_beyond_the_quota_wait_in_line_nearest_ship_by_first(world: World) -> None:
    ids = await world.generate({"unshipped": 5})
    await world.ingestor.poller.poll(await world.add_connection())
    async with world.working():
        await world.refetch(order_id(ids[0]), "first")
        await answered(world, "first")
    async with world.engine.begin() as database:
        # One call every hundred seconds, and none left.
        await database.execute(text("update budget.buckets set tokens = 0, rate = 0.01"))

    for number, amazon_id in enumerate(ids):
        await world.refetch(order_id(amazon_id), f"c{number}")
    async with world.working():
        await world.comes_to("all were refused once", lambda: _all_waited(world))

    waits = await rows(
        world.ingestor.store,
        "select extract(epoch from run_at - now())::float8 as s from due where kind = 'refetch' "
        "order by ship_by nulls last, id",
    )
    assert [round(row["s"], -2) for row in waits] == [100, 200, 300, 300, 300], waits
    due = await rows(
        world.ingestor.store,
        "select due.ship_by = (fact ->> 'ship_by')::timestamptz as same from due join orders on order_id = key",
    )
    assert [row["same"] for row in due] == [True] * 5
    assert len(await world.calls("getOrder")) == 1


# --- ended, as it can lead to nothing


async def test_an_order_that_amazon_does_not_have_is_not_found(world: World) -> None:
    await world.add_connection()

    await world.refetch(UNKNOWN)
    async with world.working():
        code, message = await rejected(world)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert (code, message) == ("not_found_at_amazon", "Amazon has no order 113-0000000-0000000 of this seller.")
    assert await world.imports() == []


async def test_a_request_that_stays_refused_ends_the_command_and_leaves_the_order_alone(world: World) -> None:
    amazon_id = await polled_order(world)
    await world.trouble("bad_request", operation="getOrder", times=100)

    await world.refetch(order_id(amazon_id))
    async with world.working():
        code, message = await rejected(world)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert (code, message) == ("refused_by_amazon", "Amazon answers 400 to a request for one order.")
    assert len(await world.calls("getOrder")) == 1 + WAITS_FOR_A_REFUSED
    assert len(await world.imports()) == 1
    assert await world.parked() == []


async def test_an_answer_that_cannot_be_read_is_parked_once_and_ends_each_command(world: World) -> None:
    amazon_id = await polled_order(world)
    await world.trouble("unreadable_order", operation="getOrder", times=2)

    async with world.working():
        await world.refetch(order_id(amazon_id), "c1")
        await ended(world)
        await world.refetch(order_id(amazon_id), "c2")
        ends = await ended(world, 2)
        [parked] = await world.parked()
        await world.refetch(order_id(amazon_id), "c3")
        await answered(world, "c3")

    assert [(end["command_id"], end["reason"]["code"]) for end in ends] == [
        ("c1", "message_parked"),
        ("c2", "message_parked"),
    ]
    assert (parked["order_id"], parked["origin"]) == (order_id(amazon_id), "amazon")
    assert parked["reason"].rstrip(".") in ends[0]["reason"]["message"]
    assert [event["state"] for event in await world.parked()] == ["parked", "superseded"]
    assert len(await world.imports()) == 2


async def test_an_answer_without_an_id_is_parked_with_the_order_that_was_asked_for(world: World) -> None:
    amazon_id = await polled_order(world)
    amazon: Any = world.ingestor.poller._amazon
    call = amazon._call

    async def nameless(*args: Any) -> Any:
        response = await call(*args)
        return replace(response, body=response.body.replace(b"orderId", b"renamedId"))

    amazon._call = nameless
    await world.refetch(order_id(amazon_id))
    async with world.working():
        code, _ = await rejected(world)

    [parked] = await world.parked()
    assert (code, parked["order_id"]) == ("message_parked", order_id(amazon_id))


async def test_an_order_that_cannot_be_stored_is_parked_and_ends_the_command(world: World) -> None:
    amazon_id = await polled_order(world)
    items = (await world.order(amazon_id))["orderItems"]
    items[0]["product"]["title"] = "Mug\0"
    await world.patch(amazon_id, {"orderItems": items})

    await world.refetch(order_id(amazon_id))
    async with world.working():
        code, message = await rejected(world)

    assert code == "message_parked"
    assert "title holds a character that cannot be stored" in message
    [parked] = await world.parked()
    assert (parked["order_id"], parked["origin"], parked["state"]) == (order_id(amazon_id), "amazon", "parked")
    assert len(await world.imports()) == 1


BLOCKED = [
    ({"client_secret": "old"}, "connection_unauthorized", "Login with Amazon does not accept the client id and secret"),
    (
        {"client_secret": None},
        "connection_misconfigured",
        "Amazon's client id, secret and refresh token cannot be read",
    ),
]


@pytest.mark.parametrize(("secrets", "code", "words"), BLOCKED)
async def test_a_refetch_on_a_connection_that_does_not_work_says_why(
    world: World, secrets: dict[str, Any], code: str, words: str
) -> None:
    await world.add_connection(secrets=SECRETS | secrets)
    async with world.working():
        await world.comes_to("the status", lambda: _blocked(world))
        await world.refetch(UNKNOWN)
        said, message = await rejected(world)

    assert said == code
    assert message.startswith(words)
    assert await nothing_is_left(world)
    assert await world.calls("getOrder") == []


@pytest.mark.parametrize(("secrets", "code", "words"), BLOCKED)
async def test_a_refetch_that_finds_the_connection_broken_ends_with_that(
    world: World, secrets: dict[str, Any], code: str, words: str
) -> None:
    await world.add_connection(secrets=SECRETS | secrets)
    async with world.engine.begin() as database:
        await database.execute(text("delete from due where kind = 'check'"))

    await world.refetch(UNKNOWN)
    async with world.working():
        said, message = await rejected(world)

    assert said == code
    assert message.startswith(words)
    assert await _blocked(world)


async def test_a_call_refused_with_a_fresh_token_ends_the_command_and_blocks(world: World) -> None:
    amazon_id = await polled_order(world)
    await world.trouble("forbidden", operation="getOrder", times=2)

    await world.refetch(order_id(amazon_id))
    async with world.working():
        code, message = await rejected(world)

    assert (code, message) == ("connection_unauthorized", "Amazon refuses getOrder with a fresh token (403).")


async def test_refetches_that_wait_end_when_their_connection_stops_working(world: World) -> None:
    await world.add_connection()
    await world.trouble("error503", operation="getOrder", times=1000)
    async with world.working():
        await world.refetch(UNKNOWN, "c1")
        await world.refetch("main:113-0000000-0000001", "c2")
        await world.comes_to("both wait", lambda: _all_waited(world))
        await world.control("revoke", {"refresh_token": SECRETS["refresh_token"]})
        await world.add_connection(rev=2, secrets_rev=2)
        ends = await ended(world, 2)
        await world.control("trouble", method="DELETE")
        calls = len(await world.calls("getOrder"))

        await world.control("restore", {"refresh_token": SECRETS["refresh_token"]})
        await world.add_connection(rev=3, secrets_rev=3)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert {end["command_id"] for end in ends} == {"c1", "c2"}
    assert {end["reason"]["code"] for end in ends} == {"connection_unauthorized"}
    assert len(await world.calls("getOrder")) == calls, "what was rejected is not carried out later"
    assert len(await world.ends()) == 2


async def test_a_command_rejected_while_amazon_is_asked_has_no_effect(world: World) -> None:
    amazon_id = await polled_order(world, "pending")
    await world.patch(amazon_id, {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}})
    called, go_on = hold_get_order(world)

    await world.refetch(order_id(amazon_id))
    async with world.working():
        await asyncio.wait_for(called.wait(), 10)
        await world.control("revoke", {"refresh_token": SECRETS["refresh_token"]})
        await world.add_connection(rev=2, secrets_rev=2)
        code, _ = await rejected(world)
        go_on.set()
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert code == "connection_unauthorized"
    assert len(await world.imports()) == 1
    assert len(await world.ends()) == 1


async def test_a_refetch_ends_when_its_connection_is_removed_while_it_waits(world: World) -> None:
    amazon_id = await polled_order(world)
    await world.refetch(order_id(amazon_id))
    await remove_connection(world)

    async with world.working():
        reason = await rejected(world)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert reason == ("connection_removed", "The connection of this order was removed.")
    assert await world.calls("getOrder") == []


async def test_a_refetch_of_a_removed_connection_ends_at_once(world: World) -> None:
    amazon_id = await polled_order(world)
    await world.refetch(order_id(amazon_id), "c0")
    async with world.working():
        await answered(world, "c0")
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))
    await remove_connection(world)

    await world.refetch(order_id(amazon_id))

    assert await rejected(world) == ("connection_removed", "The connection of this order was removed.")
    assert await nothing_is_left(world)


async def test_a_refetch_that_arrives_while_its_connection_is_being_blocked_ends_all_the_same(world: World) -> None:
    await world.add_connection()
    command = Command(command_id="c1", order_id=UNKNOWN, connection_id="main", mode="refetch", actor="admin", at=at())
    async with world.ingestor.store.transaction() as arriving:
        await take_commands([command], arriving)
        blocking = asyncio.create_task(block(world))
        await world.comes_to("blocking waits for the command", lambda: _waits_for_a_lock(world))
    await blocking

    assert await rejected(world) == ("connection_unauthorized", "Revoked.")


@pytest.mark.parametrize("named", ["main", "main:no-order-id", "other:113-0000000-0000000"])
async def test_a_refetch_that_names_no_order_of_its_connection_ends(world: World, named: str) -> None:
    await world.add_connection()
    await world.add_connection("other", seller="A2SECOND")

    await world.refetch(named)

    assert await rejected(world) == ("not_applicable", "The command names no order.")


async def test_a_bug_parks_the_work_and_ends_its_commands_and_a_replay_carries_it_out(world: World) -> None:
    amazon_id = await polled_order(world, import_enabled=False)
    await world.add_connection(rev=2)
    break_get_order(world)
    await world.refetch(order_id(amazon_id), "c1")
    await world.refetch(order_id(amazon_id), "c2")
    async with world.engine.begin() as database:
        await database.execute(text("update due set tries = 4 where kind = 'refetch'"))

    async with world.working():
        ends = await ended(world, 2)
        [parked] = await world.parked()
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))
        await world.command(parked["parked_id"], order_id(amazon_id), "replay")
        *_, replayed = await ended(world, 3)

    assert [(end["command_id"], end["reason"]["code"]) for end in ends] == [
        ("c1", "message_parked"),
        ("c2", "message_parked"),
    ]
    assert (parked["origin"], parked["order_id"], parked["reason"]) == (
        "due:refetch",
        order_id(amazon_id),
        "KeyError",
    )
    assert (replayed["command_id"], replayed["state"], replayed["outcome"]) == ("replay", "done", "replayed")
    newest = await world.newest(order_id(amazon_id))
    assert (newest["seq"], newest["disposition"]["kind"], newest["command_id"]) == (2, "import", None)
    assert [event["state"] for event in await world.parked()] == ["parked", "replayed"]


async def test_work_that_was_parked_is_closed_by_a_poll_that_reads_the_order(world: World) -> None:
    amazon_id = await polled_order(world)
    break_get_order(world)
    await world.refetch(order_id(amazon_id))
    async with world.engine.begin() as database:
        await database.execute(text("update due set tries = 4 where kind = 'refetch'"))
    async with world.working():
        await ended(world)

    connection = await world.add_connection(rev=2, overlap_s=86_400)
    await world.ingestor.poller.poll(connection)

    assert [event["state"] for event in await world.parked()] == ["parked", "superseded"]


async def block(world: World) -> None:
    connections: Any = world.ingestor.workers._connections
    async with world.ingestor.store.transaction() as unit:
        await connections.say_blocked(unit, "main", Blocked("unauthorized", "Revoked"))


async def remove_connection(world: World) -> None:
    async with world.engine.begin() as database:
        await database.execute(text("delete from connections"))


# --- ways to stand in Amazon's way


def hold_get_order(world: World) -> tuple[asyncio.Event, asyncio.Event]:
    """The first answer is held until the second event; the first says that the call was made."""
    amazon: Any = world.ingestor.poller._amazon
    get_order = amazon.get_order
    called, go_on = asyncio.Event(), asyncio.Event()

    async def held(*args: Any) -> Any:
        order = await get_order(*args)
        called.set()
        await go_on.wait()
        return order

    amazon.get_order = held
    return called, go_on


def break_get_order(world: World) -> None:
    """The next call fails by a bug."""
    amazon: Any = world.ingestor.poller._amazon
    get_order = amazon.get_order

    async def broken(*args: Any) -> Any:
        amazon.get_order = get_order
        raise KeyError("a bug")

    amazon.get_order = broken


async def _all_waited(world: World) -> bool:
    due = await rows(world.ingestor.store, "select waits, taken_by from due where kind = 'refetch'")
    return all(row["waits"] > 0 and row["taken_by"] is None for row in due)


async def _waits_for_a_lock(world: World) -> bool:
    waiting = "select 1 as one from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await rows(world.ingestor.store, waiting))


async def _blocked(world: World) -> bool:
    return bool(await rows(world.ingestor.store, "select 1 as one from connections where state <> 'ok'"))
