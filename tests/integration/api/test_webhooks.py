"""Shopify's webhooks: taken once when they are genuine, refused without a trace when not, and subscribed to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from orderbridge.budget import Budget
from orderbridge.errors import Blocked, Refused, Unavailable
from orderbridge.http import open_http
from orderbridge.shopify import Shopify, ShopKeys
from orderbridge.topics import SHOP_CHANGES
from orderbridge_api.actions import Desk, subscribe_all
from orderbridge_api.adapters.shop import Shops
from orderbridge_api.app import CLOCK, create_app, mind_the_clock
from orderbridge_standins.shopify import create_app as create_standin
from tests.support.shopify_standin import SHOP
from tests.support.step import end, published, rows, until

from .support import Api, problem, working
from .test_connections import SECRETS, body, changed_body

SECRET = SECRETS[2]
URL = "https://bridge.example"
PATH = "/v1/webhooks/shopify/main"


def signature_of(content: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def headers(content: bytes, topic: str = "products/update", webhook_id: str = "w1", **more: str) -> dict[str, str]:
    said = {
        "Authorization": "",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": signature_of(content),
        "X-Shopify-Shop-Domain": "invented.myshopify.com",
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Triggered-At": "2026-11-25T11:59:58.000000000Z",
    }
    return said | {name.replace("_", "-"): value for name, value in more.items()}


async def send(api: Api, payload: Any = None, topic: str = "products/update", **more: str) -> httpx.Response:
    content = payload if isinstance(payload, bytes) else json.dumps({"id": 7} if payload is None else payload).encode()
    return await api.client.post(PATH, content=content, headers=headers(content, topic, **more))


async def everything_stored(api: Api) -> str:
    """All rows of all tables of the api, as text."""
    tables = await rows(api.store, "select table_name from information_schema.tables where table_schema = 'api'")
    dump = ""
    for table in tables:
        found = await rows(api.store, f"select cast(t as text) as row from {table['table_name']} as t")
        dump += "".join(row["row"] for row in found)
    payloads = await rows(api.store, "select convert_from(payload, 'UTF8') as payload from outbox")
    return dump + "".join(row["payload"] for row in payloads)


@pytest.fixture
async def shop(api: Api) -> Api:
    """The api with one connection."""
    assert (await api.client.post("/v1/connections", json=body())).status_code == 201
    return api


async def test_a_genuine_webhook_is_published_as_what_changed(shop: Api) -> None:
    answer = await send(shop, {"id": 7, "updated_at": "2026-11-25T06:00:00-05:00", "title": "Mug"})
    assert (answer.status_code, answer.json()) == (200, {"outcome": "taken"})
    [event] = await published(shop.store, SHOP_CHANGES)
    assert event.pop("at").endswith("Z")
    assert event == {
        "connection_id": "main",
        "source": "api",
        "kind": "product",
        "subject": "gid://shopify/Product/7",
        "change": "changed",
        "changed_at": "2026-11-25T11:00:00Z",
    }
    [row] = await rows(shop.store, "select key, ce_id from outbox where topic = :t", t=SHOP_CHANGES)
    key = "main:gid://shopify/Product/7"
    assert (row["key"], row["ce_id"]) == (key, f"{SHOP_CHANGES}/api/{key}/w1")


async def test_each_topic_says_its_own(shop: Api) -> None:
    for number, (topic, payload) in enumerate(
        {
            "products/create": {"id": 1},
            "products/delete": {"id": 2},
            "inventory_levels/update": {"inventory_item_id": 3, "location_id": 9, "available": 0},
            "orders/cancelled": {"id": 4},
            "orders/delete": {"id": 5},
        }.items()
    ):
        assert (await send(shop, payload, topic, webhook_id=f"w{number}")).status_code == 200
    said = [
        (event["kind"], event["subject"].rpartition("/")[2], event["change"])
        for event in await published(shop.store, SHOP_CHANGES)
    ]
    assert said == [
        ("product", "1", "changed"),
        ("product", "2", "gone"),
        ("inventory_item", "3", "changed"),
        ("order", "4", "changed"),
        ("order", "5", "gone"),
    ]


async def test_the_same_webhook_twice_has_one_effect(shop: Api) -> None:
    answers = await asyncio.gather(*(send(shop) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["outcome"] for answer in answers) == ["known"] * 9 + ["taken"]
    assert len(await published(shop.store, SHOP_CHANGES)) == 1
    assert (await send(shop, webhook_id="w2")).json() == {"outcome": "taken"}


async def test_what_is_not_genuine_is_refused_and_leaves_no_trace(shop: Api) -> None:
    before = await everything_stored(shop)
    content = b'{"id": 7, "note": "a secret note"}'
    good = headers(content)
    wrong: list[tuple[str, dict[str, str]]] = [
        (PATH, {"X-Shopify-Hmac-Sha256": ""}),
        (PATH, {"X-Shopify-Hmac-Sha256": signature_of(content, "another secret")}),
        (PATH, {"X-Shopify-Hmac-Sha256": signature_of(content + b" ")}),
        (PATH, {"X-Shopify-Hmac-Sha256": hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()}),
        (PATH, {"X-Shopify-Shop-Domain": "other.myshopify.com"}),
        (PATH, {"X-Shopify-Shop-Domain": ""}),
        ("/v1/webhooks/shopify/other", {}),
        ("/v1/webhooks/shopify/Main!", {}),
        ("/v1/webhooks/shopify/ma%00in", {}),
        ("/v1/webhooks/shopify/main%0a", {}),
    ]
    for path, changed in wrong:
        answer = await shop.client.post(path, content=content, headers=good | changed)
        problem(answer, 401, "unauthorized")
        assert "secret note" not in answer.text
    assert await everything_stored(shop) == before
    # Without any header, too; and a key of the api does not replace the signature.
    problem(await shop.client.post(PATH, content=content), 401, "unauthorized")
    assert (await shop.client.post(PATH, content=content, headers=good)).status_code == 200


async def test_the_signature_is_over_the_bytes_as_they_came(shop: Api) -> None:
    assert (await send(shop, b' {"id" :7,\n"title":"caf\xc3\xa9 \\u00e9"}\r\n')).json() == {"outcome": "taken"}


async def test_an_unknown_topic_is_ignored(shop: Api) -> None:
    for topic in ("app/uninstalled", "orders/create", ""):
        answer = await send(shop, {"anything": True}, topic)
        assert (answer.status_code, answer.json()) == (200, {"outcome": "ignored"})
    assert await published(shop.store, SHOP_CHANGES) == []
    assert await rows(shop.store, "select webhook_id from webhooks") == []


async def test_a_genuine_one_that_cannot_be_read_names_what_and_may_come_again(shop: Api) -> None:
    for content, field in ((b"{", "body"), (b'{"title": "Mug"}', "id")):
        said = problem(await send(shop, content), 422, "invalid_request")
        assert [error["field"] for error in said["errors"]] == [field]
    assert await rows(shop.store, "select webhook_id from webhooks") == []
    assert (await send(shop)).json() == {"outcome": "taken"}


async def test_nothing_of_a_payload_is_stored_or_logged(shop: Api, capsys: pytest.CaptureFixture[str]) -> None:
    person = {"email": "ann.invented@example.org", "first_name": "Annabella", "address1": "1 Invented Road"}
    payload = {"id": 5, "customer": person, "shipping_address": person}
    assert (await send(shop, payload, "orders/updated")).status_code == 200
    assert (await send(shop, {"customer": person}, "orders/updated", webhook_id="w2")).status_code == 422
    assert (await send(shop, payload, "customers/update", webhook_id="w3")).status_code == 200
    seen = await everything_stored(shop) + "".join(capsys.readouterr())
    assert "gid://shopify/Order/5" in seen
    for value in person.values():
        assert value not in seen


async def test_a_body_of_up_to_a_mebibyte_is_taken(shop: Api) -> None:
    large = json.dumps({"id": 7, "title": "x" * 1_000_000}).encode()
    assert (await send(shop, large)).status_code == 200
    larger = large + b" " * 100_000
    said = problem(await send(shop, larger, webhook_id="w2"), 413, "body_too_large")
    assert "1024 KiB" in said["detail"]

    async def chunks() -> Any:
        for start in range(0, len(larger), 65_536):
            yield larger[start : start + 65_536]

    problem(await shop.client.post(PATH, content=chunks(), headers=headers(larger)), 413, "body_too_large")


async def test_only_this_address_is_open_without_a_key(shop: Api) -> None:
    for method, path in (("GET", PATH), ("PUT", PATH), ("POST", PATH + "/more"), ("POST", "/v1/webhooks/shopify")):
        content = b'{"id": 7}'
        answer = await shop.client.request(method, path, content=content, headers=headers(content))
        problem(answer, 401, "unauthorized")


async def test_after_a_change_of_the_secret_both_are_good_for_an_hour(
    shop: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = changed_body()
    change["shopify"]["client_secret"] = "the-new-secret"
    assert (await shop.client.put("/v1/connections/main", json=change)).status_code == 200
    content = b'{"id": 7}'

    async def outcome(secret: str, webhook_id: str) -> int:
        said = headers(content, webhook_id=webhook_id, X_Shopify_Hmac_Sha256=signature_of(content, secret))
        return (await shop.client.post(PATH, content=content, headers=said)).status_code

    assert [await outcome(SECRET, "w1"), await outcome("the-new-secret", "w2")] == [200, 200]
    # Another change of the connection does not prolong it.
    assert (await shop.client.put("/v1/connections/main", json=change)).status_code == 200
    monkeypatch.setattr(shop.store, "clock", lambda: CLOCK() + timedelta(minutes=61))
    assert [await outcome(SECRET, "w3"), await outcome("the-new-secret", "w4")] == [401, 200]


async def test_ids_of_webhooks_are_forgotten_after_a_week(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.store, "clock", lambda: CLOCK() - timedelta(days=8))
    await send(shop, webhook_id="old")
    monkeypatch.undo()
    await send(shop, webhook_id="new")
    stop = asyncio.Event()
    minding = asyncio.create_task(mind_the_clock(shop.store, stop))

    async def kept() -> bool:
        return [row["webhook_id"] for row in await rows(shop.store, "select webhook_id from webhooks")] == ["new"]

    await until(kept, what="the old id to go")
    await end(stop, [minding])


# --- subscriptions


def outside(api: Api) -> Desk:
    return Desk(api.store, api.shops, public_url=URL + "/")


async def due(api: Api) -> list[dict[str, Any]]:
    statement = """
        select key, extract(epoch from run_at - now()) as wait_s from due where kind = 'subscribe' and taken_by is null
    """
    return await rows(api.store, statement)


async def settled(api: Api, within: tuple[float, float]) -> None:
    """The work waits for about so many seconds."""

    async def waits() -> bool:
        found = await due(api)
        return len(found) == 1 and within[0] < found[0]["wait_s"] <= within[1]

    await until(waits, what="the next time")


async def test_a_connection_is_subscribed_when_it_is_made_and_when_it_changes_and_daily(api: Api) -> None:
    app = create_app(outside(api))
    async with (
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api.example", headers=dict(api.client.headers)
        ) as client,
        working(api, outside(api)),
    ):
        await client.post("/v1/connections", json=body())
        await settled(api, (86_000, 86_400))
        assert api.shops.subscribed == [f"{URL} {PATH}"]
        await client.put("/v1/connections/main", json=changed_body())
        await until(lambda: len(api.shops.subscribed) == 2, what="the second time")
        await settled(api, (86_000, 86_400))


async def test_all_connections_are_subscribed_at_the_start(shop: Api) -> None:
    await shop.client.post("/v1/connections", json=body(connection_id="other"))
    assert await due(shop) == []
    await subscribe_all(outside(shop))
    async with working(shop, outside(shop)):
        await until(lambda: len(shop.shops.subscribed) == 2, what="both")
    assert sorted(shop.shops.subscribed) == [f"{URL} {PATH}", f"{URL} /v1/webhooks/shopify/other"]


async def test_without_an_address_from_outside_nothing_is_subscribed(shop: Api) -> None:
    await subscribe_all(shop.desk)
    assert await due(shop) == []
    # What is left of the time when there was one ends.
    await subscribe_all(outside(shop))

    async def gone() -> bool:
        return await rows(shop.store, "select kind from due") == []

    async with working(shop):
        await until(gone, what="the end of the work")
    assert shop.shops.subscribed == []
    assert await rows(shop.store, "select * from parked") == []


@pytest.mark.parametrize(
    ("trouble", "within"),
    [
        (Blocked("unauthorized", "the shop refuses the app"), (50, 60)),
        (Refused("the shop does not take the address"), (3500, 3600)),
    ],
)
async def test_what_shopify_refuses_is_tried_again_later_and_blocks_nothing(
    shop: Api, trouble: Exception, within: tuple[float, float]
) -> None:
    shop.shops.trouble = trouble
    await subscribe_all(outside(shop))
    async with working(shop, outside(shop)):
        await settled(shop, within)
    for table in ("connections", "parked"):
        assert await rows(shop.store, f"select * from {table}") == []
    assert [row["kind"] for row in await rows(shop.store, "select kind from due")] == ["subscribe"]


async def test_a_shop_that_is_away_is_tried_until_it_is_back(shop: Api) -> None:
    shop.shops.trouble = Unavailable("the shop is away")
    await subscribe_all(outside(shop))

    async def tried() -> bool:
        return bool(await rows(shop.store, "select 1 from due where waits > 0"))

    async with working(shop, outside(shop)):
        await until(tried, what="a try")
        shop.shops.trouble = None
        await until(lambda: shop.shops.subscribed, what="the subscription")


async def test_what_changes_in_a_subscribed_shop_comes_in_by_its_webhooks(api: Api) -> None:
    """The shop is the stand-in: it signs, and posts to the application."""

    async def deliver(uri: str, headers: Mapping[str, str], content: bytes) -> int:
        address = uri.removeprefix(URL)
        answer = await api.client.post(address, content=content, headers=dict(headers) | {"Authorization": ""})
        return answer.status_code

    said = body()
    said["shopify"] = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret"}
    await api.client.post("/v1/connections", json=said)
    async with open_http(asgi=create_standin(deliver=deliver)) as http:
        client = Shopify(http, Budget(api.store.engine), base_url="http://127.0.0.1/{shop}")
        desk = Desk(api.store, Shops(client, ShopKeys(client, api.store.secret)), public_url=URL)
        await subscribe_all(desk)
        async with working(api, desk):
            await settled(api, (86_000, 86_400))
        door = f"http://127.0.0.1/_control/shops/{SHOP}"
        variants = json.loads((await http.send("GET", f"{door}/variants")).body)
        changes = json.dumps({"title": "Invented lamp", "variants": [{"sku": "LAMP", "available": 1}]}).encode()
        json_body = {"Content-Type": "application/json"}
        made = await http.send("POST", f"{door}/products", headers=json_body, content=changes)
        product = json.loads(made.body)["product_id"]
        assert variants

        async def told() -> bool:
            return product in [event["subject"] for event in await published(api.store, SHOP_CHANGES)]

        await until(told, what="the new product")
        sent = json.loads((await http.send("GET", f"{door}/webhooks")).body)["sent"]
        assert {one["state"] for one in sent} == {"delivered"}
        # Nothing is sent that we do not need.
        assert {name for one in sent for name in one["body"]} <= {"id", "inventory_item_id", "updated_at"}
