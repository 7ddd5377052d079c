"""``inventoryMoveQuantities`` of the Shopify stand-in: units change their state, once for a key, all or none."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orderbridge_standins.shopify.wire import ConnectionCut
from tests.support.shopify_standin import SHOP, TEE_SKU, StandinClient, shopify_standin

RECORDED = Path(__file__).parents[3] / "shared" / "contracts" / "shopify" / "recorded_responses.json"
ITEM = "gid://shopify/InventoryItem/46000010000000"
WAREHOUSE = "gid://shopify/Location/61002"
FRONT = "gid://shopify/Location/61001"
DOCUMENT = "gid://orderbridge/AmazonOrder/113-1234567-7654321"
MOVE = """mutation($input: InventoryMoveQuantitiesInput!, $key: String!) {
  inventoryMoveQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta quantityAfterChange } } userErrors { code field message } } }"""
BARE = """mutation($input: InventoryMoveQuantitiesInput!) {
  inventoryMoveQuantities(input: $input) { userErrors { code } } }"""


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    """With five units of the T-shirt, all in the warehouse."""
    async with shopify_standin() as client:
        await client.control("POST", "stock", sku=TEE_SKU, available=5)
        yield client


def hold(units: int = 2, expected: int | None = None, **more: Any) -> dict[str, Any]:
    """One change, from available to reserved."""
    return {
        "inventoryItemId": ITEM,
        "quantity": units,
        "from": {"locationId": WAREHOUSE, "name": "available", "changeFromQuantity": expected},
        "to": {
            "locationId": WAREHOUSE,
            "name": "reserved",
            "changeFromQuantity": None,
            "ledgerDocumentUri": DOCUMENT,
        },
        **more,
    }


def given(*changes: dict[str, Any], reason: str = "reservation_created") -> dict[str, Any]:
    return {"reason": reason, "referenceDocumentUri": DOCUMENT, "changes": list(changes)}


async def move(shop: StandinClient, *changes: dict[str, Any], key: str = "k", **more: Any) -> dict[str, Any]:
    data = await shop.data(MOVE, input=given(*changes, **more), key=key)
    payload: dict[str, Any] = data["inventoryMoveQuantities"]
    return payload


async def codes(shop: StandinClient, *changes: dict[str, Any], key: str = "k") -> list[str]:
    return [error["code"] for error in (await move(shop, *changes, key=key))["userErrors"]]


async def states(shop: StandinClient, location: str = "Warehouse") -> tuple[int, int, int, int]:
    """(available, committed, reserved, on hand)."""
    [variant] = (await shop.http.get(f"/_control/shops/{SHOP}/variants", params={"sku": TEE_SKU})).json()
    [level] = [level for level in variant["levels"] if level["location"] == location]
    return level["available"], level["committed"], level["reserved"], level["on_hand"]


async def test_units_are_moved_and_on_hand_stays(shop: StandinClient) -> None:
    moved = await move(shop, hold(2, expected=5))

    assert moved["userErrors"] == []
    assert moved["inventoryAdjustmentGroup"]["changes"] == [
        {"name": "available", "delta": -2, "quantityAfterChange": 3},
        {"name": "reserved", "delta": 2, "quantityAfterChange": 2},
    ]
    assert await states(shop) == (3, 0, 2, 5)


async def test_a_move_is_no_stock_check(shop: StandinClient) -> None:
    await move(shop, hold(7))

    assert await states(shop) == (-2, 0, 7, 5)


async def test_a_level_that_changed_meanwhile_is_stale_and_nothing_is_moved(shop: StandinClient) -> None:
    stale = await move(shop, hold(1), hold(2, expected=4))

    assert stale["inventoryAdjustmentGroup"] is None
    [error] = stale["userErrors"]
    assert (error["code"], error["field"]) == (
        "CHANGE_FROM_QUANTITY_STALE",
        ["input", "changes", "1", "from", "changeFromQuantity"],
    )
    assert await states(shop) == (5, 0, 0, 5)


async def test_the_other_end_is_compared_too(shop: StandinClient) -> None:
    change = hold()
    change["to"]["changeFromQuantity"] = 1

    assert await codes(shop, change) == ["CHANGE_FROM_QUANTITY_STALE"]
    assert await states(shop) == (5, 0, 0, 5)


async def test_the_same_key_repeats_the_result_and_not_the_effect_for_a_day(shop: StandinClient) -> None:
    first = await move(shop, hold(2))
    again = await move(shop, hold(2))
    other = await codes(shop, hold(1))
    assert again == first
    assert other == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert await states(shop) == (3, 0, 2, 5)

    shop.clock.advance(24 * 3600 + 1)
    await shop.sign_in()
    await move(shop, hold(2))
    assert await states(shop) == (1, 0, 4, 5)


async def test_a_refusal_is_repeated_under_its_key_as_well(shop: StandinClient) -> None:
    assert await codes(shop, hold(1, expected=4)) == ["CHANGE_FROM_QUANTITY_STALE"]
    await shop.control("POST", "stock", sku=TEE_SKU, available=4)

    assert await codes(shop, hold(1, expected=4)) == ["CHANGE_FROM_QUANTITY_STALE"]
    assert await codes(shop, hold(1, expected=4), key="new") == []


def _changed(end: str, **fields: Any) -> dict[str, Any]:
    change = copy.deepcopy(hold())
    change[end] |= fields
    return change


WRONG = {
    "two locations": (_changed("to", locationId=FRONT), "DIFFERENT_LOCATIONS"),
    "no document": (_changed("to", ledgerDocumentUri=None), "INVALID_QUANTITY_DOCUMENT"),
    "a document on available": (_changed("from", ledgerDocumentUri=DOCUMENT), "INVALID_AVAILABLE_DOCUMENT"),
    "Shopify's document": (_changed("to", ledgerDocumentUri="gid://shopify/Order/1"), "INTERNAL_LEDGER_DOCUMENT"),
    "unknown state": (_changed("to", name="on_hand"), "INVALID_QUANTITY_NAME"),
    "committed": (_changed("to", name="committed"), "INVALID_QUANTITY_NAME"),
    "one state": (_changed("to", name="available", ledgerDocumentUri=None), "SAME_QUANTITY_NAME"),
    "unknown item": (hold(inventoryItemId="gid://shopify/InventoryItem/1"), "INVALID_INVENTORY_ITEM"),
    "negative": (hold(-1), "INVALID_QUANTITY_NEGATIVE"),
}


@pytest.mark.parametrize(("change", "code"), WRONG.values(), ids=list(WRONG))
async def test_what_shopify_refuses_is_refused_and_nothing_is_moved(
    shop: StandinClient, change: dict[str, Any], code: str
) -> None:
    assert code in await codes(shop, hold(1), change)
    assert await states(shop) == (5, 0, 0, 5)


async def test_a_call_names_two_ledger_documents_at_most(shop: StandinClient) -> None:
    changes = [hold(1) for _ in range(3)]
    for number, change in enumerate(changes):
        change["to"]["ledgerDocumentUri"] = f"gid://orderbridge/AmazonOrder/{number}"

    assert await codes(shop, *changes) == ["MAXIMUM_LEDGER_DOCUMENT_URIS"]
    assert await codes(shop, *changes[:2], key="two") == []


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no {RECORDED}")
async def test_refusals_are_said_as_recorded(shop: StandinClient) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))["inventory"]["userErrors"]
    elsewhere = "gid://shopify/Location/1"
    lost = hold()
    for end in ("from", "to"):
        lost[end]["locationId"] = elsewhere

    for name, change in (
        ("unknown_item", hold(inventoryItemId="gid://shopify/InventoryItem/1")),
        ("unknown_location_move", lost),
        ("bad_name", _changed("from", name="nothing")),
        ("different_locations", _changed("to", locationId=FRONT)),
    ):
        [error, *_] = (await move(shop, change, key=name))["userErrors"]
        assert error["message"] == recorded[name]["message"]
        assert (error["field"] or [])[:4] == recorded[name]["field"][:4]


async def test_both_ends_must_say_what_they_change_from(shop: StandinClient) -> None:
    for end in ("from", "to"):
        change = hold()
        del change[end]["changeFromQuantity"]
        body = await shop.run(MOVE, input=given(change), key="k")
        assert body["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"


async def test_a_move_without_its_key_is_refused(shop: StandinClient) -> None:
    body = await shop.run(BARE, input=given(hold()))

    assert body["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert await states(shop) == (5, 0, 0, 5)


async def test_a_missing_scope_is_named(shop: StandinClient) -> None:
    asked = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": ["read_inventory"]}
    await shop.http.post("/_control/shops", json=asked)
    await shop.sign_in()

    body = await shop.run(MOVE, input=given(hold()), key="k")

    assert "`write_inventory` access scope" in body["errors"][0]["message"]


@pytest.mark.parametrize(("kind", "effect"), [("cut_before", False), ("timeout_before", False), ("cut_after", True)])
async def test_a_cut_call_is_repeated_under_its_key_without_a_second_effect(
    shop: StandinClient, kind: str, effect: bool
) -> None:
    await shop.control("POST", "trouble", kind=kind, operation="inventoryMoveQuantities", hang_s=0)
    with pytest.raises(ConnectionCut):
        await shop.post(MOVE, input=given(hold(2)), key="k")
    assert await states(shop) == ((3, 0, 2, 5) if effect else (5, 0, 0, 5))

    await move(shop, hold(2))
    assert await states(shop) == (3, 0, 2, 5)


async def test_a_late_effect_comes_once_whether_or_not_the_call_is_repeated(shop: StandinClient) -> None:
    await shop.control("POST", "trouble", kind="late", operation="inventoryMoveQuantities", late_s=5)
    with pytest.raises(ConnectionCut):
        await shop.post(MOVE, input=given(hold(2)), key="k")
    assert await states(shop) == (5, 0, 0, 5)

    await move(shop, hold(2))
    shop.clock.advance(5)
    assert await states(shop) == (3, 0, 2, 5)


async def test_a_throttled_move_has_no_effect(shop: StandinClient) -> None:
    await shop.control("POST", "trouble", kind="throttled", operation="inventoryMoveQuantities")

    body = await shop.run(MOVE, input=given(hold(2)), key="k")

    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert await states(shop) == (5, 0, 0, 5)
