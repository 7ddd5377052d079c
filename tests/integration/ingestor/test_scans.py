"""Back-fills and re-scans on a real database against the Amazon stand-in: whole, counted, and never in a poll's way."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.errors import Unavailable
from orderbridge_ingestor.steps import scanning
from tests.integration.ingestor.world import SECRETS, World
from tests.support.step import rows

DAY_S = 86_400
NOWHERE = "113-0000000-0000000"


def order_id(amazon_order_id: str) -> str:
    return f"main:{amazon_order_id}"


def days(world: World, after: float, before: float = 0.01) -> dict[str, str]:
    """A range from so many days ago to so many."""
    return {"created_from": world.stamp(-after * DAY_S), "created_to": world.stamp(-before * DAY_S)}


async def ended(world: World, count: int = 1) -> list[dict[str, Any]]:
    async def all_of_them() -> list[dict[str, Any]] | None:
        found = await world.ends()
        return found if len(found) >= count else None

    ends: list[dict[str, Any]] = await world.comes_to("the end", all_of_them)
    assert len(ends) == count
    return ends


async def done(world: World) -> dict[str, Any]:
    """The end of the one back-fill, which went well, and of which nothing is left."""
    [end] = await ended(world)
    assert (end["command_id"], end["state"], end["order_id"], end["service"]) == ("c1", "done", None, "ingestor"), end
    await world.comes_to("the end of the work", lambda: nothing_is_left(world))
    return end


async def nothing_is_left(world: World) -> bool:
    left = await rows(world.ingestor.store, "select kind from due where kind = 'scan'")
    return left + await rows(world.ingestor.store, "select scan_id from scans") == []


async def decided(world: World) -> dict[str, str]:
    """What stands last of each order."""
    return {
        fact["order_id"]: fact["disposition"]["reason"] or fact["disposition"]["kind"] for fact in await world.imports()
    }


async def at_once(world: World, kind: str) -> None:
    """Have the clock's work be due now."""
    async with world.engine.begin() as database:
        await database.execute(text("update due set run_at = now() where kind = :kind"), {"kind": kind})


async def old_orders(world: World, count: int = 250, **settings: Any) -> list[str]:
    """Orders of before the connection's start, as a poll has not seen them."""
    ids = await world.generate({"unshipped": count})
    await world.control("clock", {"advance_s": 3 * DAY_S})
    await world.add_connection(**({"import_from": world.amazon.clock.now()} | settings))
    return ids


# --- ranges


async def test_a_range_of_several_slices_is_read_whole_with_the_calls_that_it_needs(world: World) -> None:
    ids = await world.generate({"unshipped": 120}, seed=1)
    await world.control("clock", {"advance_s": 35 * DAY_S})
    ids += await world.generate({"unshipped": 130}, seed=2)
    await world.control("clock", {"advance_s": 3600})
    await world.add_connection(import_from=world.amazon.clock.now())

    await world.backfill(**days(world, 50))
    async with world.working():
        end = await done(world)

    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    assert {fact["command_id"] for fact in await world.imports()} == {None}
    assert set((await decided(world)).values()) == {"import"}, "the start date is lifted"
    calls = await world.calls()
    assert [call["window_orders"] for call in calls if call["first_page"]] == [120, 130]
    assert len(calls) == 4
    assert all("createdAfter" in call["params"] and "lastUpdatedAfter" not in call["params"] for call in calls)
    assert end["outcome"] == "250 orders, 250 of them with news"
    assert end["progress"]["done"] == 1.0


async def test_what_is_known_already_is_not_published_again(world: World) -> None:
    await world.generate({"unshipped": 30})
    await world.ingestor.poller.poll(await world.add_connection())

    await world.backfill(**days(world, 2))
    async with world.working():
        end = await done(world)

    assert len(await world.imports()) == 30
    assert end["outcome"] == "30 orders, 0 of them with news"


async def test_it_lifts_the_start_date_for_good_and_the_switch_only_while_import_is_on(world: World) -> None:
    [amazon_id] = await old_orders(world, 1, import_enabled=False)

    await world.backfill("off", **days(world, 5))
    async with world.working():
        await ended(world)
    assert await decided(world) == {order_id(amazon_id): "import_disabled"}

    connection = await world.add_connection(rev=2, import_from=world.amazon.clock.now())
    assert await decided(world) == {order_id(amazon_id): "import_disabled"}
    await world.backfill("on", **days(world, 5))
    async with world.working():
        await ended(world, 2)
    assert await decided(world) == {order_id(amazon_id): "import"}

    await world.patch(amazon_id, {"fulfillment": {"fulfillmentServiceLevel": "EXPEDITED"}})
    await world.control("clock", {"advance_s": 600})
    await world.ingestor.poller.poll(connection)
    assert (await world.newest(order_id(amazon_id)))["service_level"] == "EXPEDITED"
    assert await decided(world) == {order_id(amazon_id): "import"}


