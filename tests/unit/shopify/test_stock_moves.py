"""Moving units to reserved and back: what Shopify says of it, told apart, and made again under the same key."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from orderbridge.errors import Blocked, Throttled, Unavailable
from orderbridge.http import open_http
from orderbridge.shopify import ItemsGone, Moved, MoveOutcome, MoveRefused, MoveStale, Shopify, StockMove
from tests.support.shopify_standin import SHOP

from .shop import BASE, DEMO, Ledger, ShopUnderTest

DOCUMENT = "gid://orderbridge/AmazonOrder/113-1234567-7654321"


@pytest.fixture
async def two(shop: ShopUnderTest) -> StockMove:
    """Two units of the first variant, of five in the warehouse."""
    shown = (await shop.variants())[0]
    await shop.control("POST", "stock", sku=shown["variant_id"], available=5)
    level = next(each for each in shown["levels"] if each["location"] == "Warehouse")
    return StockMove(shown["inventory_item_id"], level["location_id"], 2, 5)


async def reserve(shop: ShopUnderTest, *moves: StockMove, key: str = "k") -> MoveOutcome:
    return await shop.client.move_stock(DEMO, moves, "reserve", key=key, document=DOCUMENT)


async def level(shop: ShopUnderTest) -> tuple[int, int]:
    """(available, reserved) in the warehouse."""
    shown = next(each for each in (await shop.variants())[0]["levels"] if each["location"] == "Warehouse")
    return shown["available"], shown["reserved"]


async def test_units_go_to_reserved_and_back(shop: ShopUnderTest, two: StockMove) -> None:
    assert await reserve(shop, two) == Moved()
    assert await level(shop) == (3, 2)

    back = await shop.client.move_stock(DEMO, [replace(two, available=None)], "release", key="back", document=DOCUMENT)
    assert back == Moved()
    assert await level(shop) == (5, 0)


async def test_a_level_that_is_not_what_was_seen_moves_nothing(shop: ShopUnderTest, two: StockMove) -> None:
    assert await reserve(shop, replace(two, available=4)) == MoveStale()
    assert await level(shop) == (5, 0)


async def test_what_is_gone_is_named_by_its_place(shop: ShopUnderTest, two: StockMove) -> None:
    gone = replace(two, inventory_item_id="gid://shopify/InventoryItem/1")

    assert await reserve(shop, two, gone) == ItemsGone(frozenset({1}))
    assert await level(shop) == (5, 0)


async def test_another_refusal_has_shopifys_words(shop: ShopUnderTest, two: StockMove) -> None:
    await reserve(shop, two)

    answer = await reserve(shop, replace(two, units=1))

    assert isinstance(answer, MoveRefused)
    assert answer.problems[0][0] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("cut_before", Unavailable), ("cut_after", Unavailable), ("garbled_after", Unavailable), ("throttled", Throttled)],
)
async def test_trouble_leaves_it_open_and_the_same_call_settles_it(
    shop: ShopUnderTest, two: StockMove, kind: str, error: type[Exception]
) -> None:
    await shop.trouble(kind, "inventoryMoveQuantities")
    with pytest.raises(error):
        await reserve(shop, two)

    assert await reserve(shop, two) == Moved()
    assert await level(shop) == (3, 2)


async def test_a_missing_scope_blocks_and_is_named(shop: ShopUnderTest, two: StockMove) -> None:
    url = f"{BASE}/_control/shops"
    asked = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": ["read_inventory"]}
    await shop.http.send("POST", url, headers={"Content-Type": "application/json"}, content=json.dumps(asked).encode())
    with pytest.raises(Blocked) as blocked:
        await reserve(shop, two)

    assert blocked.value.missing == ("scope write_inventory",)


async def test_the_cost_covers_what_shopify_asks_for(shop: ShopUnderTest, two: StockMove) -> None:
    shop.budget.taken.clear()
    await reserve(shop, two)

    [(_, taken, _)] = shop.budget.taken
    assert shop.asked[-1].requested_cost is not None
    assert shop.asked[-1].requested_cost <= taken


def _said(code: str) -> dict[str, Any]:
    return {"inventoryAdjustmentGroup": None, "userErrors": [{"code": code, "field": ["input"], "message": "No."}]}


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        (None, Unavailable),
        ({}, Unavailable),
        ({"inventoryAdjustmentGroup": None, "userErrors": []}, Unavailable),
        (_said("IDEMPOTENCY_CONCURRENT_REQUEST"), Throttled),
        (_said("SERVICE_UNAVAILABLE"), Throttled),
        (_said("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"), MoveStale),
        (_said("CHANGE_FROM_QUANTITY_STALE"), MoveStale),
        (_said("INVALID_LOCATION"), MoveRefused),
        ({"inventoryAdjustmentGroup": {"id": "gid://shopify/InventoryAdjustmentGroup/1"}}, Moved),
    ],
)
async def test_what_an_answer_means(payload: dict[str, Any] | None, outcome: type[Any]) -> None:
    async def app(scope: MutableMapping[str, Any], receive: object, send: Any) -> None:
        answer = {"access_token": "t", "expires_in": 60, "data": {"inventoryMoveQuantities": payload}}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async with open_http(asgi=app) as http:
        client = Shopify(http, Ledger(), base_url=BASE)
        move = StockMove("gid://shopify/InventoryItem/1", "gid://shopify/Location/1", 1)
        call = client.move_stock(DEMO, [move], "release", key="k", document=DOCUMENT)
        if issubclass(outcome, Exception):
            with pytest.raises(outcome):
                await call
        else:
            assert isinstance(await call, outcome)
