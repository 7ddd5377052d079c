"""The stand-in against Amazon's published model: shapes, sandbox cases, data sets, and what a status has to show."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from orderbridge_standins.amazon.marketplaces import MARKETPLACES
from orderbridge_standins.amazon.search import STATUSES

from .amazon_standin import (
    ALL_DATA,
    SELLER,
    Door,
    newest_bound,
    open_door,
    required_model,
    sandbox_cases,
    wide_window,
)

EVERY_STORY = {
    "unshipped": 12,
    "pending": 3,
    "pending_availability": 2,
    "partially_shipped": 4,
    "shipped": 4,
    "canceled": 4,
    "unfulfillable": 2,
    "fulfilled_by_amazon": 6,
    "unknown_sku": 3,
}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    required_model()
    async with open_door() as door:
        await door.generous()
        await door.control(
            "sellers",
            {
                "seller_id": SELLER,
                "refresh_token": "Atzr|everywhere",
                "client_id": "amzn1.application-oa2-client.demo",
                "client_secret": "demo-secret",
                "marketplace_ids": list(MARKETPLACES),
            },
        )
        await door.log_in(refresh_token="Atzr|everywhere")
        yield door


@pytest.mark.parametrize("marketplace_id", MARKETPLACES)
async def test_every_status_in_every_marketplace_fits_the_model_and_adds_up(door: Door, marketplace_id: str) -> None:
    made = await door.generate(EVERY_STORY, marketplace_id=marketplace_id)

    pages = await door.walk(includedData=ALL_DATA, maxResultsPerPage=20, **wide_window())

    orders = [order for page in pages for order in page["orders"]]
    assert sorted(order["orderId"] for order in orders) == sorted(made["order_ids"])
    assert {order["fulfillment"]["fulfillmentStatus"] for order in orders} == STATUSES
    market = MARKETPLACES[marketplace_id]
    for order in (order for order in orders if "proceeds" in order):
        assert_adds_up(order, market.currency, tax_included=market.tax_included)
    one_of_each = {order["fulfillment"]["fulfillmentStatus"]: order for order in orders}
    for order in one_of_each.values():
        one = await door.get(order["orderId"], includedData=ALL_DATA)
        assert one.json() == {"order": order}


def assert_adds_up(order: dict[str, Any], currency: str, *, tax_included: bool) -> None:
    total = order["proceeds"]["grandTotal"]
    assert total["currencyCode"] == currency
    lines = [item["proceeds"] for item in order["orderItems"]]
    assert Decimal(total["amount"]) == sum(Decimal(line["proceedsTotal"]["amount"]) for line in lines)
    for item, line in zip(order["orderItems"], lines, strict=True):
        parts = {part["type"]: Decimal(part["subtotal"]["amount"]) for part in line["breakdowns"]}
        price = Decimal(item["product"]["price"]["unitPrice"]["amount"])
        assert parts["ITEM"] == price * item["quantityOrdered"]
        added = sum(amount for kind, amount in parts.items() if not (tax_included and kind == "TAX"))
        assert Decimal(line["proceedsTotal"]["amount"]) == added
        for part in line["breakdowns"]:
            details = [Decimal(detail["value"]["amount"]) for detail in part.get("detailedBreakdowns", ())]
            assert not details or sum(details) == parts[part["type"]]


@pytest.mark.parametrize("case", sandbox_cases("searchOrders"), ids=lambda case: f"{case['status']}-{case['index']}")
async def test_a_sandbox_search_is_answered_with_the_same_orders(door: Door, case: dict[str, Any]) -> None:
    await door.control("clock", {"set_to": "2025-04-01T00:00:00Z"})
    await door.log_in(refresh_token="Atzr|everywhere")
    for order in case["response"].get("orders", ()):
        await door.control(f"orders/{SELLER}/{order['orderId']}?keep_times=true", order, method="PUT")

    answer = await door.search(**asked_in(case))

    assert answer.status_code == case["status"]
    if case["status"] == 200:
        assert answer.json()["orders"] == case["response"]["orders"]
        assert "createdBefore" in answer.json()
    else:
        assert answer.json()["errors"][0]["code"] == case["response"]["errors"][0]["code"]


@pytest.mark.parametrize("case", sandbox_cases("getOrder"), ids=lambda case: f"{case['status']}-{case['index']}")
async def test_a_sandbox_order_is_answered_as_it_was_put_in(door: Door, case: dict[str, Any]) -> None:
    if case["status"] == 200:
        order = case["response"]["order"]
        await door.control(f"orders/{SELLER}/{order['orderId']}?keep_times=true", order, method="PUT")
    asked = asked_in(case)

    answer = await door.get(asked.pop("orderId"), **asked)

    assert answer.status_code == case["status"]
    if case["status"] == 200:
        assert answer.json() == case["response"]
    else:
        assert answer.json()["errors"][0]["code"] == case["response"]["errors"][0]["code"]


def asked_in(case: dict[str, Any]) -> dict[str, str]:
    """The case's parameters; its page token is left out, as only Amazon's sandbox knows it."""
    values = {name: given["value"] for name, given in case["request"]["parameters"].items()}
    values.pop("paginationToken", None)
    return {name: ",".join(value) if isinstance(value, list) else value for name, value in values.items()}


async def test_without_included_data_no_gated_field_is_there(door: Door) -> None:
    await door.generate({"shipped": 5, "unshipped": 5})

    [page] = await door.walk(**wide_window())

    allowed = {"orderId", "createdTime", "lastUpdatedTime", "programs", "salesChannel", "orderItems"}
    items = [item for order in page["orders"] for item in order["orderItems"]]
    assert {name for order in page["orders"] for name in order} == allowed
    assert {name for item in items for name in item} == {"orderItemId", "quantityOrdered", "measurement", "product"}
    assert all("unitPrice" in item["product"]["price"] for item in items)


@pytest.mark.parametrize(
    ("data", "order_field", "item_field"),
    [
        ("BUYER", "buyer", None),
        ("RECIPIENT", "recipient", None),
        ("PROCEEDS", "proceeds", "proceeds"),
        ("FULFILLMENT", "fulfillment", "fulfillment"),
        ("PACKAGES", "packages", None),
        ("TAX", None, "tax"),
        ("PAYMENT", "payment", None),
    ],
)
async def test_one_data_set_brings_its_own_fields_alone(
    door: Door, data: str, order_field: str | None, item_field: str | None
) -> None:
    made = await door.generate({"shipped": 1})

    order = (await door.get(made["order_ids"][0], includedData=data)).json()["order"]

    plain = (await door.get(made["order_ids"][0])).json()["order"]
    assert order.keys() - plain.keys() == ({order_field} if order_field else set())
    assert order["orderItems"][0].keys() - plain["orderItems"][0].keys() == ({item_field} if item_field else set())


async def test_a_pending_order_shows_buyer_and_money_only_once_it_is_unshipped(door: Door) -> None:
    [order_id] = (await door.generate({"pending": 1}))["order_ids"]

    pending = (await door.get(order_id, includedData=ALL_DATA)).json()["order"]
    await door.control(
        f"orders/{SELLER}/{order_id}", {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}}, method="PATCH"
    )
    payable = (await door.get(order_id, includedData=ALL_DATA)).json()["order"]

    hidden = {"buyer", "recipient", "proceeds", "payment"}
    assert not hidden & pending.keys()
    assert "price" not in pending["orderItems"][0]["product"]
    assert "shipByWindow" not in pending["fulfillment"]
    assert hidden <= payable.keys()
    assert "price" in payable["orderItems"][0]["product"]
    assert payable["lastUpdatedTime"] >= pending["lastUpdatedTime"]


async def test_of_an_order_that_amazon_ships_the_person_is_not_shown(door: Door) -> None:
    [order_id] = (await door.generate({"fulfilled_by_amazon": 1}))["order_ids"]

    order = (await door.get(order_id, includedData=ALL_DATA)).json()["order"]

    assert "buyer" not in order
    assert order["recipient"]["deliveryAddress"].keys() <= {"city", "stateOrRegion", "postalCode", "countryCode"}


async def test_unknown_words_and_fields_of_a_later_amazon_can_be_played(door: Door) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    await door.control(
        f"orders/{SELLER}/{order_id}",
        {"programs": ["BRAND_NEW_PROGRAM"], "brandNewBlock": {"value": 1}},
        method="PATCH",
    )

    order = (await door.get(order_id)).json()["order"]

    assert order["programs"] == ["BRAND_NEW_PROGRAM"]
    assert order["brandNewBlock"] == {"value": 1}


async def test_every_refusal_fits_the_model(door: Door) -> None:
    refused = [
        await door.search(),
        await door.search(lastUpdatedAfter="2026-01-01T00:00:00Z", lastUpdatedBefore=newest_bound(door.world)[:-1]),
        await door.search(**wide_window(), marketplaceIds="A2ZV50J4W1RKNI"),
        await door.get("113-0000000-0000000"),
        await door.get("no-order-id"),
    ]
    door.access_token = ""
    refused.append(await door.search(**wide_window()))

    assert [answer.status_code for answer in refused] == [400, 400, 403, 404, 400, 403]
    for answer in refused:
        assert answer.headers["x-amzn-requestid"]
        assert ("x-amzn-ratelimit-limit" in answer.headers) == (answer.status_code in {400, 404})