@pytest.mark.parametrize("page", [0, 1, 2])
@pytest.mark.parametrize("when", ["before the call", "after the answer", "after the commit"])
async def test_wherever_it_is_interrupted_it_goes_on_from_there(world: World, page: int, when: str) -> None:
    ids = await old_orders(world)
    amazon: Any = world.ingestor.poller._amazon
    reports: Any = world.ingestor.pollers._reports
    search, progressed = amazon.search, reports.progressed
    calls = 0

    async def interrupted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == page + 1 and when == "before the call":
            raise Unavailable("interrupted", retry_after_s=0.0)
        answer = await search(*args)
        if calls == page + 1 and when == "after the answer":
            raise Unavailable("interrupted", retry_after_s=0.0)
        return answer

    async def silenced(*args: Any, **more: Any) -> None:
        if calls == page + 1 and when == "after the commit":
            raise RuntimeError("interrupted")
        await progressed(*args, **more)

    amazon.search, reports.progressed = interrupted, silenced
    await world.backfill(**days(world, 5))
    async with world.working():
        end = await done(world)

    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    assert end["outcome"] == "250 orders, 250 of them with news"
    assert len(await world.calls()) == (4 if when == "after the answer" else 3)


async def test_a_token_that_is_too_old_begins_the_slice_anew_at_half_its_length(world: World) -> None:
    ids = await old_orders(world)
    await world.trouble("error503", times=1)
    await world.backfill(**days(world, 5))
    held, go_on = hold_search(world, 2)
    async with world.working():
        await asyncio.wait_for(held.wait(), 10)
        await world.control("clock", {"advance_s": 25 * 3600})
        go_on.set()
        await done(world)

    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    lengths = [length_of(call) for call in await world.calls() if call["first_page"] and call["status"] == 200]
    assert lengths[1:] == [lengths[0] / 2] * 2


async def test_a_token_that_amazon_refuses_and_pages_that_repeat_begin_the_slice_anew(world: World) -> None:
    ids = await old_orders(world)
    held, go_on = hold_search(world, 1)
    await world.trouble("duplicate_page")
    await world.backfill(**days(world, 5))
    async with world.working():
        await asyncio.wait_for(held.wait(), 10)
        await world.trouble("bad_request")
        go_on.set()
        end = await done(world)

    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    assert end["outcome"] == "250 orders, 250 of them with news"
    first = [call for call in await world.calls() if call["first_page"]]
    assert len(first) > 2


async def test_half_of_the_quota_is_left_to_the_polls(world: World) -> None:
    await world.control("limits", {"operation": "searchOrders", "rate": 0.001, "burst": 20})
    await old_orders(world, 1500)
    connection = await world.add_connection(rev=2, import_from=world.amazon.clock.now() - timedelta(hours=1))

    await world.backfill(**days(world, 5))
    async with world.working():
        await world.comes_to("it waits for the quota", lambda: waits(world, 60))
        asked = len(await world.calls())
        await world.generate({"unshipped": 5}, seed=9)
        for _ in range(9):
            await world.ingestor.poller.poll(connection)
        assert len(await world.calls()) == asked + 9

    assert asked == 10
    assert await world.ends() == []
    [scan] = await rows(world.ingestor.store, "select counts, place from scans")
    assert scan["counts"]["published"] == 1000


async def test_an_order_that_cannot_be_read_is_parked_alone_and_counted(world: World) -> None:
    ids = await old_orders(world, 3)
    await world.trouble("unreadable_order")

    await world.backfill(**days(world, 5))
    async with world.working():
        end = await done(world)

    assert len(await world.imports()) == 2
    [parked] = await world.parked()
    assert parked["order_id"] in set(map(order_id, ids))
    assert end["outcome"] == "3 orders, 2 of them with news, 1 parked"


async def test_an_order_that_the_database_refuses_is_parked_alone(world: World) -> None:
    ids = await old_orders(world, 3)
    items = (await world.order(ids[1]))["orderItems"]
    items[0]["product"]["title"] = "Mug\0 with a hole"
    await world.patch(ids[1], {"orderItems": items})

    await world.backfill(**days(world, 5))
    async with world.working():
        await done(world)

    assert await decided(world) == {order_id(ids[0]): "import", order_id(ids[2]): "import"}
    [parked] = await world.parked()
    assert parked["order_id"] == order_id(ids[1])


