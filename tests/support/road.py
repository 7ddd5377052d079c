"""The whole road in one process: four services on one database, both vendors' stand-ins, and a bus in Kafka's place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import text

import orderbridge_api.app as api_app
import orderbridge_creator.app as creator_app
import orderbridge_ingestor.app as ingestor_app
import orderbridge_matcher.app as matcher_app
from orderbridge.budget import Budget
from orderbridge.errors import Transient
from orderbridge.events import Service
from orderbridge.http import open_http
from orderbridge.kafka import Received
from orderbridge.postgres import migrate as migrate_schema
from orderbridge.postgres import open_engine, open_session_locks
from orderbridge.process import SHARED
from orderbridge.settings import ServiceSettings, load_settings
from orderbridge.step import DueWorkers, Runtime, Store
from orderbridge.vault import MasterKeys, Vault
from orderbridge_api.actions import install_admin_key
from orderbridge_api.adapters.store import open_store as open_api_store
from orderbridge_api.migrations import MIGRATIONS as API
from orderbridge_api.settings import Settings as ApiSettings
from orderbridge_creator.migrations import MIGRATIONS as CREATOR
from orderbridge_creator.settings import Settings as CreatorSettings
from orderbridge_ingestor.migrations import MIGRATIONS as INGESTOR
from orderbridge_ingestor.settings import Settings as IngestorSettings
from orderbridge_matcher.migrations import MIGRATIONS as MATCHER
from orderbridge_matcher.settings import Settings as MatcherSettings
from orderbridge_standins.amazon import create_app as create_amazon
from orderbridge_standins.amazon.world import World as AmazonWorld
from orderbridge_standins.shopify import create_app as create_shopify

from .road_bus import Bus, Plan
from .step import MASTER_KEY, end, until

ADMIN_KEY = "an invented key for tests"
SELLER, SHOP = "A1ORDERBRIDGE", "orderbridge-demo.myshopify.com"
SECOND_SELLER, SECOND_SHOP, SECOND_TOKEN = "A2SECOND", "second.myshopify.com", "Atzr|second"
US = "ATVPDKIKX0DER"
SERVICES: tuple[Service, ...] = ("ingestor", "matcher", "creator", "api")
CATALOGUE = {"catalogue_seed": 1, "catalogue_variants": 300}

# Nothing is published, and no work is due before long; what a blocked connection holds back counts as due.
_BUSY = """
    select (select count(*) from {schema}.outbox)
         + (select count(*) from {schema}.due where taken_by is not null or run_at < now() + interval '10 s')
"""


async def migrate(database_url: str) -> None:
    """Every schema of every service, by the services' own migrations."""
    for own in (INGESTOR, MATCHER, CREATOR, API):
        await migrate_schema(database_url, None, own, SHARED, ())


