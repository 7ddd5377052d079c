"""Fulfillment orders of the Shopify stand-in, and moving them: as the schema's descriptions and recordings say."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.shopify_standin import MUG, SHOP, TEE, TEE_SKU, StandinClient, line, order, shopify_standin

FRONT, WAREHOUSE = "gid://shopify/Location/61001", "gid://shopify/Location/61002"
OBEYING = "DECREMENT_OBEYING_POLICY"
PARTS = """
query Parts($id: ID!) {
  order(id: $id) {
    name
    fulfillmentOrders(first: 10) { nodes {
      id status requestStatus orderId orderName assignedLocation { name location { id } }
      lineItems(first: 10) { nodes { sku totalQuantity remainingQuantity inventoryItemId lineItem { variant { id } } } }
    } }
  }
}
"""
MOVE = """
mutation Move($id: ID!, $newLocationId: ID!) {
  fulfillmentOrderMove(id: $id, newLocationId: $newLocationId) {
    movedFulfillmentOrder { id status assignedLocation { location { id } } }
    originalFulfillmentOrder { id }
    userErrors { code field message }
  }
}
"""
CANCEL = """
mutation Cancel($id: ID!) {
  orderCancel(orderId: $id, reason: OTHER, restock: true, notifyCustomer: false) { job { id } }
}
"""


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


async def stock(shop: StandinClient, warehouse: int, front: int) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=warehouse, location="Warehouse")
    await shop.control("POST", "stock", sku=TEE_SKU, available=front, location="Front Street shop")


async def made(shop: StandinClient, *lines: dict[str, Any], behaviour: str = OBEYING) -> str:
    payload = await shop.create(order(*(lines or (line(quantity=3),))), behaviour)
    assert payload["userErrors"] == []
    gid: str = payload["order"]["id"]
    return gid


async def parts(shop: StandinClient, gid: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await shop.data(PARTS, id=gid))["order"]["fulfillmentOrders"]["nodes"]
    return nodes


async def only_part(shop: StandinClient, gid: str) -> str:
    [part] = await parts(shop, gid)
    part_id: str = part["id"]
    return part_id


async def move(shop: StandinClient, part: str, location: str) -> dict[str, Any]:
    payload: dict[str, Any] = (await shop.data(MOVE, id=part, newLocationId=location))["fulfillmentOrderMove"]
    return payload


def units(part: dict[str, Any]) -> dict[str, int]:
    return {each["lineItem"]["variant"]["id"]: each["remainingQuantity"] for each in part["lineItems"]["nodes"]}


async def test_an_order_that_one_location_serves_has_one_fulfillment_order(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    gid = await made(shop, line(quantity=3), line(MUG))

    [part] = await parts(shop, gid)

    assert (part["status"], part["requestStatus"], part["orderId"]) == ("OPEN", "UNSUBMITTED", gid)
    assert part["orderName"] == (await shop.data(PARTS, id=gid))["order"]["name"]
    assert part["assignedLocation"] == {"name": "Warehouse", "location": {"id": WAREHOUSE}}
    assert units(part) == {TEE: 3, MUG: 1}
    assert part["lineItems"]["nodes"][0]["inventoryItemId"].startswith("gid://shopify/InventoryItem/")


async def test_a_line_split_over_locations_is_in_the_fulfillment_order_of_each(shop: StandinClient) -> None:
    await stock(shop, 2, 2)

    found = await parts(shop, await made(shop, line(quantity=3), line(MUG)))

    by_place = {part["assignedLocation"]["location"]["id"]: units(part) for part in found}
    assert by_place == {FRONT: {TEE: 2}, WAREHOUSE: {TEE: 1, MUG: 1}}


async def test_an_order_that_claims_nothing_has_a_fulfillment_order_all_the_same(shop: StandinClient) -> None:
    [part] = await parts(shop, await made(shop, line(quantity=3), behaviour="BYPASS"))

    assert (part["status"], units(part)) == ("OPEN", {TEE: 3})


async def test_the_units_move_with_it_and_on_hand_stays_where_it_is(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    part = await only_part(shop, await made(shop))
    await shop.control("POST", "stock", sku=TEE_SKU, available=4, location="Front Street shop")

    payload = await move(shop, part, FRONT)

    assert payload["userErrors"] == []
    assert payload["movedFulfillmentOrder"] == {
        "id": part,
        "status": "OPEN",
        "assignedLocation": {"location": {"id": FRONT}},
    }
    assert payload["originalFulfillmentOrder"] == {"id": part}
    levels = await shop.levels()
    assert (levels["Warehouse"], levels["Front Street shop"]) == ((10, 0, 10), (1, 3, 4))


async def test_a_location_that_has_too_few_units_takes_it_below_zero(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    part = await only_part(shop, await made(shop))

    assert (await move(shop, part, FRONT))["userErrors"] == []

    assert (await shop.levels())["Front Street shop"] == (-3, 3, 0)


async def test_a_canceled_order_gives_its_units_back_where_they_were_moved_to(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    gid = await made(shop)
    await move(shop, await only_part(shop, gid), FRONT)

    await shop.data(CANCEL, id=gid)
    shop.clock.advance(1)

    levels = await shop.levels()
    assert (levels["Warehouse"], levels["Front Street shop"]) == ((10, 0, 10), (0, 0, 0))


async def refusal(shop: StandinClient, part: str, location: str) -> tuple[list[str] | None, str]:
    """The field and the words of a move that changes nothing."""
    before = await shop.levels()
    payload = await move(shop, part, location)
    assert payload["movedFulfillmentOrder"] is None
    assert payload["originalFulfillmentOrder"] is None
    assert await shop.levels() == before
    [error] = payload["userErrors"]
    assert error["code"] is None
    return error["field"], error["message"]


async def test_a_location_that_is_unknown_inactive_or_the_same_is_refused(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    part = await only_part(shop, await made(shop))
    await shop.control("PATCH", f"locations/{FRONT}", active=False)

    assert await refusal(shop, part, "gid://shopify/Location/404") == (["id"], "Location not found.")
    assert await refusal(shop, part, FRONT) == (None, "Cannot change location.")
    assert await refusal(shop, part, WAREHOUSE) == (None, "Cannot change location.")


async def test_a_location_that_does_not_stock_the_item_is_refused(shop: StandinClient) -> None:
    await stock(shop, 10, 0)
    part = await only_part(shop, await made(shop))
    await shop.control("PATCH", f"locations/{FRONT}", stops_stocking=TEE_SKU)

    assert (await refusal(shop, part, FRONT))[0] == ["newLocationId"]


async def test_a_fulfillment_order_that_is_closed_or_none_is_refused(shop: StandinClient) -> None:
    gid = await made(shop)
    await shop.data(CANCEL, id=gid)
    shop.clock.advance(1)
    [part] = await parts(shop, gid)

    assert (part["status"], units(part)) == ("CLOSED", {TEE: 0})
    assert await refusal(shop, part["id"], FRONT) == (None, "Cannot change location.")
    assert (await refusal(shop, "gid://shopify/FulfillmentOrder/404", FRONT))[0] == ["id"]


async def test_without_the_scope_there_is_nothing_to_see_and_nothing_to_move() -> None:
    async with shopify_standin() as shop:
        made_with = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret"}
        scopes = ["write_orders", "read_products", "read_inventory", "read_locations"]
        await shop.http.post("/_control/shops", json={**made_with, "scopes": scopes})
        await shop.sign_in()
        gid = await made(shop)

        assert await parts(shop, gid) == []
        body = await shop.run(MOVE, id="gid://shopify/FulfillmentOrder/1", newLocationId=FRONT)

    [error] = body["errors"]
    assert error["extensions"]["requiredAccess"] == "`write_merchant_managed_fulfillment_orders` access scope."


async def test_a_location_is_read_by_its_id_active_or_not(shop: StandinClient) -> None:
    query = "query Location($id: ID!) { location(id: $id) { name isActive } }"
    await shop.control("PATCH", "locations/Warehouse", active=False)

    assert (await shop.data(query, id=FRONT))["location"] == {"name": "Front Street shop", "isActive": True}
    assert (await shop.data(query, id=WAREHOUSE))["location"] == {"name": "Warehouse", "isActive": False}
    assert (await shop.data(query, id="gid://shopify/Location/404"))["location"] is None
