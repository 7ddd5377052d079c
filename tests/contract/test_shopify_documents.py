"""Every document of ours, with the variables that the client really sends, fits Shopify's own schema of 2026-10."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_schema,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import get_variable_values
from graphql.language import DocumentNode

import orderbridge.shopify.documents
from orderbridge.shopify import CancelAccepted, Moved, OrderAccepted, Reassigned, StockMove
from orderbridge.shopify.documents import document
from orderbridge.shopify.order_input import OrderInput, build_order_input
from orderbridge.shopify.regions import COUNTRIES
from tests.unit.shopify.orders import PERSONAL, breakdown, line, matched, order
from tests.unit.shopify.shop import DEMO, Asked, ShopUnderTest, shop_under_test

DOCUMENTS = Path(orderbridge.shopify.documents.__file__).parent
NAMES = sorted(path.stem for path in DOCUMENTS.glob("*.graphql"))
SDL = Path(__file__).parents[3] / "shared/contracts/shopify/admin_subset_2026-10.nodesc.graphql"

pytestmark = pytest.mark.skipif(not SDL.is_file(), reason=f"no {SDL}: Shopify's schema is not here")


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SDL.read_text(encoding="utf-8"))


@pytest.fixture
async def shop() -> AsyncIterator[ShopUnderTest]:
    async with shop_under_test() as under_test:
        await under_test.control("POST", "settings", search_lag_s=0, bucket={"maximum": 100_000, "restore": 100})
        yield under_test


def variable_mistakes(schema: GraphQLSchema, asked: Asked) -> list[str]:
    """What Shopify's input types say against the variables of one request."""
    operation = operation_of(parse(asked.query))
    found = get_variable_values(schema, list(operation.variable_definitions or ()), asked.variables)
    return [error.message for error in found] if isinstance(found, list) else []


def operation_of(tree: DocumentNode) -> OperationDefinitionNode:
    [operation] = tree.definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation


def test_there_are_documents() -> None:
    assert len(NAMES) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_a_document_fits_the_schema_and_uses_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    errors = validate(schema, parse(document(name)), [*specified_rules, NoDeprecatedCustomRule])

    assert [error.message for error in errors] == []


def test_a_document_with_a_field_that_is_none_is_noticed(schema: GraphQLSchema) -> None:
    wrong = document("order_create").replace("sourceIdentifier", "sourceIdentity")

    assert validate(schema, parse(wrong)) != []


def test_the_countries_that_we_send_are_shopifys(schema: GraphQLSchema) -> None:
    kind = schema.get_type("CountryCode")
    assert isinstance(kind, GraphQLEnumType)

    assert COUNTRIES - set(kind.values) == set()


async def test_the_variables_that_are_really_sent_fit_the_schema(schema: GraphQLSchema, shop: ShopUnderTest) -> None:
    shown = await shop.variants()
    await use_everything(shop, shown)

    used = {asked.query for asked in shop.asked}
    # One goes as the text that another has as its variable.
    sent = used | {document("exported_variants")}
    assert sent == {document(name) for name in NAMES}, "a document is never sent by this test"
    mistakes = {asked.query: variable_mistakes(schema, asked) for asked in shop.asked}
    assert {query: found for query, found in mistakes.items() if found} == {}


async def use_everything(shop: ShopUnderTest, shown: list[dict[str, Any]]) -> None:
    """Send every document once, at least, as the services do."""
    variants = [{"sku": f"LAMP-{number}", "title": f"V{number}"} for number in range(60)]
    await shop.control("POST", "products", title="Invented lamp", variants=variants)
    client, ids = shop.client, [each["variant_id"] for each in shown[:3]]
    await client.ensure_definition(DEMO)
    await client.check(DEMO)
    await subscribe(shop)
    page = await client.variants_page(DEMO)
    while page.next is not None:
        page = await client.variants_page(DEMO, page.next)
    await client.variants_page(DEMO, updated_since=shop.clock.now())
    await client.find_by_sku(DEMO, [each["sku"] for each in shown[:3]])
    await client.variants_by_id(DEMO, ids)
    assert await client.variants_of_product(DEMO, shown[0]["product_id"])
    export = await client.start_export(DEMO)
    assert await client.export(DEMO, export.gid) is not None
    await client.search_variants(DEMO, "invented LAMP-1")
    await client.stock_of(DEMO, ids)
    await client.execute(
        DEMO, "stock_of_item", {"ids": [shown[0]["inventory_item_id"]], "first": 1, "after": None}, cost=9
    )
    level = next(each for each in shown[0]["levels"] if each["available"])
    moved = StockMove(shown[0]["inventory_item_id"], level["location_id"], 1, level["available"])
    held = await client.move_stock(DEMO, [moved], "reserve", key="k", document="gid://orderbridge/AmazonOrder/1")
    assert held == Moved()
    taxed = line(
        "27.50",
        breakdown("ITEM", "25.00"),
        breakdown("TAX", "2.50"),
        quantity=3,
        tax_remitted_by_amazon=True,
    )
    imported = order("32.50", taxed, breakdowns=[breakdown("DELIVERY_TIP", "5.00")])
    match = matched(imported)
    match = match.model_copy(
        update={
            "lines": tuple(
                each.model_copy(update={"targets": (each.targets[0].model_copy(update={"variant_id": ids[0]}),)})
                for each in match.lines
            )
        }
    )
    made = build_order_input(imported, match, PERSONAL, forced=True)
    assert isinstance(made, OrderInput)
    created = await client.order_create(DEMO, made.variables)
    assert isinstance(created, OrderAccepted)
    assert created.total == made.total
    assert await client.order_by_amazon_id(DEMO, "113-1234567-7654321") is not None
    assert await client.order_by_id(DEMO, created.gid) is not None
    [part] = await client.open_fulfillment_orders(DEMO, created.gid)
    front = "gid://shopify/Location/61001"
    await client.require_location(DEMO, front)
    assert await client.move_fulfillment_order(DEMO, part.gid, front) == Reassigned()
    canceled = await client.order_cancel(DEMO, created.gid, restock=True)
    assert isinstance(canceled, CancelAccepted)
    assert canceled.job is not None
    await client.job_done(DEMO, canceled.job)


async def subscribe(shop: ShopUnderTest) -> None:
    """Make the webhook subscriptions, move them to another address, and remove one that is there twice."""
    client, path = shop.client, "/v1/webhooks/shopify/main"
    await client.keep_subscribed(DEMO, "https://old.example", path)
    twice = {"topic": "PRODUCTS_UPDATE", "subscription": {"uri": f"https://new.example{path}"}}
    await client.execute(DEMO, "webhook_subscription_create", twice, cost=10)
    await client.keep_subscribed(DEMO, "https://new.example", path)
