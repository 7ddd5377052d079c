"""A creator over a real database and the Shopify stand-in in this process, and ways to hand it facts."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from orderbridge import budget, vault
from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import (
    Command,
    CommandMode,
    ConnectionChanged,
    Event,
    Fact,
    OrderImported,
    OrderMatched,
    OrderUnmatched,
    ShopChanged,
    Target,
)
from orderbridge.http import Http, open_http
from orderbridge.kafka import Received
from orderbridge.postgres import SessionLocks, open_engine, open_session_locks, upgrade
from orderbridge.settings import load_settings
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge.topics import (
    COMMANDS,
    COMMANDS_ENDED,
    CONNECTIONS,
    CREATED,
    FAILED,
    IMPORTED,
    MATCHED,
    PROGRESS,
    SHOP_CHANGES,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Table, Vault
from orderbridge_creator.app import Creator, wire
from orderbridge_creator.migrations import MIGRATIONS
from orderbridge_creator.settings import Settings
from orderbridge_standins.shopify import create_app
from tests.support.facts import ORDER, at, imported, matched
from tests.support.shopify_standin import SHOP, TEE, TEE_SKU
from tests.support.step import MASTER_KEY, received, rows, until

SECOND_SHOP = "second.myshopify.com"
TIMES = {"SETTLE": 15.0, "SHOPIFY_DEADLINE": 10.0, "SHOPIFY_LATE": 4.0, "SHOPIFY_LOOKUP_LAG": 1.0}
SHORT_TIMES = {"SETTLE": 0.9, "SHOPIFY_DEADLINE": 0.5, "SHOPIFY_LATE": 0.3, "SHOPIFY_LOOKUP_LAG": 0.1}
"""For tests that wait until an open outcome has settled."""
RESIDENT = PersonalData(
    buyer_name="Ada Invented",
    address=DeliveryAddress(
        name="Ada Invented", line1="1 Example Street", city="Springfield", state="IL", postal_code="62701", country="US"
    ),
)


def settings_of(database_url: str, **changed: float | str) -> Settings:
    """``changed`` by the variable's name, or by the middle of a time's (``SETTLE``)."""
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_SHOPIFY_URL": "http://127.0.0.1/{shop}",
    }
    for name, value in (TIMES | changed).items():
        environment[f"ORDERBRIDGE_{name}_S" if isinstance(value, float) else name] = str(value)
    return load_settings(Settings, environment)


def connection_changed(
    connection_id: str = "main", shop: str = SHOP, rev: int = 1, check: int = 0, **settings: Any
) -> ConnectionChanged:
    return ConnectionChanged(
        connection_id=connection_id,
        rev=rev,
        check=check,
        secrets_rev=rev,
        amazon=AmazonAccount(region="na", seller_id="A1SELLER", marketplace_ids=("ATVPDKIKX0DER",)),
        shopify=ShopifyAccount(shop=shop),
        settings=ConnectionSettings(**settings),
        added_at=at(),
        at=at(),
    )


def tee_match(
    order_id: str = ORDER, seq: int = 1, imported_seq: int = 1, quantity: int = 1, **more: Any
) -> OrderMatched:
    """One line of the shop's T-shirt."""
    event = matched(seq, imported_seq, order_id=order_id, **more)
    target = (
        event.lines[0].targets[0].model_copy(update={"variant_id": TEE, "shopify_sku": TEE_SKU, "quantity": quantity})
    )
    return event.model_copy(update={"lines": (event.lines[0].model_copy(update={"targets": (target,)}),)})


def match_of(
    *targets: tuple[str, str, int], order_id: str = ORDER, seq: int = 1, imported_seq: int = 1, **more: Any
) -> OrderMatched:
    """One line that takes these variants: id, SKU, units."""
    event = matched(seq, imported_seq, order_id=order_id, **more)
    chosen = tuple(Target(variant_id=variant, shopify_sku=sku, quantity=units) for variant, sku, units in targets)
    return event.model_copy(update={"lines": (event.lines[0].model_copy(update={"targets": chosen}),)})


def remedy(
    mode: CommandMode, command_id: str = "c1", order_id: str = ORDER, connection_id: str = "main", **more: Any
) -> Command:
    values = {"order_id": order_id, "connection_id": connection_id, "reason": "by hand", "actor": "key:test"}
    return Command(command_id=command_id, mode=mode, at=at(), **(values | more))


def numbered(n: int, connection_id: str = "main") -> str:
    return f"{connection_id}:113-0000000-{n:07d}"


