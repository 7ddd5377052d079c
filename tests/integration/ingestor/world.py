"""An ingestor over a real database and the Amazon stand-in in this process, and ways to see what it made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from orderbridge import budget, vault
from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.errors import Transient
from orderbridge.events import BackfillAsked, Command, ConnectionChanged
from orderbridge.http import Http, open_http
from orderbridge.postgres import open_engine, open_session_locks, upgrade
from orderbridge.settings import load_settings
from orderbridge.shopify.order_input import PersonalData
from orderbridge.topics import COMMANDS, COMMANDS_ENDED, CONNECTIONS, CONNECTIONS_STATUS, IMPORTED, PARKED
from orderbridge.vault import MasterKeys, Vault
from orderbridge_ingestor.app import Ingestor, wire
from orderbridge_ingestor.migrations import MIGRATIONS
from orderbridge_ingestor.settings import Settings
from orderbridge_standins.amazon import create_app
from orderbridge_standins.amazon.world import World as AmazonWorld
from tests.support.facts import at
from tests.support.step import MASTER_KEY, end, published, received, rows, until

SELLER = "A1ORDERBRIDGE"
US = "ATVPDKIKX0DER"
SECRETS = {
    "client_id": "amzn1.application-oa2-client.demo",
    "client_secret": "demo-secret",
    "refresh_token": "Atzr|demo",
}


def settings_of(database_url: str) -> Settings:
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_AMAZON_URL": "http://127.0.0.1",
        "ORDERBRIDGE_LWA_URL": "http://127.0.0.1",
    }
    return load_settings(Settings, environment)


@dataclass
class World:
    ingestor: Ingestor
    vault: Vault
    settings: Settings
    http: Http
    engine: Any
    amazon: AmazonWorld
    control_http: httpx.AsyncClient

    # --- handing it things

    async def add_connection(
        self,
        name: str = "main",
        *,
        rev: int = 1,
        seller: str = SELLER,
        secrets: dict[str, str] | None = None,
        secrets_rev: int = 1,
        **settings: Any,
    ) -> ConnectionChanged:
        """Or change it, with a higher ``rev``; without ``import_from`` it takes in what is there already."""
        async with self.engine.begin() as connection:
            stored = json.dumps(secrets or SECRETS).encode()
            await self.vault.put(connection, "connections", f"{name}/amazon", stored)
        early = self.amazon.clock.now() - timedelta(days=2)
        event = ConnectionChanged(
            connection_id=name,
            rev=rev,
            check=rev,
            secrets_rev=secrets_rev,
            amazon=AmazonAccount(region="na", seller_id=seller, marketplace_ids=(US,)),
            shopify=ShopifyAccount(shop="shop.myshopify.com"),
            settings=ConnectionSettings.model_validate({"import_from": early, "poll_interval_s": 1} | settings),
            added_at=at(),
            at=at(),
        )
        await self.ingestor.runtime.process([received(CONNECTIONS, event, name, rev)])
        return event

    async def second_seller(self) -> dict[str, str]:
        """Another seller of the same application; returns the secrets."""
        secrets = SECRETS | {"refresh_token": "Atzr|second"}
        await self.control("sellers", {**secrets, "seller_id": "A2SECOND", "marketplace_ids": [US]})
        return secrets

    async def command(self, parked_id: str, order_id: str | None, command_id: str = "c1") -> None:
        event = Command(
            command_id=command_id,
            order_id=order_id,
            connection_id="main",
            mode="replay",
            actor="admin",
            at=at(),
            service="ingestor",
            parked_id=parked_id,
        )
        await self.ingestor.runtime.process([received(COMMANDS, event, order_id or "main", command_id)])

    async def refetch(self, order_id: str, command_id: str = "c1") -> None:
        event = Command(
            command_id=command_id,
            order_id=order_id,
            connection_id="main",
            mode="refetch",
            actor="admin",
            at=at(),
        )
        await self.ingestor.runtime.process([received(COMMANDS, event, order_id, command_id)])

    async def backfill(self, command_id: str = "c1", *, name: str = "main", **asked: Any) -> None:
        """Of a range, ``created_from`` and ``created_to``, or of ``amazon_order_ids``."""
        event = Command(
            command_id=command_id,
            connection_id=name,
            mode="backfill",
            actor="admin",
            at=at(),
            backfill=BackfillAsked.model_validate(asked),
        )
        await self.ingestor.runtime.process([received(COMMANDS, event, name, command_id)])

    # --- Amazon's side

    async def control(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        answer = await self.control_http.request(method, f"/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def generate(
        self, profile: dict[str, Any] | None = None, *, seller: str = SELLER, seed: int = 7
    ) -> list[str]:
        asked = {"seller_id": seller, "seed": seed, "catalogue_seed": 1, "catalogue_variants": 60}
        made = await self.control("orders/generate", asked | {"profile": profile or {"unshipped": 1}})
        ids: list[str] = made["order_ids"]
        return ids

    async def patch(self, amazon_order_id: str, patch: dict[str, Any]) -> None:
        """Merge into an order, at a time that the next window reaches."""
        changed = {"lastUpdatedTime": self.stamp(-240)} | patch
        await self.control(f"orders/{SELLER}/{amazon_order_id}", changed, method="PATCH")

    async def order(self, amazon_order_id: str) -> dict[str, Any]:
        stored = self.amazon.orders_of(SELLER).get(amazon_order_id)
        assert stored is not None
        return stored

    def stamp(self, seconds: float) -> str:
        moment: datetime = self.amazon.clock.now() + timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def trouble(self, kind: str, operation: str = "searchOrders", times: int = 1, **more: Any) -> None:
        await self.control("trouble", {"operation": operation, "kind": kind, "times": times, **more})

    async def calls(self, operation: str | None = "searchOrders") -> list[dict[str, Any]]:
        ledger = await self.control("ledger", method="GET")
        return [call for call in ledger["calls"] if operation in (None, call["operation"])]

    # --- seeing what it made of them

    async def imports(self) -> list[dict[str, Any]]:
        return await published(self.ingestor.store, IMPORTED)

    async def newest(self, order_id: str) -> dict[str, Any]:
        return [fact for fact in await self.imports() if fact["order_id"] == order_id][-1]

    async def parked(self) -> list[dict[str, Any]]:
        return await published(self.ingestor.store, PARKED)

    async def statuses(self, name: str = "main") -> list[dict[str, Any]]:
        return [
            each for each in await published(self.ingestor.store, CONNECTIONS_STATUS) if each["connection_id"] == name
        ]

    async def ends(self) -> list[dict[str, Any]]:
        return await published(self.ingestor.store, COMMANDS_ENDED)

    async def watermark(self, name: str = "main") -> datetime | None:
        found = await rows(self.ingestor.store, "select watermark from polls where connection_id = :id", id=name)
        return found[0]["watermark"] if found else None

    async def personal(self, order_id: str) -> PersonalData | None:
        async with self.engine.connect() as connection:
            stored = await self.vault.get(connection, "orders", order_id)
        return PersonalData.from_bytes(stored) if stored is not None else None

    # --- running it

    async def poll_in_the_end(self, connection: ConnectionChanged) -> None:
        """Poll until it succeeds, waiting as long as is asked for."""
        for _ in range(5):
            try:
                await self.ingestor.poller.poll(connection)
                return
            except Transient as error:
                await asyncio.sleep(error.retry_after_s or 0)
        raise AssertionError("it never succeeded")

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """Its pollers, stopped at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.ingestor.pollers.run(stop))
        try:
            yield
        finally:
            await end(stop, [task])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Its workers, stopped at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.ingestor.workers.run(stop))
        try:
            yield
        finally:
            await end(stop, [task])

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[World]:
        """Another process's ingestor on the same database: its own sessions, its own locks."""
        address = self.settings.database_url.get_secret_value()
        async with (
            open_engine(address, schema="ingestor") as engine,
            open_session_locks(engine) as locks,
            open_session_locks(engine) as poll_locks,
        ):
            ingestor = wire(engine, self.vault, locks, poll_locks, self.http, self.settings)
            yield World(ingestor, self.vault, self.settings, self.http, engine, self.amazon, self.control_http)

    async def comes_to(self, what: str, true: Any, within_s: float = 15.0) -> Any:
        return await until(true, within_s=within_s, what=what)


async def migrate(database_url: str) -> None:
    async with open_engine(database_url, schema="ingestor") as engine:
        for migrations in (vault.MIGRATIONS, budget.MIGRATIONS, MIGRATIONS):
            await upgrade(engine, migrations)


@asynccontextmanager
async def open_world(database_url: str) -> AsyncIterator[World]:
    """On a migrated database, with quota enough."""
    settings = settings_of(database_url)
    keys = Vault(MasterKeys.parse(MASTER_KEY))
    amazon = AmazonWorld()
    app: Any = create_app(amazon)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(database_url, schema="ingestor"))
        http = await stack.enter_async_context(open_http(asgi=app))
        control = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://amazon.example")
        )
        locks = await stack.enter_async_context(open_session_locks(engine))
        poll_locks = await stack.enter_async_context(open_session_locks(engine))
        ingestor = wire(engine, keys, locks, poll_locks, http, settings)
        world = World(ingestor, keys, settings, http, engine, amazon, control)
        for operation in ("searchOrders", "getOrder"):
            await world.control("limits", {"operation": operation, "rate": 100, "burst": 10000})
        yield world
