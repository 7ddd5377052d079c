"""Reading an order's fulfillment orders and moving one: what Shopify says of either, told apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orderbridge.errors import Blocked, Throttled, Unavailable
from orderbridge.http import open_http
from orderbridge.shopify import OpenFulfillmentOrder, OrderAccepted, Reassigned, ReassignmentRefused, Shopify

from .shop import BASE, DEMO, Ledger, ShopUnderTest
from .test_create import variables

FRONT, WAREHOUSE = "gid://shopify/Location/61001", "gid://shopify/Location/61002"
NOWHERE = "gid://shopify/Location/404"


@pytest.fixture
async def gid(shop: ShopUnderTest) -> str:
    """An order of ours for two units of the first variant, which the warehouse has."""
    await shop.client.ensure_definition(DEMO)
    made = await shop.client.order_create(DEMO, variables((await shop.variants())[0]["variant_id"], 2))
    assert isinstance(made, OrderAccepted)
    return made.gid


async def part_of(shop: ShopUnderTest, gid: str) -> OpenFulfillmentOrder:
    [part] = await shop.client.open_fulfillment_orders(DEMO, gid)
    return part


async def test_a_fulfillment_order_is_moved_and_says_so(shop: ShopUnderTest, gid: str) -> None:
    part = await part_of(shop, gid)
    assert part.location_id == WAREHOUSE

    assert await shop.client.move_fulfillment_order(DEMO, part.gid, FRONT) == Reassigned()

    assert await part_of(shop, gid) == OpenFulfillmentOrder(part.gid, FRONT)


async def test_a_refused_move_is_told_in_shopifys_words(shop: ShopUnderTest, gid: str) -> None:
    part = await part_of(shop, gid)

    answer = await shop.client.move_fulfillment_order(DEMO, part.gid, NOWHERE)

    assert answer == ReassignmentRefused((("", "id", "Location not found."),))


async def test_a_canceled_order_and_one_that_is_not_there_have_none_open(shop: ShopUnderTest, gid: str) -> None:
    await shop.client.order_cancel(DEMO, gid, restock=True)
    shop.clock.advance(1)

    assert await shop.client.open_fulfillment_orders(DEMO, gid) == []
    assert await shop.client.open_fulfillment_orders(DEMO, "gid://shopify/Order/404") == []


async def test_a_location_is_required_to_be_there_and_active(shop: ShopUnderTest) -> None:
    await shop.client.require_location(DEMO, FRONT)
    await shop.control("PATCH", f"locations/{FRONT}", active=False)

    for location, said in ((FRONT, f"{FRONT} (Front Street shop) switched on"), (NOWHERE, f"{NOWHERE} that the")):
        with pytest.raises(Blocked) as caught:
            await shop.client.require_location(DEMO, location)
        assert caught.value.state == "misconfigured"
        [missing] = caught.value.missing
        assert said in missing


async def test_every_cost_covers_what_shopify_asks_for(shop: ShopUnderTest, gid: str) -> None:
    shop.budget.taken.clear()
    shop.asked.clear()
    part = await part_of(shop, gid)
    await shop.client.move_fulfillment_order(DEMO, part.gid, FRONT)
    await shop.client.require_location(DEMO, FRONT)

    assert len(shop.asked) == 3
    for (_, taken, _), asked in zip(shop.budget.taken, shop.asked, strict=True):
        assert asked.requested_cost is not None
        assert asked.requested_cost <= taken


@pytest.mark.parametrize(
    ("kind", "error"),
    [("cut_before", Unavailable), ("cut_after", Unavailable), ("garbled_after", Unavailable), ("throttled", Throttled)],
)
async def test_trouble_leaves_it_open_whether_it_was_moved(
    shop: ShopUnderTest, gid: str, kind: str, error: type[Exception]
) -> None:
    part = await part_of(shop, gid)
    await shop.trouble(kind, "fulfillmentOrderMove")

    with pytest.raises(error):
        await shop.client.move_fulfillment_order(DEMO, part.gid, FRONT)


@asynccontextmanager
async def answered(*answers: dict[str, Any]) -> AsyncIterator[Shopify]:
    """A client whose shop gives these answers, one after the other."""
    waiting = [{"access_token": "t", "expires_in": 60}, *({"data": answer} for answer in answers)]

    async def app(scope: MutableMapping[str, Any], receive: object, send: Any) -> None:
        body = json.dumps(waiting.pop(0)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with open_http(asgi=app) as http:
        yield Shopify(http, Ledger(), base_url=BASE)


def page(*nodes: Any, after: str | None = None) -> dict[str, Any]:
    info = {"hasNextPage": after is not None, "endCursor": after}
    return {"order": {"id": "gid://shopify/Order/1", "fulfillmentOrders": {"pageInfo": info, "nodes": list(nodes)}}}


def node(gid: str, status: str = "OPEN", **more: Any) -> dict[str, Any]:
    return {"id": gid, "status": status, "assignedLocation": {"location": {"id": WAREHOUSE}}, **more}


async def test_all_pages_are_read_and_only_what_nobody_has_begun_is_kept() -> None:
    first = (node("a"), node("b", "CLOSED"), node("c", "IN_PROGRESS"), node("d", "NEVER_HEARD_OF"))
    async with answered(page(*first, after="x"), page(node("e", "ON_HOLD"), node("f", "SCHEDULED"))) as client:
        found = await client.open_fulfillment_orders(DEMO, "gid://shopify/Order/1")

    assert [part.gid for part in found] == ["a", "e", "f"]


async def test_what_an_answer_leaves_out_is_none() -> None:
    nowhere = node("a", assignedLocation={"location": None})
    async with answered(page(None, {"status": "OPEN"}, nowhere), {}) as client:
        assert await client.open_fulfillment_orders(DEMO, "gid://shopify/Order/1") == [OpenFulfillmentOrder("a", None)]
        assert await client.open_fulfillment_orders(DEMO, "gid://shopify/Order/1") == []


async def test_an_answer_that_says_neither_leaves_it_open() -> None:
    async with answered({"fulfillmentOrderMove": {"movedFulfillmentOrder": None, "userErrors": []}}) as client:
        with pytest.raises(Unavailable, match="neither a fulfillment order nor an error"):
            await client.move_fulfillment_order(DEMO, "gid://shopify/FulfillmentOrder/1", FRONT)