@dataclass
class World:
    creator: Creator
    locks: SessionLocks
    vault: Vault
    settings: Settings
    http: Http
    control_http: httpx.AsyncClient
    engine: Any

    # --- handing it things

    async def deliver(self, *events: Event) -> None:
        """As one batch from Kafka."""
        await self.creator.runtime.process([_record(event) for event in events])

    async def deliver_raw(self, topic: str, order_id: str, value: bytes, seq: int) -> None:
        ce_id = f"{topic}/matcher/{order_id}/{seq}"
        headers = {"ce_id": ce_id, "ce_source": "/orderbridge/matcher"}
        await self.creator.runtime.process([Received(topic, 0, 0, order_id, value, headers)])

    async def add_connection(self, connection_id: str = "main", shop: str = SHOP, rev: int = 1, **more: str) -> None:
        secrets = {"client_id": "demo-client", "client_secret": "demo-secret"} | more
        await self.put("connections", f"{connection_id}/shopify", json.dumps(secrets).encode())
        await self.deliver(connection_changed(connection_id, shop, rev))

    async def change_settings(self, rev: int, **settings: Any) -> None:
        """Of the connection ``main``."""
        await self.deliver(connection_changed(rev=rev, **settings))

    async def word(self, kind: str, subject: str, change: str = "changed") -> None:
        """A word that something changed at the shop, as the api passes on a webhook."""
        await self.deliver(_word(kind, subject, change))

    async def is_ready(self, state: str = "ok", connection_id: str = "main") -> bool:
        """Whether the connection was tried, with this outcome."""
        found = await rows(
            self.creator.store,
            "select state from connections where connection_id = :id and status_rev > 0",
            id=connection_id,
        )
        return [row["state"] for row in found] == [state]

    async def ready(self) -> None:
        """Add the connection ``main`` and wait until its shop was tried."""
        await self.add_connection()
        async with self.working():
            await until(self.is_ready, what="the shop is tried")

    async def put(self, table: Table, owner: str, value: bytes) -> None:
        async with self.engine.begin() as connection:
            await self.vault.put(connection, table, owner, value)

    async def address(self, order_id: str = ORDER, resident: PersonalData = RESIDENT) -> None:
        await self.put("orders", order_id, resident.to_bytes())

    async def order(self, order_id: str = ORDER, quantity: int = 1) -> None:
        """An order that is imported, matched, and has an address."""
        await self.address(order_id)
        await self.deliver(imported(order_id=order_id), tee_match(order_id, quantity=quantity))

    # --- seeing what it made of them

    async def facts(self, order_id: str = ORDER) -> list[dict[str, Any]]:
        """Everything said of the order, oldest first."""
        found = await rows(
            self.creator.store,
            """
            select convert_from(payload, 'UTF8')::json as payload from outbox
            where key = :key and topic = any(cast(:topics as text[])) order by id
            """,
            key=order_id,
            topics=[PROGRESS, CREATED, FAILED],
        )
        return [_json(row["payload"]) for row in found]

    async def phases(self, order_id: str = ORDER) -> list[str]:
        return [fact["phase"] for fact in await self.facts(order_id)]

    async def ends(self) -> dict[str, tuple[str, str | None]]:
        """By command: its state, and its outcome or the code of its reason."""
        found = await rows(
            self.creator.store,
            "select convert_from(payload, 'UTF8')::json as payload from outbox where topic = :topic order by id",
            topic=COMMANDS_ENDED,
        )
        ended: dict[str, tuple[str, str | None]] = {}
        for row in found:
            end = _json(row["payload"])
            assert end["command_id"] not in ended, "a command ends once"
            word = end["outcome"] if end["state"] == "done" else end["reason"]["code"]
            ended[end["command_id"]] = (end["state"], word)
        return ended

    async def attempts(self, order_id: str = ORDER) -> list[str | None]:
        found = await rows(
            self.creator.store,
            "select outcome from attempts where order_id = :id order by attempt",
            id=order_id,
        )
        return [row["outcome"] for row in found]

    async def comes_to(self, *phases: str, order_id: str = ORDER, within_s: float = 10.0) -> dict[str, Any]:
        """Wait until the order's newest fact has one of these phases and its work is done; returns the fact."""

        async def there() -> dict[str, Any] | None:
            facts = await self.facts(order_id)
            return facts[-1] if facts and facts[-1]["phase"] in phases else None

        fact: dict[str, Any] = await until(there, within_s=within_s, what=f"{order_id} {phases}")
        return fact

    # --- the shop's side

    async def control(self, method: str, path: str, shop: str = SHOP, **body: Any) -> Any:
        answer = await self.control_http.request(method, f"/_control/shops/{shop}/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def trouble(self, kind: str, operation: str = "orderCreate", **more: Any) -> None:
        await self.control("POST", "trouble", kind=kind, operation=operation, **more)

    async def stock(self, available: int, sku: str = TEE_SKU, **more: Any) -> None:
        await self.control("POST", "stock", sku=sku, available=available, **more)

    async def variant(self, sku: str = TEE_SKU) -> dict[str, Any]:
        answer = await self.control_http.get(f"/_control/shops/{SHOP}/variants", params={"sku": sku})
        [shown] = answer.json()
        variant: dict[str, Any] = shown
        return variant

    async def by_hand(self, name: str = "HAND-1", **more: Any) -> str:
        """An order that somebody makes in Shopify; returns its gid."""
        made = await self.control("POST", "orders", name=name, **more)
        return str(made["order_id"])

    async def ledger(self, shop: str = SHOP) -> dict[str, Any]:
        ledger: dict[str, Any] = await self.control("GET", "ledger", shop=shop)
        return ledger

    async def creates(self, shop: str = SHOP) -> list[str]:
        """How each orderCreate that reached the shop came out."""
        return [each["outcome"] for each in (await self.ledger(shop))["order_creates"]]

    async def shop_orders(self, shop: str = SHOP) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = (await self.ledger(shop))["orders"]
        return orders

    # --- running it

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[None]]:
        """Its workers, stopped at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.creator.workers.run(stop))
        try:
            yield task
        finally:
            stop.set()
            if not task.done():
                await task

    @asynccontextmanager
    async def doomed(self) -> AsyncIterator[None]:
        """Its workers, killed at the end: every task of theirs ends where it is."""
        before = asyncio.all_tasks()
        running = asyncio.create_task(self.creator.workers.run(asyncio.Event()))
        try:
            yield
        finally:
            killed = {running} | (asyncio.all_tasks() - before)
            for task in killed:
                task.cancel()
            await asyncio.gather(*killed, return_exceptions=True)

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[World]:
        """Another process's creator on the same database and shop: its own sessions, its own locks."""
        address = self.settings.database_url.get_secret_value()
        async with open_engine(address, schema="creator") as engine, open_session_locks(engine) as locks:
            creator = wire(engine, self.vault, locks, self.http, self.settings)
            yield World(creator, locks, self.vault, self.settings, self.http, self.control_http, engine)


