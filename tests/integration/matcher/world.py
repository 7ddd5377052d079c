"""A matcher over a real database and the Shopify stand-in in this process, and ways to hand it facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

import httpx
from sqlalchemy import text

from orderbridge import budget, vault
from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import (
    Command,
    ConnectionChanged,
    Event,
    ImportedLine,
    MappingTarget,
    OrderCreated,
    OrderImported,
    ShopChanged,
    SkuMapping,
)
from orderbridge.http import open_http
from orderbridge.kafka import Received
from orderbridge.postgres import open_engine, open_session_locks, upgrade
from orderbridge.settings import load_settings
from orderbridge.topics import (
    COMMANDS,
    COMMANDS_ENDED,
    CONNECTIONS,
    CREATED,
    IMPORTED,
    MATCHED,
    SHOP_CHANGES,
    SKU_MAPPINGS,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Vault
from orderbridge_matcher.app import Matcher, wire
from orderbridge_matcher.migrations import MIGRATIONS
from orderbridge_matcher.settings import Settings
from orderbridge_standins.shopify import create_app
from tests.support.facts import ORDER, at, imported
from tests.support.shopify_standin import SHOP, TEE_SKU
from tests.support.step import MASTER_KEY, received, rows, until


def settings_of(database_url: str) -> Settings:
    return load_settings(
        Settings,
        {
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
            "ORDERBRIDGE_SHOPIFY_URL": "http://127.0.0.1/{shop}",
        },
    )


def connection_changed(
    connection_id: str = "main", shop: str = SHOP, rev: int = 1, **settings: Any
) -> ConnectionChanged:
    return ConnectionChanged(
        connection_id=connection_id,
        rev=rev,
        secrets_rev=rev,
        amazon=AmazonAccount(region="na", seller_id="A1SELLER", marketplace_ids=("ATVPDKIKX0DER",)),
        shopify=ShopifyAccount(shop=shop),
        settings=ConnectionSettings(**settings),
        added_at=at(),
        at=at(),
    )


def numbered(n: int, connection_id: str = "main") -> str:
    return f"{connection_id}:113-0000000-{n:07d}"


def ordered(*skus: str | None, order_id: str = ORDER, seq: int = 1, kind: str = "import", **more: Any) -> OrderImported:
    """An import with a line of one unit for each SKU."""
    lines = tuple(
        ImportedLine(order_item_id=str(n), amazon_sku=sku, title="Some product", quantity=1)
        for n, sku in enumerate(skus or (TEE_SKU,), start=1)
    )
    return imported(seq, kind, order_id=order_id, lines=lines, **more)


def command(command_id: str, mode: str = "retry", order_id: str = ORDER, **more: Any) -> Command:
    values = {
        "command_id": command_id,
        "order_id": order_id,
        "connection_id": order_id.partition(":")[0],
        "mode": mode,
        "actor": "tests",
        "at": at(5),
    }
    return Command.model_validate(values | more)


def mapped(
    amazon_sku: str, *targets: tuple[str, int], rev: int = 1, connection_id: str = "main", **dates: datetime
) -> SkuMapping:
    return SkuMapping(
        connection_id=connection_id,
        amazon_sku=amazon_sku,
        rev=rev,
        targets=tuple(MappingTarget(shopify_sku=sku, units=units) for sku, units in targets),
        at=at(rev),
        **dates,
    )


def product_changed(product_id: str, change: Literal["changed", "gone"] = "changed") -> ShopChanged:
    return ShopChanged(connection_id="main", source="api", kind="product", subject=product_id, change=change, at=at())


@dataclass
class World:
    matcher: Matcher
    vault: Vault
    shop: httpx.AsyncClient
    engine: Any
    database_url: str

    # --- handing it things

    async def deliver(self, *events: Event) -> None:
        """As one batch from Kafka."""
        await self.matcher.runtime.process([_record(event) for event in events])

    async def deliver_raw(self, value: bytes, seq: int, order_id: str = ORDER) -> None:
        headers = {"ce_id": f"{IMPORTED}/ingestor/{order_id}/{seq}", "ce_source": "/orderbridge/ingestor"}
        await self.matcher.runtime.process([Received(IMPORTED, 0, 0, order_id, value, headers)])

    async def unmap(self, amazon_sku: str, rev: int) -> None:
        """The tombstone of a mapping."""
        key = f"main:{amazon_sku}"
        headers = {"ce_id": f"{SKU_MAPPINGS}/api/{key}/{rev}", "ce_source": "/orderbridge/api"}
        await self.matcher.runtime.process([Received(SKU_MAPPINGS, 0, 0, key, None, headers)])

    async def add_connection(
        self, connection_id: str = "main", shop: str = SHOP, rev: int = 1, secret: str = "demo-secret", **settings: Any
    ) -> None:
        secrets = {"client_id": "demo-client", "client_secret": secret}
        async with self.engine.begin() as connection:
            await self.vault.put(connection, "connections", f"{connection_id}/shopify", json.dumps(secrets).encode())
        await self.deliver(connection_changed(connection_id, shop, rev, **settings))

    async def load(self) -> None:
        """Add the connection ``main`` and read its catalogue to the end."""
        await self.add_connection()
        async with self.working():
            await until(self.is_loaded, what="the catalogue is complete")

    async def is_loaded(self, connection_id: str = "main") -> bool:
        found = await rows(
            self.matcher.store, "select complete from catalogues where connection_id = :id", id=connection_id
        )
        return bool(found and found[0]["complete"])

    async def poll(self) -> None:
        """Let a round through the shop's changes pass."""
        before = await self.calls("products")
        await self.execute("update due set run_at = now(), version = version + 1 where kind = 'catalogue'")
        async with self.working():
            await until(lambda: self._rested(before), what="the round ends")

    async def _rested(self, before: int) -> bool:
        busy = await rows(
            self.matcher.store, "select 1 from due where run_at <= now() + interval '1 s' or taken_by is not null"
        )
        return await self.calls("products") > before and not busy

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    # --- seeing what it made of them

    async def facts(self, order_id: str = ORDER) -> list[dict[str, Any]]:
        """Everything said of the order, oldest first; ``topic`` is added."""
        found = await rows(
            self.matcher.store,
            """
            select topic, payload from outbox where key = :key and topic = any(cast(:topics as text[])) order by id
            """,
            key=order_id,
            topics=[MATCHED, UNMATCHED],
        )
        return [{"topic": row["topic"], **json.loads(row["payload"])} for row in found]

    async def comes_to(self, topic: str, *, order_id: str = ORDER, seq: int = 1) -> dict[str, Any]:
        """Wait for the fact with this number, and that it is of this topic; returns it."""

        async def there() -> dict[str, Any] | None:
            facts = await self.facts(order_id)
            return facts[seq - 1] if len(facts) >= seq else None

        fact: dict[str, Any] = await until(there, what=f"{order_id} {seq}")
        assert (fact["topic"], fact["seq"]) == (topic, seq)
        return fact

    async def ends(self) -> dict[str, tuple[str, str]]:
        """By command: its state, and the code of its reason."""
        found = await rows(
            self.matcher.store, "select payload from outbox where topic = :topic order by id", topic=COMMANDS_ENDED
        )
        ended: dict[str, tuple[str, str]] = {}
        for end in (json.loads(row["payload"]) for row in found):
            assert end["command_id"] not in ended, "a command ends once"
            ended[end["command_id"]] = (end["state"], end["reason"]["code"] if end["reason"] else end["outcome"])
        return ended

    async def quiet(self, kind: str = "look_up") -> None:
        """Wait until no work of the kind is left."""
        await until(lambda: self._none(kind), what=f"no {kind} is due")

    async def _none(self, kind: str) -> bool:
        return not await rows(self.matcher.store, "select 1 from due where kind = :kind", kind=kind)

    # --- the shop's side

    async def control(self, method: str, path: str, shop: str = SHOP, **body: Any) -> Any:
        answer = await self.shop.request(method, f"/_control/shops/{shop}/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def make_shop(self, shop: str, **more: Any) -> None:
        made = {"shop": shop, "client_id": "demo-client", "client_secret": "demo-secret", **more}
        assert (await self.shop.post("/_control/shops", json=made)).is_success

    async def add_variant(self, sku: str, title: str = "Odd thing", status: str = "ACTIVE") -> str:
        """Returns its id."""
        made = await self.control("POST", "products", title=title, variants=[{"sku": sku}], status=status)
        variant_id: str = made["variants"][0]["variant_id"]
        return variant_id

    async def calls(self, field: str, shop: str = SHOP) -> int:
        """How often the shop was asked for a root field."""
        ledger = await self.control("GET", "ledger", shop)
        return int(ledger["counts"]["calls"].get(field, 0))

    # --- running it

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Its workers, stopped at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.matcher.workers.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def migrate(database_url: str) -> None:
    async with open_engine(database_url, schema="matcher") as engine:
        for migrations in (vault.MIGRATIONS, budget.MIGRATIONS, MIGRATIONS):
            await upgrade(engine, migrations)


@asynccontextmanager
async def open_world(database_url: str, variants: int = 30) -> AsyncIterator[World]:
    """On a migrated database, with a shop whose searches do not lag and that has points for everything."""
    keys = Vault(MasterKeys.parse(MASTER_KEY))
    app: Any = create_app()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(database_url, schema="matcher"))
        http = await stack.enter_async_context(open_http(asgi=app))
        shop = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shopify.example")
        )
        locks = await stack.enter_async_context(open_session_locks(engine))
        world = World(wire(engine, keys, locks, http, settings_of(database_url)), keys, shop, engine, database_url)
        await world.make_shop(SHOP, variants=variants)
        await world.control("POST", "settings", search_lag_s=0, bucket={"maximum": 1_000_000, "restore": 100_000})
        yield world


def day(n: int) -> datetime:
    return at(n * 1440)


def _record(event: Event) -> Received:
    match event:
        case ConnectionChanged():
            return received(CONNECTIONS, event, event.connection_id, event.rev)
        case Command():
            return received(COMMANDS, event, event.order_id or event.connection_id, event.command_id)
        case OrderImported():
            return received(IMPORTED, event, event.order_id)
        case OrderCreated():
            return received(CREATED, event, event.order_id)
        case SkuMapping():
            return received(SKU_MAPPINGS, event, f"{event.connection_id}:{event.amazon_sku}", event.rev)
        case ShopChanged():
            return received(SHOP_CHANGES, event, f"{event.connection_id}:{event.subject}", uuid4().hex)
        case _:
            raise AssertionError(f"nobody sends {type(event).__name__} to the matcher")
