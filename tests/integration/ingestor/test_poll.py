"""One poll: pages, windows, and trouble of every kind, on a real database against the Amazon stand-in."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.errors import Blocked, Throttled, Unavailable
from orderbridge.topics import IMPORTED
from orderbridge_ingestor.adapters.amazon import INCLUDED_DATA
from orderbridge_ingestor.app import republish
from orderbridge_ingestor.ports import RequestRefused, WindowLost
from tests.integration.ingestor.world import SECRETS, SELLER, US, World
from tests.support.step import rows


def order_id(amazon_order_id: str) -> str:
    return f"main:{amazon_order_id}"


async def test_250_orders_are_three_calls_and_each_is_imported_once(world: World) -> None:
    ids = await world.generate({"unshipped": 250})
    connection = await world.add_connection()

    await world.ingestor.poller.poll(connection)

    imports = await world.imports()
    assert Counter(fact["order_id"] for fact in imports) == Counter(map(order_id, ids))
    assert {fact["seq"] for fact in imports} == {1}
    calls = await world.calls()
    assert [call["first_page"] for call in calls] == [True, False, False]
    assert {call["window_orders"] for call in calls} == {250}
    assert {call["params"]["includedData"] for call in calls} == {INCLUDED_DATA}
    assert len({(call["params"]["lastUpdatedAfter"], call["params"]["lastUpdatedBefore"]) for call in calls}) == 1
    assert {call["operation"] for call in await world.calls(None)} == {"token", "searchOrders"}


async def test_an_empty_window_costs_one_call_and_moves_the_watermark(world: World) -> None:
    connection = await world.add_connection()

    await world.ingestor.poller.poll(connection)

    [call] = await world.calls()
    watermark = await world.watermark()
    assert watermark is not None
    assert call["params"]["lastUpdatedBefore"] == watermark.strftime("%Y-%m-%dT%H:%M:%SZ")
    lag = world.amazon.clock.now() - watermark
    assert timedelta(seconds=180) <= lag < timedelta(seconds=190)


async def test_points_come_along_because_their_data_set_is_asked_for(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    items = (await world.order(amazon_id))["orderItems"]
    points = {"pointsNumber": 42, "pointsMonetaryValue": {"amount": "0.42", "currencyCode": "USD"}}
    items[0] = items[0] | {"expense": {"pointsCost": {"pointsGranted": points}}}
    await world.patch(amazon_id, {"orderItems": items})

    await world.ingestor.poller.poll(await world.add_connection())

    [fact] = await world.imports()
    assert fact["lines"][0]["points_granted"] == 42


async def test_what_is_imported_is_what_amazon_says(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    raw = await world.order(amazon_id)

    await world.ingestor.poller.poll(await world.add_connection())

    [fact] = await world.imports()
    assert fact["order_id"] == order_id(amazon_id)
    assert fact["disposition"] == {"kind": "import", "reason": None}
    assert fact["total"]["amount"] == raw["proceeds"]["grandTotal"]["amount"]
    assert fact["ship_by"] == raw["fulfillment"]["shipByWindow"]["latestDateTime"]
    assert [line["amazon_sku"] for line in fact["lines"]] == [
        item["product"]["sellerSku"] for item in raw["orderItems"]
    ]
    personal = await world.personal(order_id(amazon_id))
    assert personal is not None
    assert personal.buyer_name == raw["buyer"]["buyerName"]
    assert personal.address is not None
    assert personal.address.line1 == raw["recipient"]["deliveryAddress"]["addressLine1"]
    [kept] = await rows(world.ingestor.store, "select delete_after from vault.orders")
    promised = datetime.fromisoformat(raw["fulfillment"]["deliverByWindow"]["latestDateTime"])
    assert kept["delete_after"] == promised + timedelta(days=30)


async def test_personal_data_are_nowhere_but_in_the_vault(world: World) -> None:
    ids = await world.generate({"unshipped": 20})
    await world.ingestor.poller.poll(await world.add_connection())

    raw = [await world.order(amazon_id) for amazon_id in ids]
    secret = {order["buyer"]["buyerName"] for order in raw} | {order["buyer"]["buyerEmail"] for order in raw}
    secret |= {order["recipient"]["deliveryAddress"]["addressLine1"] for order in raw}
    stored = str(await rows(world.ingestor.store, "select * from orders"))
    stored += str(await world.imports()) + str(await rows(world.ingestor.store, "select * from polls"))
    assert not [word for word in secret if word in stored]


async def test_each_story_gets_its_disposition(world: World) -> None:
    stories = {
        "unshipped": "import",
        "partially_shipped": "import",
        "pending": "awaiting_payment",
        "pending_availability": "awaiting_payment",
        "shipped": "already_shipped",
        "canceled": "canceled_before_import",
        "unfulfillable": "unfulfillable_at_amazon",
        "fulfilled_by_amazon": "fulfilled_by_amazon",
    }
    asked = {"seller_id": SELLER, "seed": 7, "catalogue_seed": 1, "catalogue_variants": 60}
    made = await world.control("orders/generate", asked | {"profile": dict.fromkeys(stories, 3)})

    await world.ingestor.poller.poll(await world.add_connection())

    decided = {fact["order_id"]: fact["disposition"]["reason"] or "import" for fact in await world.imports()}
    for story, ids in made["by_profile"].items():
        assert {decided[order_id(each)] for each in ids} == {stories[story]}, story
    stored = await rows(world.ingestor.store, "select owner from vault.orders")
    creatable = made["by_profile"]["unshipped"] + made["by_profile"]["partially_shipped"]
    assert {row["owner"] for row in stored} == set(map(order_id, creatable))


async def test_the_overlap_brings_orders_again_and_publishes_nothing(world: World) -> None:
    await world.generate({"unshipped": 30})
    connection = await world.add_connection(overlap_s=86_400)
    await world.ingestor.poller.poll(connection)

    await world.ingestor.poller.poll(connection)

    assert [call["window_orders"] for call in await world.calls()] == [30, 30]
    assert len(await world.imports()) == 30


async def test_a_new_revision_is_published_with_the_next_number(world: World) -> None:
    [amazon_id] = await world.generate({"pending": 1})
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)

    await world.patch(amazon_id, {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}})
    await world.ingestor.poller.poll(connection)

    facts = await world.imports()
    assert [(fact["seq"], fact["disposition"]["kind"]) for fact in facts] == [(1, "wait"), (2, "import")]
    assert await world.personal(order_id(amazon_id)) is not None


async def test_a_cancellation_keeps_what_was_known(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)
    [before] = await world.imports()

    await world.patch(amazon_id, {"fulfillment": {"fulfillmentStatus": "CANCELLED"}})
    await world.ingestor.poller.poll(connection)

    after = await world.newest(order_id(amazon_id))
    assert after["disposition"] == {"kind": "cancel", "reason": "canceled_by_amazon"}
    assert (after["total"], after["lines"]) == (before["total"], before["lines"])
    assert await world.personal(order_id(amazon_id)) is not None


async def test_the_buyers_request_to_cancel_is_published_with_its_date_and_not_its_words(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)
    items = json.loads(json.dumps((await world.order(amazon_id))["orderItems"]))
    items[0]["cancellation"] = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "an invented reason"}}

    first = world.stamp(-240)
    await world.patch(amazon_id, {"orderItems": items, "lastUpdatedTime": first})
    await world.ingestor.poller.poll(connection)
    await world.patch(
        amazon_id, {"fulfillment": {"fulfillmentStatus": "SHIPPED"}, "lastUpdatedTime": world.stamp(-200)}
    )
    await world.ingestor.poller.poll(connection)

    facts = await world.imports()
    assert [fact["cancel_requested_at"] for fact in facts] == [None, first, first]
    stored = str(await rows(world.ingestor.store, "select cast(o as text) from orders as o"))
    assert "an invented reason" not in str(facts) + stored


async def test_killed_after_the_second_page_it_goes_on_with_the_third(world: World) -> None:
    ids = await world.generate({"unshipped": 250})
    connection = await world.add_connection()

    async def two_pages() -> bool:
        found = await rows(world.ingestor.store, "select progress ->> 'pages' as pages from polls")
        return bool(found) and found[0]["pages"] == "2"

    amazon: Any = world.ingestor.poller._amazon
    search = amazon.search
    third = asyncio.Event()

    async def held(*args: Any) -> Any:
        if await two_pages():
            third.set()
            await asyncio.Event().wait()
        return await search(*args)

    amazon.search = held
    task = asyncio.create_task(world.ingestor.poller.poll(connection))
    await asyncio.wait_for(third.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async with world.replica() as restarted:
        await restarted.ingestor.poller.poll(connection)

    assert [call["first_page"] for call in await world.calls()] == [True, False, False]
    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    assert await world.watermark() is not None


async def test_a_page_token_older_than_a_day_begins_the_window_anew(world: World) -> None:
    await world.generate({"unshipped": 150})
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection, lambda: True)
    assert len(await world.imports()) == 100
    assert await world.watermark() is None

    await world.control("clock", {"advance_s": 25 * 3600})
    async with world.replica() as restarted:
        await restarted.ingestor.poller.poll(connection)

    assert [call["first_page"] for call in await world.calls()] == [True, True, False]
    assert len(await world.imports()) == 150


TROUBLE = {
    "throttle": Throttled,
    "error500": Unavailable,
    "error503": Unavailable,
    "html": Unavailable,
    "empty": Unavailable,
    "malformed": Unavailable,
    "not_json_object": Unavailable,
    "cut": Unavailable,
    "hang": Unavailable,
    "bad_request": RequestRefused,
}


@pytest.mark.parametrize("page", ["first", "second"])
async def test_trouble_loses_nothing_and_leaves_the_watermark(world: World, page: str) -> None:
    connection = await world.add_connection(overlap_s=86_400)
    await world.ingestor.poller.poll(connection)
    ids = await world.generate({"unshipped": 130})
    for seed, (kind, expected) in enumerate(TROUBLE.items()):
        ids += await world.generate({"unshipped": 1}, seed=100 + seed)
        before = await world.watermark()
        if page == "second":
            await world.ingestor.poller.poll(connection, lambda: True)
        await world.trouble(kind, hang_s=0.05)

        with pytest.raises(expected):
            await world.ingestor.poller.poll(connection)

        assert await world.watermark() == before, kind
        await world.poll_in_the_end(connection)
        assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids)), kind


async def test_trouble_with_tokens_passes(world: World) -> None:
    [amazon_id] = await world.generate({"unshipped": 1})
    connection = await world.add_connection()
    for kind in ("error500", "error503", "html", "empty", "malformed", "not_json_object", "cut", "hang"):
        await world.trouble(kind, operation="token", hang_s=0.05)
        with pytest.raises(Unavailable):
            await world.ingestor.poller.poll(connection)
    await world.trouble("throttle", operation="token")
    with pytest.raises(Throttled):
        await world.ingestor.poller.poll(connection)

    await world.ingestor.poller.poll(connection)

    assert [fact["order_id"] for fact in await world.imports()] == [order_id(amazon_id)]


@pytest.mark.parametrize("kind", ["expired_token", "forbidden"])
async def test_a_refused_token_is_renewed_once(world: World, kind: str) -> None:
    await world.generate({"unshipped": 1})
    connection = await world.add_connection()
    await world.trouble(kind)

    await world.ingestor.poller.poll(connection)

    assert len(await world.imports()) == 1
    assert [call["operation"] for call in await world.calls(None)] == ["token", "searchOrders", "token", "searchOrders"]


async def test_a_search_refused_with_a_fresh_token_blocks(world: World) -> None:
    connection = await world.add_connection()
    await world.trouble("forbidden", times=2)

    with pytest.raises(Blocked) as refused:
        await world.ingestor.poller.poll(connection)

    assert refused.value.state == "unauthorized"
    assert len(await world.calls()) == 2


@pytest.mark.parametrize(
    ("secrets", "missing"),
    [
        ({"client_secret": "rotated"}, "client id and secret"),
        ({"refresh_token": "Atzr|unknown"}, "authorisation by the seller"),
    ],
)
async def test_refused_credentials_say_what_is_missing(world: World, secrets: dict[str, str], missing: str) -> None:
    connection = await world.add_connection(secrets=SECRETS | secrets)

    with pytest.raises(Blocked) as refused:
        await world.ingestor.poller.poll(connection)

    assert missing in refused.value.missing[0]
    assert await world.calls() == []


async def test_pages_that_repeat_give_the_window_up_and_the_next_poll_takes_it_whole(world: World) -> None:
    ids = await world.generate({"unshipped": 250})
    connection = await world.add_connection()
    await world.trouble("duplicate_page")

    with pytest.raises(WindowLost):
        await world.ingestor.poller.poll(connection)
    assert await world.watermark() is None
    await world.ingestor.poller.poll(connection)

    assert Counter(fact["order_id"] for fact in await world.imports()) == Counter(map(order_id, ids))
    assert await world.watermark() is not None


async def test_the_watermark_follows_what_amazon_answers_and_no_more(world: World) -> None:
    await world.control("lag", {"seconds": 1800})
    [amazon_id] = await world.generate({"unshipped": 1})
    await world.patch(amazon_id, {"lastUpdatedTime": world.stamp(-600)})
    connection = await world.add_connection()

    await world.ingestor.poller.poll(connection)
    assert await world.imports() == []
    first = await world.watermark()
    assert first is not None
    assert world.amazon.clock.now() - first > timedelta(seconds=1900)

    await world.control("lag", {"seconds": 0})
    await world.ingestor.poller.poll(connection)
    assert len(await world.imports()) == 1


async def test_an_answer_earlier_than_the_watermark_leaves_it_where_it_stands(world: World) -> None:
    connection = await world.add_connection()
    await world.ingestor.poller.poll(connection)
    before = await world.watermark()

    await world.control("lag", {"seconds": 1800})
    await world.ingestor.poller.poll(connection)

    assert await world.watermark() == before


async def test_a_title_that_cannot_be_stored_parks_its_order_alone_and_is_named(world: World) -> None:
    ids = await world.generate({"unshipped": 3})
    bad = ids[1]
    items = (await world.order(bad))["orderItems"]
    items[0]["product"]["title"] = "Mug\0 with a hole"
    await world.patch(bad, {"orderItems": items})

    await world.ingestor.poller.poll(await world.add_connection())

    assert "title holds a character that cannot be stored" in await alone(world, ids, bad)


async def test_what_the_database_refuses_parks_its_order_alone(world: World) -> None:
    ids = await world.generate({"unshipped": 3})
    amazon: Any = world.ingestor.poller._amazon
    search = amazon.search
    bad: list[str] = []

    async def spoiled(*args: Any) -> Any:
        page = await search(*args)
        order = page.orders[1]
        lines = tuple(line.model_copy(update={"title": "Mug\0"}) for line in order.snapshot.lines)
        object.__setattr__(order, "snapshot", replace(order.snapshot, lines=lines))
        bad.append(order.amazon_order_id)
        return page

    amazon.search = spoiled
    await world.ingestor.poller.poll(await world.add_connection())

    assert "the database refuses it" in await alone(world, ids, bad[0])


async def alone(world: World, ids: list[str], bad: str) -> str:
    """Why the bad one is parked; the others are imported, with their personal data, and the window is done."""
    good = set(map(order_id, ids)) - {order_id(bad)}
    assert {fact["order_id"] for fact in await world.imports()} == good
    [parked] = await world.parked()
    assert (parked["state"], parked["order_id"], parked["origin"]) == ("parked", order_id(bad), "amazon")
    assert await world.watermark() is not None
    assert {row["owner"] for row in await rows(world.ingestor.store, "select owner from vault.orders")} == good
    why: str = parked["reason"]
    return why


async def test_an_address_that_cannot_be_encoded_parks_its_order_alone(world: World) -> None:
    ids = await world.generate({"unshipped": 2})
    amazon: Any = world.ingestor.poller._amazon
    search = amazon.search

    async def spoiled(*args: Any) -> Any:
        page = await search(*args)
        address = page.orders[0].personal.address.model_copy(update={"name": "Ada \ud800"})
        object.__setattr__(page.orders[0], "personal", page.orders[0].personal.model_copy(update={"address": address}))
        return page

    amazon.search = spoiled
    await world.ingestor.poller.poll(await world.add_connection())

    assert len(await world.imports()) == 1
    [parked] = await world.parked()
    assert parked["order_id"] in set(map(order_id, ids))
    assert "Ada" not in parked["reason"]


async def test_an_unreadable_order_is_parked_once_and_a_readable_revision_supersedes_it(world: World) -> None:
    ids = await world.generate({"unshipped": 3})
    connection = await world.add_connection(overlap_s=86_400)
    await world.trouble("unreadable_order", times=2)

    await world.ingestor.poller.poll(connection)
    [parked] = await world.parked()
    assert len(await world.imports()) == 2
    assert parked["order_id"] not in {fact["order_id"] for fact in await world.imports()}

    await world.ingestor.poller.poll(connection)
    assert len(await world.parked()) == 1

    await world.ingestor.poller.poll(connection)
    assert [event["state"] for event in await world.parked()] == ["parked", "superseded"]
    assert {fact["order_id"] for fact in await world.imports()} == set(map(order_id, ids))


async def test_the_quota_that_amazon_announces_is_kept(world: World) -> None:
    await world.control("limits", {"operation": "searchOrders", "rate": 0.001, "burst": 1})
    await world.generate({"unshipped": 150})
    connection = await world.add_connection()
    # As when other replicas had used up what the bucket starts with.
    await world.ingestor.poller.poll(connection, lambda: True)
    async with world.engine.begin() as database:
        await database.execute(text("update budget.buckets set tokens = 0"))

    with pytest.raises(Throttled) as throttled:
        await world.ingestor.poller.poll(connection)

    assert throttled.value.retry_after_s == pytest.approx(1000, rel=0.01)
    assert len(await world.calls()) == 1


async def test_over_many_polls_calls_are_what_the_windows_need(world: World) -> None:
    connection = await world.add_connection(overlap_s=86_400)
    for seed, count in enumerate((0, 100, 101, 7, 92)):
        if count:
            await world.generate({"unshipped": count}, seed=seed)
            await world.control("clock", {"advance_s": 600})
        await world.ingestor.poller.poll(connection)

    calls = await world.calls()
    windows = [call["window_orders"] for call in calls if call["first_page"]]
    assert windows == [0, 100, 201, 208, 300]
    assert len(calls) == sum(max(1, math.ceil(orders / 100)) for orders in windows)


async def test_republish_gives_the_same_facts_again(world: World) -> None:
    await world.generate({"unshipped": 5})
    await world.ingestor.poller.poll(await world.add_connection())
    before = await rows(world.ingestor.store, "select ce_id, payload from outbox where topic = :t", t=IMPORTED)
    async with world.engine.begin() as connection:
        await connection.execute(text("delete from outbox"))

    assert await republish(world.settings) == 5

    again = await rows(world.ingestor.store, "select ce_id, payload from outbox where topic = :t", t=IMPORTED)
    assert sorted(again, key=str) == sorted(before, key=str)
    assert US in str(again)
