"""Wiring: what the creator consists of, how it is opened, and the only place that reads the time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from orderbridge.budget import Budget
from orderbridge.events import (
    Command,
    ConnectionChanged,
    OrderImported,
    OrderMatched,
    OrderUnmatched,
    ShopChanged,
)
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
    FAILED,
    IMPORTED,
    MATCHED,
    PARKED,
    PROGRESS,
    SHOP_CHANGES,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Vault
from orderbridge.web import health_app, listen, serve_http

from .adapters.shop import Shops
from .adapters.store import CreatorUnit, published
from .migrations import MIGRATIONS
from .ports import CANCEL, CREATE, HOLD, INSPECT, MOVE, REREAD, RESOLVE, RESTOCK
from .settings import Settings
from .steps.closing import Closing
from .steps.creating import Creating
from .steps.holding import Holding
from .steps.inspecting import Inspecting, take_shop_changes
from .steps.intake import take_commands, take_imports, take_matches
from .steps.moving import Moving
from .steps.restocking import Restocking
from .steps.watch import ConnectionWatch, take_settings

READS = (CONNECTIONS, IMPORTED, MATCHED, UNMATCHED, COMMANDS, SHOP_CHANGES)
WRITES = (PROGRESS, CREATED, FAILED, COMMANDS_ENDED, CONNECTIONS_STATUS, PARKED)


@dataclass(frozen=True)
class Creator:
    """The creator over an open database and a way to Shopify; its loops are the caller's to run."""

    store: Store[CreatorUnit]
    runtime: Runtime[CreatorUnit]
    workers: DueWorkers
    creating: Creating
    holding: Holding


def wire(engine: Any, vault: Vault, locks: SessionLocks, http: Http, settings: Settings) -> Creator:
    store = Store(engine, "creator", vault, partial(datetime.now, UTC), CreatorUnit)
    client = Shopify(http, Budget(engine), base_url=settings.orderbridge_shopify_url)
    shops = Shops(client, ShopKeys(client, store.secret), settings.orderbridge_shopify_deadline_s)
    connections = Connections(store, shops.try_vendor, ConnectionWatch())
    runtime = Runtime(
        store,
        [
            Handler[ConnectionEvent, CreatorUnit](CONNECTIONS, ConnectionChanged, take_settings, removed),
            Handler(IMPORTED, OrderImported, take_imports),
            Handler(MATCHED, OrderMatched, take_matches),
            Handler(UNMATCHED, OrderUnmatched, take_matches),
            Handler(COMMANDS, Command, take_commands),
            Handler(SHOP_CHANGES, ShopChanged, take_shop_changes),
        ],
    )
    creating = Creating(store, locks, shops, settings.orderbridge_settle_s, settings.orderbridge_stock_reread_s)
    closing = Closing(store, locks, shops)
    holding = Holding(store, locks, shops, settings.orderbridge_stock_reread_s)
    restocking = Restocking(store, shops, settings.orderbridge_stock_reread_s)
    workers = DueWorkers(
        store,
        locks,
        connections,
        {
            CREATE: creating.create,
            RESOLVE: closing.resolve,
            CANCEL: closing.cancel,
            HOLD: holding.hold,
            INSPECT: Inspecting(store, locks, shops).inspect,
            MOVE: Moving(store, locks, shops).move,
            RESTOCK: restocking.restock,
            REREAD: restocking.reread,
            SET_ASIDE: runtime.take_set_aside,
            REPLAY: Replayer(store, runtime).replay,
        },
        at_once=32,
        each=6,
    )
    return Creator(store, runtime, workers, creating, holding)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; what opens here closes here, in reverse order."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            open_service(settings, "creator", MIGRATIONS, reads=READS, writes=WRITES)
        )
        listener = listen("0.0.0.0", settings.orderbridge_health_port, "ORDERBRIDGE_HEALTH_PORT")  # noqa: S104
        http = await stack.enter_async_context(open_http())
        creator = wire(opened.engine, opened.vault, opened.locks, http, settings)
        health = Health(creator.store, creator.runtime, opened.consumer)
        await run_loops(
            stop,
            {
                "consume": creator.runtime.run(opened.consumer, stop),
                "relay": Relay(creator.store, opened.producer).run(stop),
                "work": creator.workers.run(stop),
                "locks": opened.locks.watch(stop),
                "health": serve_http(health_app(health.live, health.ready, health.measure), listener, stop),
            },
        )


async def republish(settings: Settings) -> int:
    """Publish every order's newest fact again, as the same event, with the next run; returns how many."""
    vault = Vault(MasterKeys.parse(settings.orderbridge_master_key.get_secret_value()))
    async with open_engine(settings.database_url.get_secret_value(), schema=MIGRATIONS.schema) as engine:
        store = Store(engine, "creator", vault, partial(datetime.now, UTC), CreatorUnit)
        return await republish_facts(store, published)
