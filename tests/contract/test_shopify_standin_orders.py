"""How the stand-in adds up, takes stock, keeps values unique, finds and cancels: as facts/shopify.md says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.shopify_standin import (
    AMAZON_ID,
    FIND,
    MUG,
    MUG_SKU,
    TEE,
    TEE_SKU,
    StandinClient,
    line,
    order,
    shopify_standin,
    tax,
    usd,
)

EXAMPLE = Path(__file__).parents[3] / "shared" / "contracts" / "shopify" / "order_create_example.json"
OBEYING, IGNORING = "DECREMENT_OBEYING_POLICY", "DECREMENT_IGNORING_POLICY"


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


def total_of(payload: dict[str, Any]) -> str:
    assert payload["userErrors"] == []
    amount: str = payload["order"]["totalPriceSet"]["shopMoney"]["amount"]
    return amount


# money


@pytest.mark.skipif(not EXAMPLE.is_file(), reason=f"no {EXAMPLE}")
async def test_the_example_order_totals_as_it_says_and_is_paid(shop: StandinClient) -> None:
    given = json.loads(EXAMPLE.read_text(encoding="utf-8"))["order"]
    given["lineItems"][0]["variantId"] = TEE

    payload = await shop.create(given)

    assert total_of(payload) == "39.95"
    assert payload["order"]["displayFinancialStatus"] == "PAID"


SHIPPING = {"shippingLines": [{"title": "Standard", "priceSet": usd("4.99"), "taxLines": [tax("0.40")]}]}


@pytest.mark.parametrize(
    ("more", "total"),
    [
        ({}, "25.0"),
        (SHIPPING, "30.39"),
        ({"taxLines": [tax("2.00")]}, "27.0"),
        ({"taxLines": [tax("2.00")], "taxesIncluded": True}, "25.0"),
        ({"discountCode": {"itemFixedDiscountCode": {"code": "PROMO", "amountSet": usd("5.50")}}}, "19.5"),
        ({"discountCode": {"itemFixedDiscountCode": {"code": "PROMO", "amountSet": usd("99.00")}}}, "0.0"),
        ({"discountCode": {"itemPercentageDiscountCode": {"code": "PROMO", "percentage": 10}}}, "22.5"),
        ({**SHIPPING, "discountCode": {"freeShippingDiscountCode": {"code": "FREE"}}}, "25.4"),
    ],
)
async def test_the_total_is_lines_and_shipping_and_taxes_less_the_discount(
    shop: StandinClient, more: dict[str, Any], total: str
) -> None:
    assert total_of(await shop.create(order(line(quantity=2), **more))) == total


async def test_tax_lines_of_lines_are_added_and_those_of_a_tax_inclusive_order_are_not(shop: StandinClient) -> None:
    taxed = line(taxLines=[tax("1.00")])

    assert total_of(await shop.create(order(taxed, amazon_order_id="1"))) == "13.5"
    assert total_of(await shop.create(order(taxed, amazon_order_id="2", taxesIncluded=True))) == "12.5"


async def test_tax_lines_on_the_order_and_on_a_line_are_refused(shop: StandinClient) -> None:
    payload = await shop.create(order(line(taxLines=[tax("1.00")]), taxLines=[tax("1.00")]))

    assert payload["order"] is None
    assert payload["userErrors"][0]["field"] == ["order", "taxLines"]


async def test_money_in_another_currency_than_the_orders_is_refused(shop: StandinClient) -> None:
    payload = await shop.create(order(currency="CAD"))

    assert payload["order"] is None
    assert payload["userErrors"][0]["field"][-1] == "currencyCode"


async def test_the_currency_of_an_order_may_differ_from_the_shops(shop: StandinClient) -> None:
    cad = {"shopMoney": {"amount": "20.00", "currencyCode": "CAD"}}

    payload = await shop.create(order(line(priceSet=cad), currency="CAD"))

    assert payload["order"]["totalPriceSet"]["shopMoney"] == {"amount": "20.0", "currencyCode": "CAD"}


@pytest.mark.parametrize(
    ("transactions", "stated", "status"),
    [
        ([], None, None),
        ([], "PAID", "PAID"),
        ([{"amountSet": usd("12.50")}], None, "PAID"),
        ([{"amountSet": usd("12.49")}], "PAID", "PARTIALLY_PAID"),
        ([{"amountSet": usd("12.50"), "kind": "AUTHORIZATION"}], None, "AUTHORIZED"),
        ([{"amountSet": usd("12.50"), "status": "FAILURE"}], "PAID", "PENDING"),
    ],
)
async def test_the_financial_status_follows_the_transactions_to_the_cent(
    shop: StandinClient, transactions: list[dict[str, Any]], stated: str | None, status: str | None
) -> None:
    payload = await shop.create(order(transactions=transactions, financialStatus=stated))

    assert payload["order"]["displayFinancialStatus"] == status


# what is sent


async def test_an_order_keeps_what_was_sent_and_reads_back_at_once(shop: StandinClient) -> None:
    given = order(
        line(MUG, properties=[{"name": "_amazon_order_item_id", "value": "42"}]),
        tags=["amazon", "amazon-us"],
        note="Amazon order",
        poNumber="PO-7",
        processedAt="2026-11-20T10:00:00Z",
        customAttributes=[{"key": "latest_ship_date", "value": "2026-11-24"}],
    )
    made = (await shop.create(given))["order"]

    query = """query($id: ID!) { order(id: $id) {
      tags note poNumber processedAt sourceIdentifier customAttributes { key value }
      mark: metafield(namespace: "$app", key: "amazon_order_id") { namespace type value }
      lineItems(first: 5) { nodes { sku title customAttributes { key value } variant { id } } } } }"""
    read = (await shop.data(query, id=made["id"]))["order"]

    assert read == {
        "tags": ["amazon", "amazon-us"],
        "note": "Amazon order",
        "poNumber": "PO-7",
        "processedAt": "2026-11-20T10:00:00Z",
        "sourceIdentifier": AMAZON_ID,
        "customAttributes": [{"key": "latest_ship_date", "value": "2026-11-24"}],
        "mark": {"namespace": "app--demo-client", "type": "id", "value": AMAZON_ID},
        "lineItems": {
            "nodes": [
                {
                    "sku": MUG_SKU,
                    "title": "Classic Stoneware Mug",
                    "customAttributes": [{"key": "_amazon_order_item_id", "value": "42"}],
                    "variant": {"id": MUG},
                }
            ]
        },
    }


async def test_a_time_in_the_future_is_clamped_to_now(shop: StandinClient) -> None:
    made = (await shop.create(order(processedAt="2099-01-01T00:00:00Z")))["order"]

    read = (await shop.data("query($id: ID!) { order(id: $id) { processedAt createdAt } }", id=made["id"]))["order"]

    assert read["processedAt"] == read["createdAt"]


async def test_a_dead_variant_with_a_title_becomes_a_custom_line(shop: StandinClient) -> None:
    made = (await shop.create(order(line("gid://shopify/ProductVariant/1", title="Gone"))))["order"]

    query = "query($id: ID!) { order(id: $id) { lineItems(first: 1) { nodes { title variant { id } } } } }"
    read = (await shop.data(query, id=made["id"]))["order"]

    assert read["lineItems"]["nodes"] == [{"title": "Gone", "variant": None}]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"phone": "not a phone"}, "phone"),
        ({"countryCode": None}, "countryCode"),
        ({"provinceCode": "Washington State"}, "provinceCode"),
    ],
)
async def test_an_address_that_cannot_be_is_refused(shop: StandinClient, changed: dict[str, Any], field: str) -> None:
    address = {"lastName": "Example", "address1": "1 Sample St", "city": "Seattle", "countryCode": "US"}

    payload = await shop.create(order(shippingAddress={**address, **changed}))

    assert payload["order"] is None
    assert [error["field"] for error in payload["userErrors"]] == [["order", "shippingAddress", field]]


# stock


async def test_bypass_leaves_the_stock_alone(shop: StandinClient) -> None:
    before = await shop.levels()

    await shop.create(order(line(quantity=3)))

    assert await shop.levels() == before


async def test_a_claim_moves_available_to_committed_and_leaves_on_hand(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)

    await shop.create(order(line(quantity=3)), OBEYING)

    assert await shop.levels() == {
        "Front Street shop": (0, 0, 0),
        "Warehouse": (7, 3, 10),
        "Outlet, not online": (0, 0, 0),
    }


async def test_a_line_is_split_over_locations_when_none_holds_all_of_it(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=2)
    await shop.control("POST", "stock", sku=TEE_SKU, available=2, location="Front Street shop")

    await shop.create(order(line(quantity=3)), OBEYING)

    levels = await shop.levels()
    assert levels["Front Street shop"] == (0, 2, 2)
    assert levels["Warehouse"] == (1, 1, 2)


async def test_stock_at_a_location_that_is_not_online_does_not_count(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=0)
    await shop.control("POST", "stock", sku=TEE_SKU, available=9, location="Outlet, not online")

    payload = await shop.create(order(), OBEYING)

    assert [error["message"] for error in payload["userErrors"]] == ["Line items Unable to reserve inventory"]


async def test_one_unit_short_refuses_the_whole_order_and_claims_nothing(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=3)
    tee, mug = await shop.levels(TEE_SKU), await shop.levels(MUG_SKU)

    payload = await shop.create(order(line(MUG), line(TEE, 2), line(TEE, 2)), OBEYING)

    assert payload["order"] is None
    assert (await shop.levels(TEE_SKU), await shop.levels(MUG_SKU)) == (tee, mug)


@pytest.mark.parametrize("setting", [{"policy": "CONTINUE"}, {"tracked": False}])
async def test_a_variant_that_continues_selling_or_is_untracked_is_never_refused(
    shop: StandinClient, setting: dict[str, Any]
) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=0)
    await shop.control("PATCH", f"variants/{TEE_SKU}", **setting)

    payload = await shop.create(order(line(quantity=5)), OBEYING)

    assert payload["userErrors"] == []


async def test_ignoring_the_policy_sells_below_zero(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=1)

    await shop.create(order(line(quantity=3)), IGNORING)

    levels = await shop.levels()
    assert sum(available for available, _, _ in levels.values()) == -2
    assert sum(committed for _, committed, _ in levels.values()) == 3


ITEM = "gid://shopify/InventoryItem/46000010000000"
WAREHOUSE = "gid://shopify/Location/61002"
SET = """mutation($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta quantityAfterChange } } userErrors { code } } }"""


async def set_available(shop: StandinClient, quantity: int, expected: int | None, key: str) -> dict[str, Any]:
    wanted = {"inventoryItemId": ITEM, "locationId": WAREHOUSE, "quantity": quantity, "changeFromQuantity": expected}
    given = {"name": "available", "reason": "correction", "quantities": [wanted]}
    payload: dict[str, Any] = (await shop.data(SET, input=given, key=key))["inventorySetQuantities"]
    return payload


async def test_stock_is_set_only_from_the_quantity_the_caller_has_read(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=5)

    stale = await set_available(shop, 9, expected=4, key="a")
    fresh = await set_available(shop, 9, expected=5, key="b")

    assert stale["userErrors"] == [{"code": "CHANGE_FROM_QUANTITY_STALE"}]
    assert fresh["inventoryAdjustmentGroup"]["changes"] == [{"name": "available", "delta": 4, "quantityAfterChange": 9}]
    assert (await shop.levels())["Warehouse"] == (9, 0, 9)


async def test_the_same_key_repeats_the_result_and_not_the_effect(shop: StandinClient) -> None:
    first = await set_available(shop, 9, expected=None, key="k")
    await shop.control("POST", "stock", sku=TEE_SKU, available=1)

    again = await set_available(shop, 9, expected=None, key="k")
    other = await set_available(shop, 8, expected=None, key="k")

    assert again == first
    assert other["userErrors"] == [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"}]
    assert (await shop.levels())["Warehouse"] == (1, 0, 1)


# the unique metafield


async def test_a_taken_value_is_refused_without_effect_while_uniqueness_is_enforced(shop: StandinClient) -> None:
    await shop.define()
    first = (await shop.create(order(), OBEYING))["order"]
    levels = await shop.levels()

    second = await shop.create(order(), OBEYING)

    assert second["order"] is None
    assert second["userErrors"][0]["field"] == ["order", "metafields", "0", "value"]
    assert await shop.levels() == levels
    assert await shop.find() == {"id": first["id"]}
    assert len((await shop.ledger())["orders"]) == 1


async def test_a_taken_value_is_a_second_order_while_uniqueness_is_not_enforced(shop: StandinClient) -> None:
    await shop.define()
    await shop.control("POST", "settings", unique_enforced=False)
    first = (await shop.create(order()))["order"]

    second = (await shop.create(order()))["order"]

    assert second["id"] != first["id"]
    assert await shop.find() == {"id": first["id"]}


async def test_without_a_definition_an_order_is_created_and_nothing_is_unique(shop: StandinClient) -> None:
    assert (await shop.create(order()))["order"] is not None
    assert (await shop.create(order()))["order"] is not None


async def test_the_look_up_answers_again_once_the_definition_is_restored(shop: StandinClient) -> None:
    await shop.define()
    made = (await shop.create(order()))["order"]
    await shop.control("DELETE", "definition")
    missing = await shop.run(FIND, value=AMAZON_ID)

    await shop.define()

    assert missing["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await shop.find() == {"id": made["id"]}


async def test_a_look_up_sees_an_order_at_once_unless_it_is_told_to_lag(shop: StandinClient) -> None:
    await shop.define()
    await shop.control("POST", "settings", lookup_lag_s=3)
    made = (await shop.create(order()))["order"]

    early = await shop.find()
    shop.clock.advance(3)

    assert early is None
    assert await shop.find() == {"id": made["id"]}


async def test_a_definition_is_made_once_and_its_values_are_unique(shop: StandinClient) -> None:
    made = await shop.define()
    again = await shop.define()

    definition = made["createdDefinition"]
    assert (definition["namespace"], definition["type"]) == ("app--demo-client", {"name": "id"})
    assert definition["capabilities"]["uniqueValues"] == {"enabled": True, "eligible": True}
    assert [error["code"] for error in again["userErrors"]] == ["TAKEN"]


async def test_another_apps_namespace_is_closed(shop: StandinClient) -> None:
    foreign = {"namespace": "app--other", "key": "amazon_order_id", "type": "id", "value": "1"}

    payload = await shop.create(order(metafields=[foreign]))

    assert payload["order"] is None
    assert "not allowed" in payload["userErrors"][0]["message"]


# searching


async def variants_by(shop: StandinClient, query: str) -> list[str]:
    asked = "query($query: String!) { productVariants(first: 250, query: $query) { nodes { sku } } }"
    nodes = (await shop.data(asked, query=query))["productVariants"]["nodes"]
    return [node["sku"] for node in nodes]


async def test_a_search_by_sku_finds_candidates_whatever_the_case(shop: StandinClient) -> None:
    await shop.control("POST", "products", title="Bundle", variants=[{"sku": f"{TEE_SKU}-2"}])
    shop.clock.advance(2)

    found = await variants_by(shop, f'sku:"{TEE_SKU.lower()}" OR sku:"{MUG_SKU}"')

    assert sorted(found) == sorted([TEE_SKU, f"{TEE_SKU}-2", MUG_SKU])


async def test_a_search_lags_behind_a_rename_that_a_keyed_read_shows(shop: StandinClient) -> None:
    shop.clock.advance(2)
    await shop.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED-1")

    early = await variants_by(shop, 'sku:"RENAMED-1"')
    [node] = (await shop.data("query($ids: [ID!]!) { nodes(ids: $ids) { ... on ProductVariant { sku } } }", ids=[TEE]))[
        "nodes"
    ]
    shop.clock.advance(2)

    assert early == []
    assert node == {"sku": "RENAMED-1"}
    assert await variants_by(shop, 'sku:"RENAMED-1"') == ["RENAMED-1"]


async def test_polling_by_update_time_finds_what_changed_since(shop: StandinClient) -> None:
    shop.clock.advance(60)
    since = shop.clock.now().isoformat().replace("+00:00", "Z")
    shop.clock.advance(60)
    await shop.control("PATCH", f"variants/{MUG_SKU}", title="300 ml")
    shop.clock.advance(2)
    products = """query($query: String!) {
      products(first: 10, query: $query, sortKey: UPDATED_AT) { nodes { title } } }"""

    assert await variants_by(shop, f"updated_at:>'{since}'") == [MUG_SKU]
    found = (await shop.data(products, query=f"updated_at:>'{since}'"))["products"]["nodes"]
    assert found == [{"title": "Classic Stoneware Mug"}]


async def test_a_deleted_variant_is_gone_from_every_read(shop: StandinClient) -> None:
    shop.clock.advance(2)

    await shop.control("DELETE", f"variants/{TEE_SKU}")

    assert await variants_by(shop, f'sku:"{TEE_SKU}"') == []
    assert (await shop.data("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[TEE]))["nodes"] == [None]


async def test_pages_walk_the_whole_catalogue_once(shop: StandinClient) -> None:
    query = """query($after: String) { productVariants(first: 70, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await shop.data(query, after=after))["productVariants"]
        seen += [node["id"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert len(seen) == len(set(seen)) == 300


async def test_a_new_order_is_found_by_its_source_only_after_the_lag(shop: StandinClient) -> None:
    made = (await shop.create(order(tags=["amazon"])))["order"]
    asked = "query($query: String!) { orders(first: 5, query: $query) { nodes { id } } }"

    early = (await shop.data(asked, query=f"source_identifier:'{AMAZON_ID}'"))["orders"]["nodes"]
    shop.clock.advance(2)

    assert early == []
    for query in (f"source_identifier:'{AMAZON_ID}'", "tag:amazon", "source_identifier:zzz OR tag:amazon"):
        assert (await shop.data(asked, query=query))["orders"]["nodes"] == [{"id": made["id"]}]
    assert (await shop.data(asked, query="-tag:amazon"))["orders"]["nodes"] == []


async def test_a_metafield_filter_is_an_error_and_not_an_empty_result(shop: StandinClient) -> None:
    body = await shop.run("""{ orders(first: 1, query: "metafields.$app.amazon_order_id:1") { nodes { id } } }""")

    assert body["data"] is None
    assert "metafield" in body["errors"][0]["message"]


# cancelling

CANCEL = """mutation($id: ID!, $restock: Boolean!) {
  orderCancel(orderId: $id, reason: OTHER, restock: $restock, notifyCustomer: false) {
    job { id done } orderCancelUserErrors { code field message } } }"""
JOB = "query($id: ID!) { job(id: $id) { id done } }"


@pytest.mark.parametrize(("restock", "level"), [(True, (10, 0, 10)), (False, (7, 0, 7))])
async def test_a_cancellation_is_a_job_that_restocks_when_asked(
    shop: StandinClient, restock: bool, level: tuple[int, int, int]
) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    made = (await shop.create(order(line(quantity=3)), OBEYING))["order"]

    job = (await shop.data(CANCEL, id=made["id"], restock=restock))["orderCancel"]["job"]
    running = (await shop.data(JOB, id=job["id"]))["job"]["done"]
    shop.clock.advance(1)

    assert (job["done"], running) == (False, False)
    assert (await shop.data(JOB, id=job["id"]))["job"]["done"] is True
    assert (await shop.levels())["Warehouse"] == level
    assert (await shop.ledger())["orders"][0]["cancelled"] is True


async def test_a_second_cancellation_is_an_error(shop: StandinClient) -> None:
    made = (await shop.create(order()))["order"]
    await shop.data(CANCEL, id=made["id"], restock=True)
    shop.clock.advance(1)

    again = (await shop.data(CANCEL, id=made["id"], restock=True))["orderCancel"]

    assert again["job"] is None
    assert [error["field"] for error in again["orderCancelUserErrors"]] == [["orderId"]]
