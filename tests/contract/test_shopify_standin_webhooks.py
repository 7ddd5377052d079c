"""Webhooks of the Shopify stand-in: subscriptions, what they are told, how it is signed, and who does not hear."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from orderbridge_standins.shopify.schema import schema_text
from tests.support.shopify_standin import (
    CREATE,
    MUG,
    MUG_SKU,
    SHOP,
    TEE,
    TEE_SKU,
    StandinClient,
    line,
    order,
    served,
    served_shopify_standin,
    shopify_standin,
)
from tests.support.step import until

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts" / "shopify"
URI = "https://bridge.example/v1/webhooks/shopify/main"
WAREHOUSE = "gid://shopify/Location/61002"
TEE_ITEM = 46000010000000

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id topic uri format includeFields createdAt apiVersion { handle } }
    userErrors { field message }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id topic uri } userErrors { field message }
  }
}
"""
DELETE = """
mutation Delete($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}
"""
LIST = """
query List($first: Int!, $after: String, $topics: [WebhookSubscriptionTopic!]) {
  webhookSubscriptions(first: $first, after: $after, topics: $topics) {
    pageInfo { hasNextPage endCursor } nodes { id topic uri format includeFields createdAt updatedAt }
  }
}
"""
SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code } }
}
"""
CANCEL = """
mutation Cancel($id: ID!) {
  orderCancel(orderId: $id, reason: OTHER, restock: true) { job { id } orderCancelUserErrors { code } }
}
"""


@dataclass
class Receiver:
    """Takes webhooks as the app would; answers with ``status``, and hangs while ``hangs``."""

    status: int = 200
    hangs: bool = False
    heard: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, uri: str, headers: Mapping[str, str], body: bytes) -> int:
        self.heard.append((uri, headers, body))
        if self.hangs:
            await asyncio.Event().wait()
        return self.status

    @property
    def topics(self) -> list[str]:
        return [headers["X-Shopify-Topic"] for _, headers, _ in self.heard]

    @property
    def payloads(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.heard]

    def ids(self, name: str = "X-Shopify-Webhook-Id") -> list[str]:
        return [headers[name] for _, headers, _ in self.heard]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def shop(receiver: Receiver) -> AsyncIterator[StandinClient]:
    async with shopify_standin(receiver) as client:
        await client.control("POST", "settings", webhook_backoff_s=0.001, webhook_timeout_s=0.05)
        yield client


async def subscribe(shop: StandinClient, topic: str, uri: str = URI, **more: Any) -> dict[str, Any]:
    given = {"uri": uri, **more}
    payload = (await shop.data(SUBSCRIBE, topic=topic, webhookSubscription=given))["webhookSubscriptionCreate"]
    assert payload["userErrors"] == []
    made: dict[str, Any] = payload["webhookSubscription"]
    return made


async def flush(shop: StandinClient) -> int:
    """Wait until all webhooks were tried; how many had been held."""
    flushed: int = (await shop.control("POST", "webhooks/flush"))["flushed"]
    return flushed


async def subscriptions(shop: StandinClient) -> list[str]:
    return [each["topic"] for each in (await shop.control("GET", "webhooks"))["subscriptions"]]


# what is told


async def test_a_changed_variant_is_told_with_its_whole_product(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")

    await shop.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED", policy="CONTINUE")
    await flush(shop)

    [told] = receiver.payloads
    variant = told["variants"][0]
    assert told["admin_graphql_api_id"] == "gid://shopify/Product/8000010000000"
    assert (told["id"], told["title"], told["status"]) == (8000010000000, "Classic T-Shirt", "active")
    assert told["updated_at"] == shop.clock.now().isoformat()
    assert (variant["id"], variant["admin_graphql_api_id"], variant["sku"]) == (44000010000000, TEE, "RENAMED")
    assert (variant["inventory_item_id"], variant["inventory_policy"]) == (TEE_ITEM, "continue")
    assert (variant["title"], variant["option1"], variant["option2"]) == ("S / Black", "S", "Black")
    assert len(told["variants"]) == len(told["variant_gids"]) == 12


async def test_a_new_product_and_a_deleted_one_have_topics_of_their_own(
    shop: StandinClient, receiver: Receiver
) -> None:
    for topic in ("PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE"):
        await subscribe(shop, topic)

    made = await shop.control("POST", "products", title="Bundle", variants=[{"sku": "B-1"}])
    await shop.control("DELETE", f"products/{made['product_id']}")
    await flush(shop)

    assert receiver.topics == ["products/create", "products/delete"]
    assert receiver.payloads[0]["title"] == "Bundle"
    assert receiver.payloads[1] == {"id": receiver.payloads[0]["id"]}


async def test_a_variant_that_comes_or_goes_is_told_as_an_update_of_its_product(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")

    await shop.control("POST", "products/8000010000300/variants", sku="MG-NEW")
    await shop.control("DELETE", f"variants/{MUG_SKU}")
    await flush(shop)

    assert [[variant["sku"] for variant in told["variants"]] for told in receiver.payloads] == [
        [MUG_SKU, "MG-CLA103-350ML", "MG-NEW"],
        ["MG-CLA103-350ML", "MG-NEW"],
    ]


async def test_the_stock_of_a_deleted_variant_concerns_nobody(shop: StandinClient, receiver: Receiver) -> None:
    made = (await shop.create(order(line(MUG)), "DECREMENT_OBEYING_POLICY"))["order"]
    await subscribe(shop, "INVENTORY_LEVELS_UPDATE")
    await shop.control("DELETE", f"variants/{MUG_SKU}")

    await shop.control("POST", f"orders/{made['id']}/cancel")
    await flush(shop)

    assert receiver.heard == []


async def test_a_product_of_many_variants_shows_a_hundred_and_names_all(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "PRODUCTS_CREATE")

    await shop.control("POST", "products", title="Beads", variants=[{"sku": f"BEAD-{n}"} for n in range(120)])
    await flush(shop)

    [told] = receiver.payloads
    assert (len(told["variants"]), len(told["variant_gids"])) == (100, 120)


async def test_a_changed_stock_is_told_by_level_and_an_unchanged_one_is_not(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "INVENTORY_LEVELS_UPDATE")

    await shop.control("POST", "stock", sku=TEE_SKU, available=7)
    await shop.control("POST", "stock", sku=TEE_SKU, available=7)
    await flush(shop)

    assert receiver.payloads == [
        {
            "admin_graphql_api_id": f"gid://shopify/InventoryLevel/61002?inventory_item_id={TEE_ITEM}",
            "available": 7,
            "inventory_item_id": TEE_ITEM,
            "location_id": 61002,
            "updated_at": shop.clock.now().isoformat(),
        }
    ]


async def test_orders_and_stock_mutations_tell_of_the_levels_they_move(shop: StandinClient, receiver: Receiver) -> None:
    await shop.control("POST", "stock", sku=TEE_SKU, available=10)
    await subscribe(shop, "INVENTORY_LEVELS_UPDATE")

    made = (await shop.create(order(line(quantity=3)), "DECREMENT_OBEYING_POLICY"))["order"]
    await shop.data(CANCEL, id=made["id"])
    shop.clock.advance(1)
    wanted = {
        "inventoryItemId": f"gid://shopify/InventoryItem/{TEE_ITEM}",
        "locationId": WAREHOUSE,
        "quantity": 4,
        "changeFromQuantity": None,
    }
    given = {"name": "available", "reason": "correction", "quantities": [wanted]}
    await shop.data(SET, input=given, key="k")
    await flush(shop)

    assert [told["available"] for told in receiver.payloads] == [7, 10, 4]


async def test_an_order_that_takes_no_stock_tells_of_none(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "INVENTORY_LEVELS_UPDATE")

    await shop.create(order())
    await shop.control("POST", "stock", sku=TEE_SKU, available=0)
    refused = await shop.create(order(amazon_order_id="2"), "DECREMENT_OBEYING_POLICY")
    await flush(shop)

    assert refused["order"] is None
    assert [told["available"] for told in receiver.payloads] == [0]


async def test_whether_an_item_is_tracked_is_told(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "INVENTORY_ITEMS_UPDATE")

    await shop.control("PATCH", f"variants/{TEE_SKU}", tracked=False)
    await shop.control("PATCH", f"variants/{TEE_SKU}", tracked=False)
    await flush(shop)

    assert [(told["id"], told["tracked"]) for told in receiver.payloads] == [(TEE_ITEM, False)]


async def test_orders_are_told_when_made_canceled_and_deleted(shop: StandinClient, receiver: Receiver) -> None:
    for topic in ("ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_CANCELLED", "ORDERS_DELETE"):
        await subscribe(shop, topic)

    made = (await shop.create(order()))["order"]
    await shop.control("POST", f"orders/{made['id']}/cancel")
    await shop.control("DELETE", f"orders/{made['id']}")
    await flush(shop)

    assert receiver.topics == ["orders/create", "orders/cancelled", "orders/updated", "orders/delete"]
    created, canceled, _, deleted = receiver.payloads
    assert (created["admin_graphql_api_id"], created["cancelled_at"]) == (made["id"], None)
    assert canceled["cancelled_at"] == shop.clock.now().isoformat()
    assert deleted == {"id": created["id"]}


async def test_a_stock_change_updates_its_product_when_that_is_switched_on(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    await shop.control("POST", "stock", sku=TEE_SKU, available=7)
    await shop.control("POST", "settings", stock_touches_products=True)

    await shop.create(order(line(), line()), "DECREMENT_OBEYING_POLICY")
    await flush(shop)

    assert [told["variants"][0]["inventory_quantity"] for told in receiver.payloads] == [5]


async def test_only_the_fields_that_a_subscription_includes_are_told(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE", includeFields=["id", "variants.sku", "no_such_field"], name="skus")

    await shop.control("PATCH", f"variants/{MUG_SKU}", sku="NEW")
    await flush(shop)

    [told] = receiver.payloads
    assert told == {"id": 8000010000300, "variants": [{"sku": "NEW"}, {"sku": "MG-CLA103-350ML"}]}
    assert receiver.ids("X-Shopify-Name") == ["skus"]


# how it is told


async def test_a_webhook_is_signed_over_its_raw_body_with_the_apps_secret(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "PRODUCTS_CREATE")
    await shop.control("POST", "products", title="Zoë’s “Mug” 🫖", variants=[{"sku": "Z"}])
    await flush(shop)

    [(uri, headers, body)] = receiver.heard
    expected = base64.b64encode(hmac.new(b"demo-secret", body, "sha256").digest()).decode()
    assert uri == URI
    assert headers["X-Shopify-Hmac-Sha256"] == expected
    assert headers["X-Shopify-Shop-Domain"] == SHOP
    assert headers["X-Shopify-API-Version"] == "2026-10"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["title"] == "Zoë’s “Mug” 🫖"


async def test_one_action_has_one_event_id_and_each_webhook_an_id_of_its_own(
    shop: StandinClient, receiver: Receiver
) -> None:
    for topic in ("INVENTORY_LEVELS_UPDATE", "ORDERS_CREATE"):
        await subscribe(shop, topic)
    await subscribe(shop, "ORDERS_CREATE", "https://other.example/hook")

    await shop.create(order(), "DECREMENT_OBEYING_POLICY")
    await shop.control("POST", "stock", sku=TEE_SKU, available=1)
    await flush(shop)

    events = receiver.ids("X-Shopify-Event-Id")
    assert receiver.topics == ["inventory_levels/update", *["orders/create"] * 2, "inventory_levels/update"]
    assert events[0] == events[1] == events[2] != events[3]
    assert len(set(receiver.ids())) == 4


async def test_the_time_of_a_webhook_tells_two_changes_of_one_second_apart(
    shop: StandinClient, receiver: Receiver
) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    for sku in ("FIRST", "SECOND"):
        await shop.control("PATCH", f"variants/{TEE}", sku=sku)
    await flush(shop)

    first, second = receiver.ids("X-Shopify-Triggered-At")
    assert first < second
    assert first.startswith(f"{shop.clock.now():%Y-%m-%dT%H:%M:%S}.")


async def test_what_is_told_is_what_was_true_then(shop: StandinClient, receiver: Receiver) -> None:
    await shop.control("POST", "settings", webhooks="reversed")
    await subscribe(shop, "PRODUCTS_UPDATE")
    for sku in ("FIRST", "SECOND"):
        await shop.control("PATCH", f"variants/{TEE}", sku=sku)

    held = await flush(shop)

    assert held == 2
    assert [told["variants"][0]["sku"] for told in receiver.payloads] == ["SECOND", "FIRST"]
    assert await flush(shop) == 0


async def test_webhooks_may_be_dropped_or_sent_twice(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    for mode, sku in (("drop", "A"), ("twice", "B"), ("on", "C")):
        await shop.control("POST", "settings", webhooks=mode)
        await shop.control("PATCH", f"variants/{TEE}", sku=sku)
        await flush(shop)

    first, second, third = receiver.ids()
    assert [told["variants"][0]["sku"] for told in receiver.payloads] == ["B", "B", "C"]
    assert first == second != third
    sent = (await shop.control("GET", "webhooks"))["sent"]
    assert [(each["state"], each["statuses"]) for each in sent] == [
        ("dropped", []),
        ("delivered", [200, 200]),
        ("delivered", [200]),
    ]


async def test_what_was_sent_can_be_read_by_topic(shop: StandinClient, receiver: Receiver) -> None:
    made = await subscribe(shop, "PRODUCTS_UPDATE")
    await subscribe(shop, "INVENTORY_LEVELS_UPDATE")
    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")
    await shop.control("POST", "stock", sku="NEW", available=1)
    await flush(shop)

    [sent] = (await shop.control("GET", "webhooks?topic=products/update"))["sent"]

    assert (sent["topic"], sent["subscription"], sent["uri"]) == ("products/update", made["id"], URI)
    assert (sent["webhook_id"], sent["body"]["id"]) == (receiver.ids()[0], 8000010000000)


# who does not hear


async def test_a_failed_delivery_is_repeated_as_it_was(shop: StandinClient, receiver: Receiver) -> None:
    subscription = await subscribe(shop, "PRODUCTS_UPDATE")
    await shop.control("POST", "settings", webhook_attempts=1000)
    receiver.status = 503
    await shop.control("PATCH", f"variants/{TEE}", sku="FIRST")
    await flush(shop)
    moved = {"uri": "https://elsewhere.example/hook"}
    await shop.data(UPDATE, id=subscription["id"], webhookSubscription=moved)
    await shop.control("PATCH", f"variants/{TEE}", title="Second")
    await until(lambda: len(receiver.heard) >= 4)
    receiver.status = 200

    async def delivered() -> bool:
        sent = (await shop.control("GET", "webhooks"))["sent"]
        return [each["state"] for each in sent] == ["delivered", "delivered"]

    await until(delivered)
    firsts = [heard for heard in receiver.heard if heard[0] == URI]
    seconds = [heard for heard in receiver.heard if heard[0] == moved["uri"]]
    assert len(firsts) + len(seconds) == len(receiver.heard)
    assert len(firsts) > 1
    assert len(seconds) > 1
    assert all(each == firsts[0] for each in firsts)
    assert all(each == seconds[0] for each in seconds)
    assert json.loads(firsts[0][2])["variants"][0]["title"] == "S / Black"


@pytest.mark.parametrize("status", [301, 404, 500, 0])
async def test_a_subscription_whose_webhook_fails_too_often_is_deleted(
    shop: StandinClient, receiver: Receiver, status: int
) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    await subscribe(shop, "PRODUCTS_DELETE")
    receiver.status, receiver.hangs = status, status == 0
    await shop.control("POST", "settings", webhook_attempts=3)

    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")

    async def gone() -> bool:
        return await subscriptions(shop) == ["products/delete"]

    await until(gone)
    [sent] = (await shop.control("GET", "webhooks"))["sent"]
    assert (sent["state"], sent["statuses"]) == ("failed", [status] * 3)
    await shop.control("PATCH", f"variants/{TEE}", sku="NEWER")
    await flush(shop)
    assert len(receiver.heard) == 3


async def test_eight_failures_end_a_subscription_unless_told_otherwise(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    receiver.status = 500

    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")

    async def gone() -> bool:
        return await subscriptions(shop) == []

    await until(gone)
    assert len(receiver.heard) == 8


async def test_a_receiver_that_hangs_blocks_no_mutation(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "ORDERS_CREATE")
    await shop.control("POST", "settings", webhook_timeout_s=30)
    receiver.hangs = True

    made = [await shop.create(order(amazon_order_id=str(number))) for number in range(20)]

    assert all(payload["order"] is not None for payload in made)
    assert [each["state"] for each in (await shop.control("GET", "webhooks"))["sent"]] == ["pending"] * 20


async def test_a_deleted_subscription_ends_the_repetitions_for_it(shop: StandinClient, receiver: Receiver) -> None:
    made = await subscribe(shop, "PRODUCTS_UPDATE")
    await shop.control("POST", "settings", webhook_attempts=1000)
    receiver.status = 500
    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")
    await flush(shop)

    await shop.data(DELETE, id=made["id"])

    async def given_up() -> bool:
        [sent] = (await shop.control("GET", "webhooks"))["sent"]
        return bool(sent["state"] == "failed")

    await until(given_up)
    assert len(receiver.heard) < 1000


async def test_a_shop_that_is_made_anew_tells_nobody_any_more(shop: StandinClient, receiver: Receiver) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")
    await shop.control("POST", "settings", webhook_attempts=1000)
    receiver.status = 500
    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")
    await until(lambda: len(receiver.heard) > 1)

    await shop.http.post("/_control/reset")

    heard = len(receiver.heard)
    await shop.control("PATCH", f"variants/{TEE}", sku="NEWER")
    await flush(shop)
    assert len(receiver.heard) == heard
    assert await subscriptions(shop) == []


# subscriptions


async def test_a_subscription_reads_back_as_it_was_made(shop: StandinClient) -> None:
    made = await subscribe(shop, "PRODUCTS_UPDATE")

    assert (made["topic"], made["uri"], made["format"], made["includeFields"]) == ("PRODUCTS_UPDATE", URI, "JSON", [])
    assert made["apiVersion"] == {"handle": "2026-10"}
    by_id = "query($id: ID!) { webhookSubscription(id: $id) { id legacyResourceId } node(id: $id) { id } }"
    read = await shop.data(by_id, id=made["id"])
    assert read["webhookSubscription"] == {"id": made["id"], "legacyResourceId": made["id"].rpartition("/")[2]}
    assert read["node"] == {"id": made["id"]}


async def test_subscriptions_are_listed_by_page_and_topic(shop: StandinClient) -> None:
    topics = ["PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE"]
    for topic in topics:
        await subscribe(shop, topic)

    first = (await shop.data(LIST, first=2))["webhookSubscriptions"]
    second = (await shop.data(LIST, first=2, after=first["pageInfo"]["endCursor"]))["webhookSubscriptions"]
    chosen = (await shop.data(LIST, first=9, topics=["PRODUCTS_DELETE"]))["webhookSubscriptions"]

    assert [node["topic"] for node in (*first["nodes"], *second["nodes"])] == topics
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    assert [node["topic"] for node in chosen["nodes"]] == ["PRODUCTS_DELETE"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Address can't be blank"),
        ({"uri": " "}, "Address can't be blank"),
        ({"uri": "not an address"}, "Address is invalid"),
        ({"uri": "https://[::1"}, "Address is invalid"),
        ({"uri": "https://bridge.example:99999/"}, "Address is invalid"),
        ({"uri": "http://bridge.example/hook"}, "Address protocol http:// is not supported"),
        ({"uri": "ftp://bridge.example/hook"}, "Address protocol ftp:// is not supported"),
        ({"uri": URI}, "Address for this topic has already been taken"),
    ],
)
async def test_an_address_that_cannot_be_told_is_refused(
    shop: StandinClient, given: dict[str, Any], message: str
) -> None:
    await subscribe(shop, "PRODUCTS_UPDATE")

    data = await shop.data(SUBSCRIBE, topic="PRODUCTS_UPDATE", webhookSubscription=given)

    assert data["webhookSubscriptionCreate"] == {
        "webhookSubscription": None,
        "userErrors": [{"field": ["webhookSubscription", "callbackUrl"], "message": message}],
    }
    assert await subscriptions(shop) == ["products/update"]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8080/hook", "http://localhost/hook", "http://[::1]:1/hook"])
async def test_plain_http_is_taken_to_this_machine(shop: StandinClient, uri: str) -> None:
    assert (await subscribe(shop, "PRODUCTS_UPDATE", uri))["uri"] == uri


async def test_a_topic_that_the_app_may_not_read_is_refused(shop: StandinClient) -> None:
    asked = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": ["read_products"]}
    await shop.http.post("/_control/shops", json=asked)
    await shop.sign_in()
    await subscribe(shop, "PRODUCTS_UPDATE")

    data = await shop.data(SUBSCRIBE, topic="ORDERS_CREATE", webhookSubscription={"uri": URI})

    assert [error["field"] for error in data["webhookSubscriptionCreate"]["userErrors"]] == [["webhookSubscription"]]


async def test_xml_is_not_served(shop: StandinClient) -> None:
    data = await shop.data(SUBSCRIBE, topic="PRODUCTS_UPDATE", webhookSubscription={"uri": URI, "format": "XML"})

    assert data["webhookSubscriptionCreate"]["webhookSubscription"] is None


async def test_an_update_moves_a_subscription_and_is_checked_like_a_new_one(
    shop: StandinClient, receiver: Receiver
) -> None:
    made = await subscribe(shop, "PRODUCTS_UPDATE", "https://old.example/hook")
    await subscribe(shop, "PRODUCTS_UPDATE")

    async def moved(uri: str) -> dict[str, Any]:
        given = {"uri": uri}
        payload: dict[str, Any] = (await shop.data(UPDATE, id=made["id"], webhookSubscription=given))[
            "webhookSubscriptionUpdate"
        ]
        return payload

    assert (await moved(URI))["userErrors"][0]["message"] == "Address for this topic has already been taken"
    for _ in range(2):
        assert (await moved("https://new.example/hook"))["webhookSubscription"]["uri"] == "https://new.example/hook"
    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")
    await flush(shop)
    assert sorted(uri for uri, _, _ in receiver.heard) == [URI, "https://new.example/hook"]


async def test_a_deleted_subscription_is_told_nothing_and_cannot_be_deleted_again(
    shop: StandinClient, receiver: Receiver
) -> None:
    made = await subscribe(shop, "PRODUCTS_UPDATE")

    first = (await shop.data(DELETE, id=made["id"]))["webhookSubscriptionDelete"]
    again = (await shop.data(DELETE, id=made["id"]))["webhookSubscriptionDelete"]
    updated = (await shop.data(UPDATE, id=made["id"], webhookSubscription={"uri": URI}))["webhookSubscriptionUpdate"]
    await shop.control("PATCH", f"variants/{TEE}", sku="NEW")
    await flush(shop)

    gone = [{"field": ["id"], "message": "Webhook subscription does not exist"}]
    assert first == {"deletedWebhookSubscriptionId": made["id"], "userErrors": []}
    assert again == {"deletedWebhookSubscriptionId": None, "userErrors": gone}
    assert updated["userErrors"] == gone
    assert receiver.heard == []


async def test_a_subscription_costs_ten_points(shop: StandinClient) -> None:
    body = await shop.run(SUBSCRIBE, topic="PRODUCTS_UPDATE", webhookSubscription={"uri": URI})

    assert body["extensions"]["cost"]["requestedQueryCost"] == 10


# over the network


async def test_over_a_real_socket_a_webhook_is_posted_and_what_takes_time_is_told_in_time() -> None:
    heard: list[tuple[str, dict[str, str], bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        heard.append((f"{scope['path']}?{scope['query_string'].decode()}", headers, body))
        status = 302 if scope["path"] == "/moved" else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"/elsewhere")]})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as address, served_shopify_standin() as shop:
        await shop.control("POST", "settings", bulk_takes_s=0.05, webhook_attempts=1)
        await subscribe(shop, "PRODUCTS_UPDATE", f"{address}/hook?shop=1")
        await subscribe(shop, "INVENTORY_LEVELS_UPDATE", f"{address}/moved")
        await subscribe(shop, "PRODUCTS_DELETE", "http://127.0.0.1:9/nobody-listens")
        await subscribe(shop, "BULK_OPERATIONS_FINISH", f"{address}/bulk")

        await shop.control("PATCH", f"variants/{TEE}", title="Zoë")
        await flush(shop)
        [(path, headers, body)] = heard
        assert path == "/hook?shop=1"
        assert json.loads(body)["variants"][0]["title"] == "Zoë"
        expected = base64.b64encode(hmac.new(b"demo-secret", body, "sha256").digest()).decode()
        assert headers["x-shopify-hmac-sha256"] == expected
        assert (headers["x-shopify-topic"], headers["host"]) == ("products/update", address.removeprefix("http://"))

        await shop.control("POST", "stock", sku=TEE_SKU, available=1)
        await shop.control("DELETE", f"variants/{MUG_SKU}")
        await shop.control("DELETE", "products/8000010000300")
        await flush(shop)
        assert await subscriptions(shop) == ["products/update", "bulk_operations/finish"]

        run = "mutation($query: String!) { bulkOperationRunQuery(query: $query) { userErrors { code } } }"
        await shop.data(run, query="{ products { edges { node { id } } } }")
        await until(lambda: heard[-1][0] == "/bulk?")
        assert json.loads(heard[-1][2])["status"] == "completed"


# the contract


@pytest.mark.skipif(not CONTRACTS.is_dir(), reason=f"no {CONTRACTS}: Shopify's schema is not here")
def test_what_is_asked_here_is_valid_on_shopifys_schema_and_on_the_cut() -> None:
    shopifys = (CONTRACTS / "admin_subset_2026-10.nodesc.graphql").read_text(encoding="utf-8")
    for schema in (build_schema(shopifys), build_schema(schema_text())):
        for document in (SUBSCRIBE, UPDATE, DELETE, LIST, SET, CANCEL, CREATE):
            assert [error.message for error in validate(schema, parse(document))] == []