async def test_its_progress_is_told_with_the_connection_and_its_end_at_once(world: World) -> None:
    await old_orders(world)
    held, go_on = hold_search(world, 1)
    await world.backfill(**days(world, 5))
    async with world.working():
        await asyncio.wait_for(held.wait(), 10)
        [status] = await world.comes_to("the progress", lambda: progress_told(world))
        go_on.set()
        await done(world)
        await world.comes_to("the last word", lambda: last_word(world))

    told = status["backfills"]["c1"]
    assert (told["orders"], told["published"], told["done"]) == (100, 100, 0.0)
    assert status["quota_left"] is not None


async def test_two_at_a_time_are_both_read(world: World) -> None:
    ids = await old_orders(world)

    await world.backfill("c1", **days(world, 5))
    await world.backfill("c2", amazon_order_ids=ids[:5])
    async with world.working():
        ends = await ended(world, 2)

    assert {end["state"] for end in ends} == {"done"}
    assert {fact["order_id"] for fact in await world.imports()} == set(map(order_id, ids))


async def test_who_goes_on_from_an_older_place_changes_nothing(world: World) -> None:
    await world.add_connection()
    await world.backfill(amazon_order_ids=[NOWHERE, NOWHERE])
    async with world.ingestor.store.transaction() as unit:
        older = await unit.scan("c1")
    assert older is not None
    async with world.ingestor.store.transaction() as unit:
        assert await unit.save_scan(older)

    async with world.ingestor.store.transaction() as unit:
        assert not await unit.save_scan(older)
        assert not await unit.end_scan(older)
    assert len(await rows(world.ingestor.store, "select scan_id from scans")) == 1


# --- lists


async def test_orders_by_their_ids_are_taken_one_by_one_and_those_that_amazon_has_not_are_named(world: World) -> None:
    ids = await old_orders(world, 4)

    await world.backfill(amazon_order_ids=[ids[0], NOWHERE, ids[2]])
    async with world.working():
        end = await done(world)

    assert await decided(world) == {order_id(ids[0]): "import", order_id(ids[2]): "import"}
    assert end["outcome"] == f"2 orders, 2 of them with news, 1 not found at Amazon ({NOWHERE})"
    assert end["progress"] == {"orders": 2, "published": 2, "parked": 0, "not_found": 1, "refused": 0, "done": 1.0}
    calls = await world.calls(None)
    assert [call["operation"] for call in calls if call["operation"] != "token"] == ["getOrder"] * 3


async def test_of_a_list_what_cannot_be_read_is_parked_alone(world: World) -> None:
    ids = await old_orders(world, 3)
    await world.trouble("unreadable_order", operation="getOrder")

    await world.backfill(amazon_order_ids=ids)
    async with world.working():
        end = await done(world)

    assert await decided(world) == {order_id(ids[1]): "import", order_id(ids[2]): "import"}
    assert end["outcome"] == "3 orders, 2 of them with news, 1 parked"


async def test_of_a_list_what_amazon_keeps_refusing_is_counted_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge_ingestor.steps.asking.WAITS_FOR_A_REFUSED", 1)
    ids = await old_orders(world, 2)
    await world.trouble("bad_request", operation="getOrder", times=2)

    await world.backfill(amazon_order_ids=ids)
    async with world.working():
        end = await done(world)

    assert await decided(world) == {order_id(ids[1]): "import"}
    assert end["outcome"] == "1 order, 1 of them with news, 1 refused by Amazon"


async def test_a_list_leaves_half_of_the_quota_to_refetches(world: World) -> None:
    ids = await old_orders(world, 40)
    await world.control("limits", {"operation": "getOrder", "rate": 0.001, "burst": 30})

    await world.backfill(amazon_order_ids=ids)
    async with world.working():
        await world.comes_to("it waits for the quota", lambda: waits(world, 60))
        asked = len(await world.calls("getOrder"))
        for number in range(10):
            await world.refetch(order_id(ids[number]), f"r{number}")
        await world.comes_to("the refetches", lambda: refetched(world, 10))

    assert asked == 15
    assert len(await world.calls("getOrder")) == 25


# --- ended, as it can lead to nothing


async def test_one_that_is_asked_of_a_connection_that_does_not_work_says_why(world: World) -> None:
    await world.add_connection(secrets=SECRETS | {"client_secret": "wrong"})
    async with world.working():
        await world.comes_to("the status", lambda: blocked(world))
        await world.backfill(**days(world, 5))
        [end] = await ended(world)

    assert (end["state"], end["reason"]["code"], end["order_id"]) == ("rejected", "connection_unauthorized", None)
    assert await nothing_is_left(world)


