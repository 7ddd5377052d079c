"""Wiring: what the ingestor consists of, how it is opened, and the only place that reads the time."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from orderbridge.errors import Transient
from orderbridge.events import Command, ConnectionChanged, OrderImported
from orderbridge.http import Http, open_http
from orderbridge.outbox import Relay
from orderbridge.postgres import SessionLocks, is_transient, open_engine, open_session_locks
from orderbridge.process import open_service, run_loops
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
from orderbridge.step.connections import CHECK, SET_ASIDE
from orderbridge.step.replay import REPLAY, Replayer
from orderbridge.step.unit import DueRow
from orderbridge.topics import COMMANDS, COMMANDS_ENDED, CONNECTIONS, CONNECTIONS_STATUS, IMPORTED, PARKED
from orderbridge.vault import MasterKeys, Vault
from orderbridge.web import health_app, listen, serve_http

from .adapters.amazon import AmazonClient
from .adapters.store import IngestorUnit, WatchedConnections
from .migrations import MIGRATIONS
from .ports import REFETCH, RESCAN, SCAN, SILENT
from .settings import Settings
from .steps.commands import take_commands
from .steps.connecting import ConnectionWatch, take_settings
from .steps.pollers import Pollers
from .steps.polling import Poller
from .steps.refetching import Refetching
from .steps.replaying import Replaying
from .steps.reports import Reports
from .steps.scanning import Scanning
from .steps.silent import SilentOrders

READS = (CONNECTIONS, COMMANDS)
WRITES = (IMPORTED, CONNECTIONS_STATUS, PARKED, COMMANDS_ENDED)


@dataclass(frozen=True)
class Ingestor:
    """The ingestor over an open database and a way to Amazon; its loops are the caller's to run."""

    store: Store[IngestorUnit]
    runtime: Runtime[IngestorUnit]
    workers: DueWorkers
    poller: Poller
    pollers: Pollers


def wire(
    engine: Any, vault: Vault, locks: SessionLocks, poll_locks: SessionLocks, http: Http, settings: Settings
) -> Ingestor:
    """``poll_locks`` is a session of its own: who has it polls, however the other work goes."""
    store = Store(engine, "ingestor", vault, partial(datetime.now, UTC), IngestorUnit)
    amazon = AmazonClient(
        http,
        engine,
        vault,
        amazon_url=settings.orderbridge_amazon_url,
        lwa_url=settings.orderbridge_lwa_url,
        monotonic=time.monotonic,
    )
    connections = Connections(store, amazon.try_vendor, ConnectionWatch())
    watched = WatchedConnections(store, connections)
    reports = Reports(store, amazon, time.monotonic)
    poller = Poller(store, amazon, is_transient)
    scanning = Scanning(store, amazon, reports, is_transient)
    runtime = Runtime(
        store,
        [
            Handler[ConnectionEvent, IngestorUnit](CONNECTIONS, ConnectionChanged, take_settings, removed),
            Handler(COMMANDS, Command, take_commands),
        ],
    )

    async def check(row: DueRow) -> None:
        await connections.check(row)
        with suppress(Transient):  # the check itself is answered
            await reports.again(row.connection_id)

    workers = DueWorkers(
        store,
        locks,
        connections,
        {
            CHECK: check,
            SET_ASIDE: runtime.take_set_aside,
            REFETCH: Refetching(store, amazon).refetch,
            SCAN: scanning.scan,
            RESCAN: scanning.begin_rescan,
            SILENT: SilentOrders(store, amazon, is_transient).read_again,
            REPLAY: Replaying(store, amazon, watched, Replayer(store, runtime).replay).replay,
        },
    )
    pollers = Pollers(poller, reports, watched, poll_locks, monotonic=time.monotonic, may_pass=is_transient)
    return Ingestor(store, runtime, workers, poller, pollers)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; what opens here closes here, in reverse order."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            open_service(settings, "ingestor", MIGRATIONS, reads=READS, writes=WRITES)
        )
        listener = listen("0.0.0.0", settings.orderbridge_health_port, "ORDERBRIDGE_HEALTH_PORT")  # noqa: S104
        poll_locks = await stack.enter_async_context(open_session_locks(opened.engine))
        http = await stack.enter_async_context(open_http())
        ingestor = wire(opened.engine, opened.vault, opened.locks, poll_locks, http, settings)
        health = Health(ingestor.store, ingestor.runtime, opened.consumer)
        await run_loops(
            stop,
            {
                "consume": ingestor.runtime.run(opened.consumer, stop),
                "poll": ingestor.pollers.run(stop),
                "relay": Relay(ingestor.store, opened.producer).run(stop),
                "work": ingestor.workers.run(stop),
                "locks": opened.locks.watch(stop),
                "poll locks": poll_locks.watch(stop),
                "health": serve_http(health_app(health.live, health.ready, health.measure), listener, stop),
            },
        )


async def republish(settings: Settings) -> int:
    """Publish every order's newest fact again, as the same event, with the next run; returns how many."""
    vault = Vault(MasterKeys.parse(settings.orderbridge_master_key.get_secret_value()))
    async with open_engine(settings.database_url.get_secret_value(), schema=MIGRATIONS.schema) as engine:
        store = Store(engine, "ingestor", vault, partial(datetime.now, UTC), IngestorUnit)
        return await republish_facts(store, lambda fact: (IMPORTED, OrderImported.model_validate_json(fact)))
