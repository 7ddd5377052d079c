"""The api over a database of its own: its store, its runtime, and its REST application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import text

from orderbridge import budget, vault
from orderbridge.events import (
    CommandEnded,
    ConnectionChanged,
    ConnectionStatus,
    Event,
    Fact,
    MessageParked,
    OrderCreated,
    OrderFailed,
    OrderImported,
    OrderMatched,
    OrderProgress,
    OrderUnmatched,
)
from orderbridge.kafka import Received
from orderbridge.postgres import open_engine, open_session_locks, upgrade
from orderbridge.step import Runtime, Store
from orderbridge.topics import (
    COMMANDS_ENDED,
    CONNECTIONS_STATUS,
    CREATED,
    FAILED,
    IMPORTED,
    MATCHED,
    PARKED,
    PROGRESS,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Vault
from orderbridge_api.actions import Desk, install_admin_key
from orderbridge_api.adapters.store import ApiUnit, open_store
from orderbridge_api.app import CLOCK, create_app, open_runtime, open_workers
from orderbridge_api.domain.variants import FoundVariant
from orderbridge_api.migrations import MIGRATIONS
from tests.support.facts import ORDER
from tests.support.step import MASTER_KEY, end, received

ADMIN_KEY = "an invented key for tests"
TOPIC_OF: dict[type[Event], str] = {
    OrderImported: IMPORTED,
    OrderMatched: MATCHED,
    OrderUnmatched: UNMATCHED,
    OrderProgress: PROGRESS,
    OrderCreated: CREATED,
    OrderFailed: FAILED,
}


class ShownShops:
    """Shops whose variants the test names; ``trouble`` is raised instead of an answer."""

    def __init__(self) -> None:
        self.variants: list[FoundVariant] = []
        self.subscribed: list[str] = []
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> dict[str, list[FoundVariant]]:
        if self.trouble is not None:
            raise self.trouble
        assert len(skus) <= 50
        self.asked += skus
        return {sku: [one for one in self.variants if one.shopify_sku == sku.strip()] for sku in skus}

    async def search(self, connection: ConnectionChanged, text: str) -> list[FoundVariant]:
        if self.trouble is not None:
            raise self.trouble
        return [one for one in self.variants if text.lower() in f"{one.shopify_sku} {one.product_title}".lower()]

    def sell(self, *skus: str, status: str = "ACTIVE") -> None:
        """Have one more variant of each of these SKUs."""
        for sku in skus:
            number = len(self.variants) + 1
            self.variants.append(
                FoundVariant(
                    variant_id=f"gid://shopify/ProductVariant/{number}",
                    product_id=f"gid://shopify/Product/{number}",
                    shopify_sku=sku,
                    title="Default Title",
                    product_title=f"Invented {sku}",
                    status=status,
                )
            )

    async def keep_subscribed(self, connection: ConnectionChanged, base: str, path: str) -> int:
        if self.trouble is not None:
            raise self.trouble
        self.subscribed.append(f"{base} {path}")
        return 4


@dataclass
class Api:
    """What a test of the api works with."""

    store: Store[ApiUnit]
    runtime: Runtime[ApiUnit]
    client: httpx.AsyncClient
    shops: ShownShops
    desk: Desk

    async def take(self, *events: Event) -> None:
        """Hand events over in one batch, as Kafka would."""
        await self.runtime.process([record(event) for event in events])

    async def order(self, order_id: str = ORDER) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def record(event: Event) -> Received:
    if isinstance(event, MessageParked):
        return received(PARKED, event, event.order_id or event.parked_id, f"{event.parked_id}/{event.state}")
    if isinstance(event, CommandEnded):
        key = event.order_id or event.connection_id
        return received(COMMANDS_ENDED, event, key, f"{event.command_id}/{event.service}")
    if isinstance(event, ConnectionStatus):
        return received(CONNECTIONS_STATUS, event, f"{event.connection_id}:{event.service}", event.rev)
    assert isinstance(event, Fact)
    return received(TOPIC_OF[type(event)], event, event.order_id)


async def migrated(url: str) -> None:
    async with open_engine(url, schema="api") as engine:
        for migrations in (vault.MIGRATIONS, budget.MIGRATIONS, MIGRATIONS):
            await upgrade(engine, migrations)


async def emptied(url: str) -> None:
    """Every table of the api's schema and of the vault, as after the migrations."""
    async with open_engine(url, schema="api") as engine, engine.begin() as connection:
        found = await connection.execute(
            text("""
                select format('%I.%I', schemaname, tablename) from pg_tables
                where schemaname in ('api', 'vault') and tablename <> 'alembic_version'
            """)
        )
        # Only those that were written to: truncating one makes new files for it and its indexes.
        written = " union all ".join(f"select '{name}' where exists (select 1 from {name})" for name in found.scalars())
        if names := (await connection.execute(text(written))).scalars().all():
            await connection.execute(text(f"truncate {', '.join(names)} restart identity"))


@asynccontextmanager
async def open_api(url: str) -> AsyncIterator[Api]:
    """Over a database that is migrated."""
    async with open_engine(url, schema="api") as engine:
        store = open_store(engine, Vault(MasterKeys.parse(MASTER_KEY)), CLOCK)
        shops = ShownShops()
        desk = Desk(store, shops, test_wait_s=1.0)
        await install_admin_key(desk, ADMIN_KEY)
        transport = httpx.ASGITransport(create_app(desk), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example", headers=headers) as client:
            yield Api(store, open_runtime(store), client, shops, desk)


@asynccontextmanager
async def working(api: Api, desk: Desk | None = None) -> AsyncIterator[None]:
    """The api's workers at their due work."""
    async with open_session_locks(api.store.engine) as locks:
        stop = asyncio.Event()
        workers = open_workers(api.store, locks, api.runtime, desk or api.desk)
        running = asyncio.create_task(workers.run(stop))
        try:
            yield
        finally:
            await end(stop, [running])


def parked(state: str = "parked", parked_id: str = "p1", **more: Any) -> MessageParked:
    values: dict[str, Any] = {
        "parked_id": parked_id,
        "service": "creator",
        "state": state,
        "order_id": ORDER,
        "connection_id": "main",
        "origin": MATCHED,
        "partition": 3,
        "offset": 17,
        "reason": "not of the form promised",
        "at": datetime(2026, 11, 20, 12, 5, tzinfo=UTC),
    }
    return MessageParked.model_validate(values | more)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem, which must be of that status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    said: dict[str, Any] = answer.json()
    assert (said["code"], said["type"], said["status"]) == (code, f"/problems/{code}", status)
    return said


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["order_id"] for item in items]