async def migrate(database_url: str) -> None:
    async with open_engine(database_url, schema="creator") as engine:
        for migrations in (vault.MIGRATIONS, budget.MIGRATIONS, MIGRATIONS):
            await upgrade(engine, migrations)


@asynccontextmanager
async def open_world(database_url: str, **seconds: float) -> AsyncIterator[World]:
    """On a migrated database; ``seconds`` are settings by name, such as ``SETTLE``."""
    settings = settings_of(database_url, **seconds)
    keys = Vault(MasterKeys.parse(MASTER_KEY))
    app: Any = create_app()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(database_url, schema="creator"))
        http = await stack.enter_async_context(open_http(asgi=app))
        control = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shopify.example")
        )
        locks = await stack.enter_async_context(open_session_locks(engine))
        yield World(wire(engine, keys, locks, http, settings), locks, keys, settings, http, control, engine)


def _record(event: Event) -> Received:
    match event:
        case ConnectionChanged():
            return received(CONNECTIONS, event, event.connection_id, event.rev)
        case ShopChanged():
            return received(SHOP_CHANGES, event, f"{event.connection_id}:{event.subject}", uuid.uuid4().hex)
        case Command():
            return received(COMMANDS, event, event.order_id or event.connection_id, event.command_id)
        case OrderImported():
            topic = IMPORTED
        case OrderMatched():
            topic = MATCHED
        case OrderUnmatched():
            topic = UNMATCHED
        case _:
            raise AssertionError(f"nobody sends {type(event).__name__} to the creator")
    assert isinstance(event, Fact)
    return received(topic, event, event.order_id)


def _word(kind: str, subject: str, change: str) -> ShopChanged:
    values = {"connection_id": "main", "source": "api", "kind": kind, "subject": subject, "change": change, "at": at()}
    return ShopChanged.model_validate(values)


def _json(value: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return read