@dataclass
class Road:
    """``stores``, ``runtimes`` and ``workers`` are by service."""

    database_url: str
    ingestor: ingestor_app.Ingestor
    matcher: matcher_app.Matcher
    creator: creator_app.Creator
    stores: Mapping[str, Store[Any]]
    runtimes: Mapping[str, Runtime[Any]]
    workers: Mapping[str, DueWorkers]
    bus: Bus
    amazon: AmazonWorld
    client: httpx.AsyncClient
    amazon_door: httpx.AsyncClient
    shopify_door: httpx.AsyncClient

    # --- Amazon's side

    async def at_amazon(self, method: str, path: str, body: Any = None) -> Any:
        return await _asked(self.amazon_door, method, f"/_control/{path}", body)

    async def place(self, profile: Mapping[str, Any], *, seed: int = 7, seller: str = SELLER) -> dict[str, Any]:
        """New orders; their Amazon ids by the story of the profile, those of ``sku`` by SKU."""
        made = await self.at_amazon(
            "POST", "orders/generate", {"seller_id": seller, "seed": seed, "profile": profile, **CATALOGUE}
        )
        by_story: dict[str, Any] = made["by_profile"]
        return by_story

    async def change(self, amazon_order_id: str, patch: Mapping[str, Any]) -> None:
        """By merge patch, at a time that the next poll's window reaches."""
        changed = {"lastUpdatedTime": self.stamp(-240), **patch}
        await self.at_amazon("PATCH", f"orders/{SELLER}/{amazon_order_id}", changed)

    async def retitle(self, amazon_order_id: str, title: str, *, ago_s: float = 240) -> None:
        """Give the order's first line another title, so long ago; what is too fresh only ``getOrder`` shows."""
        order = self.amazon.orders_of(SELLER).get(amazon_order_id)
        assert order is not None
        items = json.loads(json.dumps(order["orderItems"]))
        items[0]["product"]["title"] = title
        await self.change(amazon_order_id, {"orderItems": items, "lastUpdatedTime": self.stamp(-ago_s)})

    def stamp(self, seconds: float) -> str:
        moment: datetime = self.amazon.clock.now() + timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- Shopify's side

    async def at_shop(self, method: str, path: str, shop: str = SHOP, **body: Any) -> Any:
        return await _asked(self.shopify_door, method, f"/_control/shops/{shop}/{path}", body or None)

    async def make_second_shop(self) -> None:
        made = {"shop": SECOND_SHOP, "client_id": "demo-client", "client_secret": "demo-secret"}
        await _asked(self.shopify_door, "POST", "/_control/shops", made)
        await self.at_shop("POST", "settings", shop=SECOND_SHOP, bucket=BUCKET)

    async def sell(self, sku: str, shop: str = SHOP) -> None:
        """A new product with that SKU."""
        await self.at_shop("POST", "products", shop=shop, title="Newly listed", variants=[{"sku": sku}])

    async def skus(self, shop: str = SHOP) -> list[str]:
        return [variant["sku"] for variant in await self.at_shop("GET", "variants", shop=shop)]

    async def stock(self, sku: str, available: int) -> None:
        await self.at_shop("POST", "stock", sku=sku, available=available)

    async def ledger(self, shop: str = SHOP) -> dict[str, Any]:
        """The shop's orders, and every orderCreate that reached it."""
        ledger: dict[str, Any] = await self.at_shop("GET", "ledger", shop=shop)
        return ledger

    async def sold(self, shop: str = SHOP) -> list[str]:
        """The Amazon ids of the shop's orders, one for each order."""
        return sorted(order["amazon_order_id"] for order in (await self.ledger(shop))["orders"])

    # --- ours, over REST

    async def get(self, path: str) -> Any:
        return await _asked(self.client, "GET", path)

    async def connect(self, name: str = "main", **settings: Any) -> None:
        """A connection that takes in what is at Amazon already; ``second`` is another seller with another shop."""
        second = name == "second"
        early = (self.amazon.clock.now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "connection_id": name,
            "amazon": {
                "region": "na",
                "seller_id": SECOND_SELLER if second else SELLER,
                "marketplace_ids": [US],
                "client_id": "amzn1.application-oa2-client.demo",
                "client_secret": "demo-secret",
                "refresh_token": SECOND_TOKEN if second else "Atzr|demo",
            },
            "shopify": {
                "shop": SECOND_SHOP if second else SHOP,
                "client_id": "demo-client",
                "client_secret": "demo-secret",
            },
            "settings": {"import_from": early, **settings},
        }
        await _asked(self.client, "POST", "/v1/connections", body)

    async def order(self, amazon_order_id: str, connection: str = "main") -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/v1/orders/{connection}:{amazon_order_id}")
        return found

    async def stands(self, amazon_order_id: str, connection: str = "main") -> tuple[str, str | None]:
        """Its status, and the code of its reason."""
        answer = await self.client.get(f"/v1/orders/{connection}:{amazon_order_id}")
        if answer.status_code == 404:
            return "unknown", None
        order = answer.json()
        return order["status"], (order["reason"] or {}).get("code")

    async def comes_to(self, amazon_order_id: str, *status: str | None, connection: str = "main") -> None:
        """Wait until it stands so: a status, and the code of a reason."""
        wanted = (status[0], status[1] if len(status) > 1 else None)

        async def there() -> bool:
            return await self.stands(amazon_order_id, connection) == wanted

        await until(there, within_s=30, what=f"{connection}:{amazon_order_id} is {wanted}")

    async def ask(self, amazon_order_id: str, mode: str = "retry", connection: str = "main") -> str:
        """A command of an operator, accepted; its id."""
        body = {"mode": mode, "reason": "The test wants it"}
        answer = await self.client.post(f"/v1/orders/{connection}:{amazon_order_id}/retry", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["command_id"])

    async def parked(self, amazon_order_id: str) -> dict[str, str]:
        """What is parked of the order: its id by the service that keeps it."""
        items = (await self.get("/v1/parked"))["items"]
        return {one["service"]: one["id"] for one in items if one["order_id"] == f"main:{amazon_order_id}"}

    async def replay(self, parked_id: str) -> str:
        return str((await _asked(self.client, "POST", f"/v1/parked/{parked_id}/replay"))["command_id"])

    async def ended(self, command_id: str) -> tuple[str, str | None]:
        """How the command ended: its state, and its outcome or the code of its reason."""

        async def closed() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.get(f"/v1/commands/{command_id}")
            return found if found["state"] != "open" else None

        found = await until(closed, within_s=30, what=f"the end of the command {command_id}")
        return found["state"], found["outcome"] if found["state"] == "done" else (found["reason"] or {}).get("code")

    async def resources(self) -> dict[str, str]:
        """Every order's resource as the api keeps and publishes it, byte for byte."""
        return await resources_of(self.stores["api"])

    # --- running it

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The bus and everybody's workers; polls are made one by one by ``poll``."""
        stop = asyncio.Event()
        loops = [self.bus.run(stop), *(workers.run(stop) for workers in self.workers.values())]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            await end(stop, tasks)

    async def poll(self, name: str = "main") -> None:
        """One poll of Amazon, once the connection is known to the ingestor and works."""

        async def connection() -> Any:
            async with self.ingestor.store.transaction() as unit:
                return await unit.connection_settings(name) if await unit.why_blocked(name) is None else None

        found = await until(connection, what=f"the ingestor knows {name}")

        async def polled() -> bool:
            try:
                await self.ingestor.poller.poll(found)
            except Transient:
                return False
            return True

        await until(polled, within_s=20, what=f"a poll of {name}")

    async def is_quiet(self) -> bool:
        async with self.bus.turning:
            if self.bus.waiting:
                return False
            return not any([await self._busy(name) for name in SERVICES])

    async def settled(self, within_s: float = 60.0) -> None:
        """Wait until nothing is under way anywhere."""
        await until(self.is_quiet, within_s=within_s, what="the road is quiet")

    async def _busy(self, service: str) -> int:
        async with self.stores[service].engine.connect() as connection:
            return int(await connection.scalar(text(_BUSY.format(schema=service))) or 0)