async def test_one_whose_connection_stops_working_ends_with_how_far_it_came(world: World) -> None:
    await old_orders(world)
    held, go_on = hold_search(world, 1)
    await world.backfill(**days(world, 5))
    async with world.working():
        await asyncio.wait_for(held.wait(), 10)
        await world.trouble("forbidden", times=2)
        go_on.set()
        [end] = await ended(world)
        calls = len(await world.calls())

    assert (end["state"], end["reason"]["code"]) == ("rejected", "connection_unauthorized")
    assert "Taken until then: 100 orders, 100 of them with news." in end["reason"]["message"]
    assert end["progress"]["orders"] == 100
    assert len(await world.imports()) == 100
    assert await rows(world.ingestor.store, "select scan_id from scans") == []

    # Once it works again, what was rejected is not carried out.
    await world.add_connection(rev=2)
    async with world.engine.begin() as database:
        await database.execute(text("update connections set state = 'ok'"))
    async with world.working():
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))
    assert len(await world.calls()) == calls


async def test_one_whose_connection_is_gone_ends_with_that(world: World) -> None:
    await old_orders(world, 1)
    await world.backfill(**days(world, 5))
    async with world.engine.begin() as database:
        await database.execute(text("delete from connections"))

    async with world.working():
        [end] = await ended(world)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert (end["state"], end["reason"]["code"]) == ("rejected", "connection_removed")
    assert await world.calls() == []


async def test_one_that_amazon_keeps_refusing_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "REFUSED_WAIT_S", 0.0)
    await old_orders(world, 1)
    await world.trouble("bad_request", times=100)

    await world.backfill(**days(world, 5))
    async with world.working():
        [end] = await ended(world)

    assert (end["state"], end["reason"]["code"]) == ("rejected", "refused_by_amazon")
    assert len(await world.calls()) == 6
    assert await nothing_is_left(world)


async def test_one_that_fails_by_a_bug_is_parked_and_ends(world: World) -> None:
    await old_orders(world, 1)
    amazon: Any = world.ingestor.poller._amazon

    async def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    amazon.search = broken
    await world.backfill(**days(world, 5))
    async with world.working():
        [end] = await ended(world)

    assert (end["connection_id"], end["reason"]["code"]) == ("main", "message_parked")
    [parked] = await world.parked()
    assert (parked["origin"], parked["order_id"], parked["connection_id"]) == ("due:scan", None, "main")
    assert await nothing_is_left(world)


async def test_one_that_asks_for_nothing_is_rejected(world: World) -> None:
    await world.add_connection()

    await world.backfill()

    [end] = await ended(world)
    assert (end["state"], end["reason"]["code"]) == ("rejected", "not_applicable")


# --- the re-scan


async def test_a_re_scan_finds_an_order_that_the_polls_have_passed_by(world: World) -> None:
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)
    [missed] = await world.generate({"unshipped": 1})
    await world.ingestor.poller.poll(await world.add_connection(rev=2, overlap_s=0))
    assert await world.imports() == []

    await at_once(world, "rescan")
    async with world.working():
        await world.comes_to("the order", world.imports)
        await world.comes_to("the end of the work", lambda: nothing_is_left(world))

    assert await decided(world) == {order_id(missed): "import"}
    [call] = [call for call in await world.calls() if "createdAfter" in call["params"]]
    assert call["params"]["createdAfter"][:16] == world.stamp(-48 * 3600)[:16]
    assert await world.ends() == []
    [due] = await rows(
        world.ingestor.store, "select extract(epoch from run_at - now())::float8 as s from due where kind = 'rescan'"
    )
    assert due["s"] == pytest.approx(4 * 3600, abs=60)


