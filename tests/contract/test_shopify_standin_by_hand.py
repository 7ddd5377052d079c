"""What the merchant does by hand in the Shopify stand-in, through its control door, and how the app sees it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.shopify_standin import (
    AMAZON_ID,
    CREATE,
    MUG,
    MUG_SKU,
    SHOP,
    TEE,
    TEE_SKU,
    StandinClient,
    line,
    order,
    shopify_standin,
)

TEE_PRODUCT = "gid://shopify/Product/8000010000000"
NODES = """
query Nodes($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Product { id title status updatedAt variants(first: 20) { nodes { id sku title updatedAt } } }
    ... on ProductVariant { id sku product { id title } }
  }
}
"""
STOCK = """
query Stock($ids: [ID!]!, $first: Int!) {
  nodes(ids: $ids) { ... on ProductVariant {
    id sku inventoryPolicy product { id }
    inventoryItem { id tracked inventoryLevels(first: $first) {
      nodes { isActive location { id name fulfillsOnlineOrders } quantities(names: ["available"]) { quantity } } } } } }
}
"""
ORDER = """
query OrderById($id: ID!) {
  order(id: $id) { id name sourceIdentifier cancelledAt cancelReason closed closedAt tags note
    lineItems(first: 9) { nodes { sku quantity variant { id } } } }
}
"""
CANCEL = """
mutation Cancel($id: ID!, $restock: Boolean!) {
  orderCancel(orderId: $id, reason: OTHER, restock: $restock, notifyCustomer: false) {
    job { id done } orderCancelUserErrors { code field message }
  }
}
"""
JOB = "query Job($id: ID!) { job(id: $id) { id done } }"
OBEYING = "DECREMENT_OBEYING_POLICY"


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


async def node(shop: StandinClient, gid: str) -> Any:
    [found] = (await shop.data(NODES, ids=[gid]))["nodes"]
    return found


async def read_order(shop: StandinClient, gid: str) -> Any:
    return (await shop.data(ORDER, id=gid))["order"]


# goods


async def test_a_product_is_renamed_without_its_variants_being_touched(shop: StandinClient) -> None:
    before = await node(shop, TEE_PRODUCT)
    shop.clock.advance(60)

    await shop.control("PATCH", f"products/{TEE_PRODUCT}", title="Plain T-Shirt")

    after = await node(shop, TEE_PRODUCT)
    assert after["title"] == "Plain T-Shirt"
    assert after["updatedAt"] > before["updatedAt"]
    assert after["variants"] == before["variants"]


async def test_a_product_may_be_drafted_or_archived(shop: StandinClient) -> None:
    for status in ("DRAFT", "ARCHIVED"):
        await shop.control("PATCH", "products/8000010000000", status=status)

        assert (await node(shop, TEE_PRODUCT))["status"] == status


async def test_a_deleted_product_and_its_variants_are_nowhere(shop: StandinClient) -> None:
    shop.clock.advance(2)

    await shop.control("DELETE", f"products/{TEE_PRODUCT}")

    shop.clock.advance(2)
    assert (await shop.data(NODES, ids=[TEE_PRODUCT, TEE, MUG]))["nodes"][:2] == [None, None]
    assert (await shop.data("query($id: ID!) { product(id: $id) { id } }", id=TEE_PRODUCT))["product"] is None
    for query in (f'sku:"{TEE_SKU}"', "product_id:8000010000000"):
        found = await shop.data("query($q: String) { productVariants(first: 9, query: $q) { nodes { id } } }", q=query)
        assert found["productVariants"]["nodes"] == []
    answer = await shop.http.delete(f"/_control/shops/{SHOP}/products/{TEE_PRODUCT}")
    assert answer.status_code == 404


async def test_a_product_that_loses_its_last_variant_goes_with_it(shop: StandinClient) -> None:
    made = await shop.control("POST", "products", title="Bundle", variants=[{"sku": "B-1"}])

    await shop.control("DELETE", "variants/B-1")

    assert await node(shop, made["product_id"]) is None


async def test_a_variant_is_added_to_a_product_that_is_there(shop: StandinClient) -> None:
    wanted = {"sku": "TS-NEW", "title": "XXL / Black", "options": {"Size": "XXL"}, "available": 3}

    made = await shop.control("POST", f"products/{TEE_PRODUCT}/variants", **wanted)

    product = await node(shop, TEE_PRODUCT)
    assert product["variants"]["nodes"][-1]["id"] == made["variant_id"]
    assert (made["available"], made["product_id"]) == (3, TEE_PRODUCT)
    assert (await shop.create(order(line(made["variant_id"], 3)), OBEYING))["order"] is not None


async def test_a_doubled_sku_is_undone_by_the_variants_own_id(shop: StandinClient) -> None:
    await shop.control("PATCH", f"variants/{MUG_SKU}", sku=TEE_SKU)
    by_sku = await shop.http.patch(f"/_control/shops/{SHOP}/variants/{TEE_SKU}", json={"sku": "WHICH"})

    await shop.control("PATCH", f"variants/{MUG}", sku=MUG_SKU)
    await shop.control("POST", "stock", sku=MUG, available=7)

    assert by_sku.status_code == 409
    assert (await node(shop, MUG))["sku"] == MUG_SKU
    assert (await shop.levels(MUG_SKU))["Warehouse"] == (7, 0, 7)
    await shop.control("DELETE", f"variants/{MUG}")
    assert await node(shop, MUG) is None
    missing = await shop.http.delete(f"/_control/shops/{SHOP}/variants/{MUG}")
    assert missing.status_code == 404


async def test_a_list_without_a_query_sees_a_new_product_at_once_and_a_search_does_not(shop: StandinClient) -> None:
    await shop.control("POST", "products", title="Teapot", variants=[{"sku": "POT-1"}])
    listed = "{ products(first: 250) { nodes { title } } }"
    searched = '{ products(first: 250, query: "title:teapot") { nodes { title } } }'

    titles = [each["title"] for each in (await shop.data(listed))["products"]["nodes"]]
    early = (await shop.data(searched))["products"]["nodes"]
    shop.clock.advance(2)

    assert "Teapot" in titles
    assert early == []
    assert (await shop.data(searched))["products"]["nodes"] == [{"title": "Teapot"}]


# searching


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stoneware", {"MG-CLA103-250ML", "MG-CLA103-350ML"}),
        ("CLASSIC stoneware 250", {"MG-CLA103-250ML"}),
        ("stone*", {"MG-CLA103-250ML", "MG-CLA103-350ML"}),
        ("MG-CLA103-250ML", {"MG-CLA103-250ML"}),
        ("cla103", {"MG-CLA103-250ML", "MG-CLA103-350ML"}),
        ('"stoneware mug"', {"MG-CLA103-250ML", "MG-CLA103-350ML"}),
        ("stoneware teapot", set()),
    ],
)
async def test_words_of_a_search_may_be_of_a_product_a_variant_or_a_sku(
    shop: StandinClient, query: str, found: set[str]
) -> None:
    await shop.http.post(
        "/_control/shops",
        json={"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "variants": 25},
    )
    await shop.sign_in()
    asked = "query($q: String!) { productVariants(first: 50, query: $q) { nodes { sku } } }"

    assert {each["sku"] for each in (await shop.data(asked, q=query))["productVariants"]["nodes"]} == found


async def test_the_stock_of_variants_is_read_with_their_sku_and_product(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=3)

    [variant, missing] = (await shop.data(STOCK, ids=[TEE, "gid://shopify/ProductVariant/1"], first=10))["nodes"]

    assert (variant["sku"], variant["product"]) == (TEE_SKU, {"id": TEE_PRODUCT})
    levels = variant["inventoryItem"]["inventoryLevels"]["nodes"]
    assert {each["location"]["name"]: each["quantities"][0]["quantity"] for each in levels} == {
        "Front Street shop": 0,
        "Warehouse": 3,
        "Outlet, not online": 0,
    }
    assert missing is None


# orders


async def test_an_order_made_by_hand_is_an_order_that_no_app_created(shop: StandinClient) -> None:
    made = await shop.control("POST", "orders", name="HAND-7", tags=["phone"], note="Rang up")

    read = await read_order(shop, made["order_id"])
    ledger = await shop.ledger()
    assert (read["id"], read["name"], read["tags"], read["note"]) == (made["order_id"], "HAND-7", ["phone"], "Rang up")
    assert (read["sourceIdentifier"], read["cancelledAt"], read["closed"]) == (None, None, False)
    assert ledger["order_creates"] == []
    assert [(each["gid"], each["by_hand"], each["amazon_order_id"]) for each in ledger["orders"]] == [
        (made["order_id"], True, None)
    ]


async def test_an_order_made_by_hand_takes_the_stock_of_its_lines(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=5)

    made = await shop.control("POST", "orders", lines=[{"sku": TEE, "quantity": 2}], source_identifier=AMAZON_ID)

    assert (await shop.levels())["Warehouse"] == (3, 2, 5)
    read = await read_order(shop, made["order_id"])
    assert read["lineItems"]["nodes"] == [{"sku": TEE_SKU, "quantity": 2, "variant": {"id": TEE}}]
    assert read["sourceIdentifier"] == AMAZON_ID
    assert made["name"] == "#1001"


async def test_an_order_that_is_not_there_is_null(shop: StandinClient) -> None:
    for gid in ("gid://shopify/Order/1", TEE, "nonsense"):
        assert await read_order(shop, gid) is None


@pytest.mark.parametrize(("restock", "level", "units"), [(True, (10, 0, 10), 3), (False, (7, 0, 7), 0)])
async def test_a_cancellation_by_hand_gives_stock_back_when_asked(
    shop: StandinClient, restock: bool, level: tuple[int, int, int], units: int
) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    made = (await shop.create(order(line(quantity=3)), OBEYING))["order"]

    await shop.control("POST", f"orders/{made['id']}/cancel", restock=restock, reason="CUSTOMER")

    read = await read_order(shop, made["id"])
    [booked] = (await shop.ledger())["orders"]
    again = await shop.http.post(f"/_control/shops/{SHOP}/orders/{made['id']}/cancel")
    assert (read["cancelReason"], read["closed"]) == ("CUSTOMER", True)
    assert read["cancelledAt"] == read["closedAt"] is not None
    assert (await shop.levels())["Warehouse"] == level
    assert (booked["cancelled"], booked["cancel_reason"], booked["restocked_units"]) == (True, "CUSTOMER", units)
    assert again.status_code == 409


async def test_the_app_cannot_cancel_again_what_was_canceled_by_hand(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    made = (await shop.create(order(line(quantity=3)), OBEYING))["order"]
    await shop.control("POST", f"orders/{made['id']}/cancel")

    payload = (await shop.data(CANCEL, id=made["id"], restock=True))["orderCancel"]

    assert payload["job"] is None
    [error] = payload["orderCancelUserErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["orderId"])
    assert (await shop.levels())["Warehouse"] == (10, 0, 10)


async def test_two_cancellations_at_once_give_the_stock_back_once(shop: StandinClient) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    made = (await shop.create(order(line(quantity=3)), OBEYING))["order"]

    jobs = [(await shop.data(CANCEL, id=made["id"], restock=True))["orderCancel"]["job"] for _ in range(2)]
    shop.clock.advance(1)

    assert [(await shop.data(JOB, id=job["id"]))["job"]["done"] for job in jobs] == [True, True]
    assert (await shop.levels())["Warehouse"] == (10, 0, 10)


async def test_a_deleted_order_leaves_its_number_free_and_its_stock_back(shop: StandinClient) -> None:
    await shop.define()
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    made = (await shop.create(order(line(quantity=3)), OBEYING))["order"]

    await shop.control("DELETE", f"orders/{made['id'].rpartition('/')[2]}")

    assert await read_order(shop, made["id"]) is None
    assert await shop.find() is None
    assert (await shop.ledger())["orders"] == []
    assert (await shop.levels())["Warehouse"] == (10, 0, 10)
    assert (await shop.create(order(line(quantity=3)), OBEYING))["order"] is not None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "orders", {"lines": [{"sku": "NOBODY"}]}, 404),
        ("POST", "orders", {"lines": [{"sku": TEE_SKU, "quantity": 0}]}, 422),
        ("POST", "orders", {"colour": "red"}, 422),
        ("POST", "orders/gid://shopify/Order/1/cancel", {}, 404),
        ("DELETE", "orders/1", None, 404),
        ("PATCH", "products/1", {"title": "x"}, 404),
        ("POST", "products/1/variants", {"sku": "x"}, 404),
        ("POST", "settings", {"webhooks": "sometimes"}, 422),
        ("POST", "settings", {"bulk_at_once": 0}, 422),
        ("POST", "settings", {"webhook_backoff_s": -1}, 422),
    ],
)
async def test_the_door_refuses_what_makes_no_sense(
    shop: StandinClient, method: str, path: str, body: Any, status: int
) -> None:
    assert (await shop.http.request(method, f"/_control/shops/{SHOP}/{path}", json=body)).status_code == status


async def test_an_order_by_hand_does_not_count_as_a_creation_of_the_app(shop: StandinClient) -> None:
    await shop.control("POST", "orders")
    await shop.data(CREATE, order=order())

    assert await shop.outcomes() == [("accepted", True, None)]