BUCKET = {"maximum": 100_000, "restore": 5_000}


async def resources_of(store: Store[Any]) -> dict[str, str]:
    async with store.engine.connect() as connection:
        found = await connection.execute(text("select order_id, cast(resource as text) as resource from orders"))
        return {row.order_id: row.resource for row in found}


async def _asked(door: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await door.request(method, path, content=None if body is None else json.dumps(body))
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def settings_of(
    database_url: str, *, webhooks_on: bool, changed: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """By service; ``changed`` are other values of the environment's variables."""
    webhooks = {"ORDERBRIDGE_PUBLIC_URL": "http://127.0.0.1"} if webhooks_on else {}
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_AMAZON_URL": "http://127.0.0.1",
        "ORDERBRIDGE_LWA_URL": "http://127.0.0.1",
        "ORDERBRIDGE_SHOPIFY_URL": "http://127.0.0.1/{shop}",
        "ORDERBRIDGE_SETTLE_S": "8",
        "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "5",
        "ORDERBRIDGE_SHOPIFY_LATE_S": "2",
        "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "1",
        "ORDERBRIDGE_STOCK_REREAD_S": "60",
        "ORDERBRIDGE_ADMIN_KEY": ADMIN_KEY,
    }
    kinds: dict[str, type[ServiceSettings]] = {
        "ingestor": IngestorSettings,
        "matcher": MatcherSettings,
        "creator": CreatorSettings,
        "api": ApiSettings,
    }
    return {
        service: load_settings(kind, environment | (webhooks if service == "api" else {}) | dict(changed))
        for service, kind in kinds.items()
    }


@asynccontextmanager
async def open_road(
    database_url: str, *, webhooks: bool = False, changed: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Road]:
    """On a migrated database of its own, with vendors that answer as fast as they are asked.

    ``webhooks``: the api subscribes Shopify's, and gets them without a network. ``changed``: see ``settings_of``.
    """
    settings = settings_of(database_url, webhooks_on=webhooks, changed=changed)
    keys = Vault(MasterKeys.parse(MASTER_KEY))
    amazon = AmazonWorld()
    amazon_asgi: Any = create_amazon(amazon)
    doors: list[httpx.AsyncClient] = []

    async def deliver(uri: str, headers: Mapping[str, str], body: bytes) -> int:
        return (await doors[0].post(urlsplit(uri).path, headers=dict(headers), content=body)).status_code

    shopify_asgi: Any = create_shopify(deliver=deliver)
    async with AsyncExitStack() as stack:
        enter: Callable[[Any], Awaitable[Any]] = stack.enter_async_context
        engines = {name: await enter(open_engine(database_url, schema=name, pool_size=5)) for name in SERVICES}
        locks = {name: await enter(open_session_locks(engine)) for name, engine in engines.items()}
        poll_locks = await enter(open_session_locks(engines["ingestor"]))
        to_amazon = await enter(open_door(amazon_asgi))
        to_shopify = await enter(open_door(shopify_asgi))
        ingestor = ingestor_app.wire(
            engines["ingestor"],
            keys,
            locks["ingestor"],
            poll_locks,
            await enter(open_http(asgi=amazon_asgi)),
            settings["ingestor"],
        )
        vendor = await enter(open_http(asgi=shopify_asgi))
        matcher = matcher_app.wire(engines["matcher"], keys, locks["matcher"], vendor, settings["matcher"])
        creator = creator_app.wire(engines["creator"], keys, locks["creator"], vendor, settings["creator"])
        api = api_app.wire(engines["api"], keys, locks["api"], vendor, settings["api"])
        await install_admin_key(api.desk, ADMIN_KEY)
        doors.append(await enter(open_door(api.app)))
        wired: dict[str, Any] = {"ingestor": ingestor, "matcher": matcher, "creator": creator, "api": api}
        stores = {name: one.store for name, one in wired.items()}
        runtimes = {name: one.runtime for name, one in wired.items()}
        road = Road(
            database_url,
            ingestor,
            matcher,
            creator,
            stores,
            runtimes,
            {name: one.workers for name, one in wired.items()},
            Bus(stores, runtimes),
            amazon,
            await enter(open_door(api.app, {"Authorization": f"Bearer {ADMIN_KEY}"})),
            to_amazon,
            to_shopify,
        )
        await _make_fast(road)
        yield road


async def _make_fast(road: Road) -> None:
    # A shop of which nothing is known yet has the points of the smallest plan: some seconds' wait.
    budget = Budget(road.stores["creator"].engine)
    for shop in (SHOP, SECOND_SHOP):
        await budget.teach(f"shopify:{shop}:demo-client", rate=BUCKET["restore"], burst=BUCKET["maximum"])
    for operation in ("searchOrders", "getOrder"):
        await road.at_amazon("POST", "limits", {"operation": operation, "rate": 100, "burst": 10000})
    second = {
        "seller_id": SECOND_SELLER,
        "refresh_token": SECOND_TOKEN,
        "client_id": "amzn1.application-oa2-client.demo",
        "client_secret": "demo-secret",
        "marketplace_ids": [US],
    }
    await road.at_amazon("POST", "sellers", second)
    await road.at_shop("POST", "settings", bucket=BUCKET, search_lag_s=0, bulk_takes_s=0)


def open_door(asgi: Any, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client that asks the application in this process."""
    transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
    json_headers = {"Content-Type": "application/json", **(headers or {})}
    return httpx.AsyncClient(transport=transport, base_url="http://road.example", headers=json_headers)


@dataclass
class FreshApi:
    """An api that has read nothing yet, beside the one on the road."""

    store: Store[Any]
    runtime: Runtime[Any]

    async def empty(self) -> None:
        """As after the migrations."""
        async with self.store.engine.begin() as connection:
            found = await connection.execute(
                text("select tablename from pg_tables where schemaname = 'api' and tablename <> 'alembic_version'")
            )
            await connection.execute(text(f"truncate {', '.join(found.scalars())} restart identity"))

    async def read(self, records: Sequence[Received], plan: Plan) -> dict[str, str]:
        """Hand it those of the records that an api reads; its orders afterwards, byte for byte."""
        for batch in plan("api", [one for one in records if one.topic in self.runtime.topics]):
            await self.runtime.process(batch)
        return await resources_of(self.store)


@asynccontextmanager
async def open_fresh_api(database_url: str) -> AsyncIterator[FreshApi]:
    async with open_engine(database_url, schema="api") as engine:
        store = open_api_store(engine, Vault(MasterKeys.parse(MASTER_KEY)), api_app.CLOCK)
        yield FreshApi(store, api_app.open_runtime(store))