async def test_a_re_scan_takes_nothing_in_that_the_start_date_leaves_out(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    await world.add_connection(import_from=world.amazon.clock.now())

    await at_once(world, "rescan")
    async with world.working():
        await world.comes_to("the order", world.imports)

    assert await decided(world) == {order_id(amazon_id): "before_start_date"}


async def test_changed_settings_do_not_put_the_re_scan_off(world: World) -> None:
    await world.add_connection()
    before = await rows(world.ingestor.store, "select kind, run_at from due where kind in ('rescan', 'silent')")

    await world.add_connection(rev=2, poll_interval_s=5)

    after = await rows(world.ingestor.store, "select kind, run_at from due where kind in ('rescan', 'silent')")
    assert (after, len(after)) == (before, 2)


# --- pending orders that went silent


async def silent_for(world: World, hours: float) -> None:
    async with world.engine.begin() as database:
        await database.execute(
            text("update orders set read_at = now() - make_interval(secs => :s)"), {"s": hours * 3600}
        )
    await at_once(world, "silent")


async def test_a_waiting_order_that_went_silent_is_read_again(world: World) -> None:
    paid, unpaid = await world.generate({"pending": 2})
    others = await world.generate({"unshipped": 2}, seed=8)
    await world.ingestor.poller.poll(await world.add_connection())
    paid_order = await world.order(paid)
    change = {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}, "lastUpdatedTime": paid_order["lastUpdatedTime"]}
    await world.patch(paid, change)
    await silent_for(world, 2)

    async with world.working():
        await world.comes_to("both are read", lambda: read_again(world, 2))

    assert {call["order_ids"][0] for call in await world.calls("getOrder")} == {paid, unpaid}
    assert await decided(world) == {
        order_id(paid): "import",
        order_id(unpaid): "awaiting_payment",
        **dict.fromkeys(map(order_id, others), "import"),
    }
    assert len(await world.imports()) == 5, "what is as it was is not published again"


async def test_one_that_was_shown_within_the_hour_is_left_alone(world: World) -> None:
    await world.generate({"pending": 2})
    connection = await world.add_connection(overlap_s=DAY_S)
    await world.ingestor.poller.poll(connection)
    await silent_for(world, 2)
    await world.ingestor.poller.poll(connection)

    async with world.working():
        await world.comes_to("it was looked for", lambda: rests(world, "silent"))

    assert await world.calls("getOrder") == []


async def test_one_that_amazon_does_not_have_or_refuses_counts_as_read(world: World) -> None:
    ids = await world.generate({"pending": 2})
    await world.ingestor.poller.poll(await world.add_connection())
    await world.control("reset")
    for operation in ("searchOrders", "getOrder"):
        await world.control("limits", {"operation": operation, "rate": 100, "burst": 10000})
    await world.trouble("bad_request", operation="getOrder")
    await silent_for(world, 2)

    async with world.working():
        await world.comes_to("both are read", lambda: read_again(world, 2))

    assert sorted(call["status"] for call in await world.calls("getOrder")) == [400, 404]
    assert await decided(world) == dict.fromkeys(map(order_id, ids), "awaiting_payment")


async def test_many_are_read_a_few_at_a_time_and_half_of_the_quota_is_left(world: World) -> None:
    await world.generate({"pending": 40})
    await world.ingestor.poller.poll(await world.add_connection())
    await world.control("limits", {"operation": "getOrder", "rate": 0.001, "burst": 30})
    await silent_for(world, 2)

    async with world.working():
        await world.comes_to("it waits for the quota", lambda: waits(world, 60, "silent"))

    assert len(await world.calls("getOrder")) == 15
    [left] = await rows(world.ingestor.store, "select count(*) as n from orders where read_at < now() - interval '1 h'")
    assert left["n"] == 25


# --- helpers


def hold_search(world: World, after: int) -> tuple[asyncio.Event, asyncio.Event]:
    """Stop before the call that follows so many; returns when it is there, and what lets it go on."""
    amazon: Any = world.ingestor.poller._amazon
    search = amazon.search
    held, go_on = asyncio.Event(), asyncio.Event()
    calls = 0

    async def holding(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after + 1:
            held.set()
            await go_on.wait()
        return await search(*args)

    amazon.search = holding
    return held, go_on


def length_of(call: dict[str, Any]) -> float:
    params = call["params"]
    before, after = (datetime.fromisoformat(params[name]) for name in ("createdBefore", "createdAfter"))
    return (before - after).total_seconds()


async def waits(world: World, at_least_s: float, kind: str = "scan") -> bool:
    found = await rows(
        world.ingestor.store,
        "select 1 from due where kind = :kind and taken_by is null and run_at > now() + make_interval(secs => :s)",
        kind=kind,
        s=at_least_s,
    )
    return bool(found)


async def rests(world: World, kind: str) -> bool:
    return await waits(world, 60, kind)


async def read_again(world: World, count: int) -> bool:
    return len(await world.calls("getOrder")) >= count and await rests(world, "silent")


async def refetched(world: World, count: int) -> bool:
    return sum(fact["command_id"] is not None for fact in await world.imports()) == count


async def blocked(world: World) -> bool:
    return any(status["state"] != "ok" for status in await world.statuses())


async def progress_told(world: World) -> list[dict[str, Any]]:
    return [one for one in await world.statuses() if one["backfills"]]


async def last_word(world: World) -> bool:
    return not (await world.statuses())[-1]["backfills"]
