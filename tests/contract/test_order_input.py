"""The example orders of Amazon's own model become Shopify orders with Amazon's total, to the minor unit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse
from graphql.execution import get_variable_values

from orderbridge.events import (
    Breakdown,
    BreakdownDetail,
    Disposition,
    ImportedLine,
    LineMatch,
    OrderImported,
    OrderMatched,
    Target,
)
from orderbridge.money import Money
from orderbridge.shopify import OrderAccepted
from orderbridge.shopify.documents import document
from orderbridge.shopify.order_input import DeliveryAddress, OrderInput, PersonalData, build_order_input
from orderbridge_ingestor.adapters.reading import read_order
from orderbridge_ingestor.domain.orders import Known, ReadOrder
from orderbridge_ingestor.domain.versions import take_version
from tests.unit.shopify.shop import DEMO, ShopUnderTest, shop_under_test

SHARED = Path(__file__).parents[3] / "shared" / "contracts"
CASES = SHARED / "amazon" / "derived" / "sandbox-static-cases.json"
SDL = SHARED / "shopify" / "admin_subset_2026-10.nodesc.graphql"

pytestmark = pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}: Amazon's examples are not here")


def examples() -> Iterator[dict[str, Any]]:
    """The orders of Amazon's static sandbox, of both operations."""
    if CASES.is_file():
        for case in json.loads(CASES.read_text(encoding="utf-8"))["cases"]:
            answer = case.get("response")
            if isinstance(answer, Mapping):
                yield from answer.get("orders") or ()
                yield from (order for order in [answer.get("order")] if order)


EXAMPLES = {example["orderId"]: example for example in examples() if example.get("proceeds")}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SDL.read_text(encoding="utf-8"))


@pytest.fixture
async def shop() -> AsyncIterator[ShopUnderTest]:
    async with shop_under_test() as under_test:
        await under_test.client.ensure_definition(DEMO)
        yield under_test


# Amazon's JSON, read as plainly as can be


def money(given: Mapping[str, str] | None) -> Money | None:
    return Money(amount=Decimal(given["amount"]), currency=given["currencyCode"]) if given else None


def breakdowns(given: Mapping[str, Any]) -> tuple[Breakdown, ...]:
    return tuple(
        Breakdown(
            type=each["type"],
            subtotal=some(money(each["subtotal"])),
            details=tuple(
                BreakdownDetail(subtype=detail["subtype"], value=some(money(detail["value"])))
                for detail in each.get("detailedBreakdowns", ())
            ),
        )
        for each in given.get("breakdowns", ())
    )


def some(value: Money | None) -> Money:
    assert value is not None
    return value


def line_of(item: Mapping[str, Any]) -> ImportedLine:
    product, proceeds = item["product"], item.get("proceeds", {})
    collections = item.get("tax", {}).get("taxCollections", ())
    return ImportedLine(
        order_item_id=item["orderItemId"],
        amazon_sku=product.get("sellerSku"),
        asin=product.get("asin"),
        title=product.get("title"),
        quantity=item["quantityOrdered"],
        unit_price=money(product.get("price", {}).get("unitPrice")),
        total=money(proceeds.get("proceedsTotal")),
        breakdowns=breakdowns(proceeds),
        tax_remitted_by_amazon=any(each["model"] == "MARKETPLACE_FACILITATOR" for each in collections),
    )


def imported_of(example: Mapping[str, Any]) -> OrderImported:
    proceeds = example["proceeds"]
    return OrderImported(
        order_id=f"main:{example['orderId']}",
        seq=1,
        at=datetime.fromisoformat(example["lastUpdatedTime"]),
        disposition=Disposition(kind="import"),
        fulfilled_by="merchant",
        marketplace_id=example["salesChannel"].get("marketplaceId"),
        service_level=example.get("fulfillment", {}).get("fulfillmentServiceLevel"),
        purchased_at=datetime.fromisoformat(example["createdTime"]),
        total=money(proceeds["grandTotal"]),
        breakdowns=breakdowns(proceeds),
        lines=tuple(line_of(item) for item in example["orderItems"]),
    )


def personal_of(example: Mapping[str, Any]) -> PersonalData:
    given = example["recipient"]["deliveryAddress"]
    renamed = {
        "name": "name",
        "company": "companyName",
        "line1": "addressLine1",
        "line2": "addressLine2",
        "line3": "addressLine3",
        "city": "city",
        "district": "districtOrCounty",
        "state": "stateOrRegion",
        "postal_code": "postalCode",
        "country": "countryCode",
        "phone": "phone",
    }
    address = DeliveryAddress.model_validate({ours: given.get(amazons) for ours, amazons in renamed.items()})
    return PersonalData(address=address, purchase_order=example.get("buyer", {}).get("buyerPurchaseOrderNumber"))


def matched_to(imported: OrderImported, variant_ids: list[str]) -> OrderMatched:
    lines = tuple(
        LineMatch(order_item_id=line.order_item_id, targets=(Target(variant_id=variant, quantity=line.quantity),))
        for line, variant in zip(imported.lines, variant_ids, strict=False)
    )
    return OrderMatched(order_id=imported.order_id, seq=1, at=imported.at, imported_seq=1, lines=lines)


def made_of(example: Mapping[str, Any], variant_ids: list[str]) -> OrderInput:
    imported = imported_of(example)
    made = build_order_input(imported, matched_to(imported, variant_ids), personal_of(example))
    assert isinstance(made, OrderInput), made
    return made


def test_amazon_gives_examples_enough() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.skipif(not SDL.is_file(), reason=f"no {SDL}: Shopify's schema is not here")
@pytest.mark.parametrize("order_id", EXAMPLES)
def test_an_examples_input_fits_shopifys_schema(schema: GraphQLSchema, order_id: str) -> None:
    variants = [f"gid://shopify/ProductVariant/{number}" for number in range(1, 20)]
    fits(schema, made_of(EXAMPLES[order_id], variants))


