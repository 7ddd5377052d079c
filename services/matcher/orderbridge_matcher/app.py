"""Wiring: what the matcher consists of, how it is opened, and the only place that reads the time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from orderbridge.budget import Budget
from orderbridge.events import Command, ConnectionChanged, ShopChanged, SkuMapping
from orderbridge.http import Http, open_http
from orderbridge.outbox import Relay
from orderbridge.postgres import SessionLocks, open_engine
from orderbridge.process import open_service, run_loops
from orderbridge.shopify import Shopify, ShopKeys
from orderbridge.step import (
    ConnectionEvent,
    Connections,
    DueWorkers,
    Handler,
    Health,
    Runtime,
    Store,
    removed,
    republish_facts,
)
from orderbridge.step.connections import SET_ASIDE
from orderbridge.step.replay import REPLAY, Replayer
from orderbridge.topics import (
    COMMANDS,
    COMMANDS_ENDED,
    CONNECTIONS,
    CONNECTIONS_STATUS,
    CREATED,
    IMPORTED,
    MATCHED,
    PARKED,
    SHOP_CHANGES,
    SKU_MAPPINGS,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Vault
from orderbridge.web import health_app, listen, serve_http

from .adapters.shop import Shops
from .adapters.store import MatcherUnit, published
from .domain.order import Created, Import
from .migrations import MIGRATIONS
from .ports import CATALOGUE, DECIDE, EXPORT, LOOK_UP, PRODUCT
from .settings import Settings
from .steps.arriving import (
    take_commands,
    take_connections,
    take_created,
    take_imports,
    take_mappings,
    take_shop_changes,
)
from .steps.exporting import Exporting
from .steps.looking import Looking
from .steps.reading import Reading
from .steps.watch import ConnectionWatch

READS = (CONNECTIONS, SKU_MAPPINGS, IMPORTED, CREATED, COMMANDS, SHOP_CHANGES)
WRITES = (MATCHED, UNMATCHED, COMMANDS_ENDED, SHOP_CHANGES, CONNECTIONS_STATUS, PARKED)


@dataclass(frozen=True)
class Matcher:
    """The matcher over an open database and a way to Shopify; its loops are the caller's to run."""

    store: Store[MatcherUnit]
    runtime: Runtime[MatcherUnit]
    workers: DueWorkers


def unmapped(key: str, rev: int) -> SkuMapping:
    """What the tombstone of a mapping says: from this revision on the Amazon SKU is mapped to nothing."""
    connection_id, _, amazon_sku = key.partition(":")
    return SkuMapping(connection_id=connection_id, amazon_sku=amazon_sku, rev=rev)


def wire(engine: Any, vault: Vault, locks: SessionLocks, http: Http, settings: Settings) -> Matcher:
    store = Store(engine, "matcher", vault, partial(datetime.now, UTC), MatcherUnit)
    client = Shopify(http, Budget(engine), base_url=settings.orderbridge_shopify_url)
    shops = Shops(client, ShopKeys(client, store.secret))
    runtime = Runtime(
        store,
        [
            Handler[ConnectionEvent, MatcherUnit](CONNECTIONS, ConnectionChanged, take_connections, removed),
            Handler(SKU_MAPPINGS, SkuMapping, take_mappings, removed=unmapped),
            Handler(IMPORTED, Import, take_imports),
            Handler(CREATED, Created, take_created),
            Handler(COMMANDS, Command, take_commands),
            Handler(SHOP_CHANGES, ShopChanged, take_shop_changes),
        ],
    )
    reading = Reading(store, shops)
    workers = DueWorkers(
        store,
        locks,
        Connections(store, shops.try_vendor, ConnectionWatch()),
        {
            EXPORT: Exporting(store, shops).export,
            CATALOGUE: reading.read,
            PRODUCT: reading.read_product,
            DECIDE: reading.decide,
            LOOK_UP: Looking(store, shops).look_up,
            SET_ASIDE: runtime.take_set_aside,
            REPLAY: Replayer(store, runtime).replay,
        },
    )
    return Matcher(store, runtime, workers)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; what opens here closes here, in reverse order."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            open_service(settings, "matcher", MIGRATIONS, reads=READS, writes=WRITES)
        )
        listener = listen("0.0.0.0", settings.orderbridge_health_port, "ORDERBRIDGE_HEALTH_PORT")  # noqa: S104
        http = await stack.enter_async_context(open_http())
        matcher = wire(opened.engine, opened.vault, opened.locks, http, settings)
        health = Health(matcher.store, matcher.runtime, opened.consumer)
        await run_loops(
            stop,
            {
                "consume": matcher.runtime.run(opened.consumer, stop),
                "relay": Relay(matcher.store, opened.producer).run(stop),
                "work": matcher.workers.run(stop),
                "locks": opened.locks.watch(stop),
                "health": serve_http(health_app(health.live, health.ready, health.measure), listener, stop),
            },
        )


async def republish(settings: Settings) -> int:
    """Publish every order's newest fact again, as the same event, with the next run; returns how many."""
    vault = Vault(MasterKeys.parse(settings.orderbridge_master_key.get_secret_value()))
    async with open_engine(settings.database_url.get_secret_value(), schema=MIGRATIONS.schema) as engine:
        store = Store(engine, "matcher", vault, partial(datetime.now, UTC), MatcherUnit)
        return await republish_facts(store, published)