@pytest.mark.parametrize("order_id", EXAMPLES)
async def test_an_example_has_amazons_total_in_the_shop(shop: ShopUnderTest, order_id: str) -> None:
    example = EXAMPLES[order_id]
    variant_ids = [each["variant_id"] for each in await shop.variants()]

    created = await shop.client.order_create(DEMO, made_of(example, variant_ids).variables)

    assert isinstance(created, OrderAccepted), created
    assert created.total == some(money(example["proceeds"]["grandTotal"]))
    [held] = (await shop.control("GET", "ledger"))["orders"]
    assert held["amazon_order_id"] == order_id
    units = sum(item["quantityOrdered"] for item in example["orderItems"])
    assert sum(line["quantity"] for line in held["lines"]) == units
    assert await paid(shop, created.gid)


AS_READ: dict[str, tuple[str, str, str]] = {
    "250-1234567-8901234": ("19940 JPY", "FULFILLED", "JP"),
    "202-7654321-1098765": ("34.99 GBP", "UNFULFILLED", "GB"),
    "171-2345678-9012345": ("1599.90 BRL", "UNFULFILLED", "BR"),
    "123-4567890-1234567": ("154.99 USD", "UNFULFILLED", "US"),
    "171-9876543-2109876": ("299.90 BRL", "UNFULFILLED", "BR"),
    "028-1234567-8901234": ("125.00 TRY", "UNFULFILLED", "TR"),
    "114-9876543-1234567": ("49.99 USD", "UNFULFILLED", "US"),
    "202-1234567-8901234": ("103.97 GBP", "UNFULFILLED", "GB"),
}
"""By Amazon order id: the total, what the shop shows of the fulfilment, and the country."""


def as_read(example: Mapping[str, Any]) -> tuple[OrderImported, PersonalData]:
    """As the ingestor reads and publishes it."""
    read = read_order(example)
    assert isinstance(read, ReadOrder), read
    known = Known(f"main:{read.amazon_order_id}")
    change = take_version(known, read.snapshot, read.personal, None, None, read.snapshot.last_updated_at)
    assert change is not None
    assert change.fact is not None
    return change.fact, read.personal


@pytest.mark.skipif(not SDL.is_file(), reason=f"no {SDL}: Shopify's schema is not here")
async def test_every_example_as_the_ingestor_reads_it_has_its_total_in_the_shop(
    shop: ShopUnderTest, schema: GraphQLSchema
) -> None:
    assert EXAMPLES.keys() == AS_READ.keys()
    variant_ids = [each["variant_id"] for each in await shop.variants()]
    found = {}
    for order_id, example in EXAMPLES.items():
        imported, personal = as_read(example)
        made = build_order_input(imported, matched_to(imported, variant_ids), personal)
        assert isinstance(made, OrderInput), made
        fits(schema, made)
        created = await shop.client.order_create(DEMO, made.variables)
        assert isinstance(created, OrderAccepted), created
        assert created.total is not None
        [held] = [one for one in (await shop.control("GET", "ledger"))["orders"] if one["gid"] == created.gid]
        found[order_id] = held["fulfillment_status"], made.variables["order"]["shippingAddress"]["countryCode"]
        assert created.total == imported.total
        assert str(imported.total) == AS_READ[order_id][0]

    assert found == {order_id: (status, country) for order_id, (_, status, country) in AS_READ.items()}


def test_the_examples_tax_numbers_and_companies_go_along() -> None:
    def fields(order_id: str) -> dict[str, Any]:
        imported, personal = as_read(EXAMPLES[order_id])
        variants = [f"gid://shopify/ProductVariant/{number}" for number in range(1, 20)]
        made = build_order_input(imported, matched_to(imported, variants), personal)
        assert isinstance(made, OrderInput)
        order: dict[str, Any] = made.variables["order"]
        return order

    brazil, turkey = fields("171-2345678-9012345"), fields("028-1234567-8901234")
    assert {"key": "amazon_tax_number_buyer_vat", "value": "1234567890"} in brazil["customAttributes"]
    assert {"key": "amazon_tax_number_marketplace_cnpj", "value": "15436940"} in brazil["customAttributes"]
    assert {"key": "amazon_tax_number_buyer_business", "value": "TR1234567890"} in turkey["customAttributes"]
    assert (brazil["shippingAddress"]["provinceCode"], brazil["shippingAddress"]["company"]) == (
        "SP",
        "Oliveira Tecnologia Ltda",
    )


def fits(schema: GraphQLSchema, made: OrderInput) -> None:
    """Whether the variables are what Shopify's own schema asks for."""
    [operation] = parse(document("order_create")).definitions
    assert isinstance(operation, OperationDefinitionNode)
    found = get_variable_values(schema, list(operation.variable_definitions or ()), {**made.variables, "lines": 1})
    assert not isinstance(found, list), found


async def paid(shop: ShopUnderTest, gid: str) -> bool:
    """Whether the shop holds the order for paid in full."""
    query = "query($id: ID!) { order(id: $id) { displayFinancialStatus } }"
    token = await shop.client._tokens.token(DEMO)
    answer = await shop.http.send(
        "POST",
        f"http://127.0.0.1/{DEMO.domain}/admin/api/2026-10/graphql.json",
        headers={"X-Shopify-Access-Token": token, "Content-Type": "application/json"},
        content=json.dumps({"query": query, "variables": {"id": gid}}).encode(),
    )
    status: str = json.loads(answer.body)["data"]["order"]["displayFinancialStatus"]
    return status == "PAID"
