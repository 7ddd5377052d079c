"""The api, wired: the only place that opens things and reads the time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI

from orderbridge.budget import Budget
from orderbridge.errors import Blocked
from orderbridge.events import (
    CommandEnded,
    ConnectionChanged,
    ConnectionStatus,
    MessageParked,
    OrderCreated,
    OrderFailed,
    OrderImported,
    OrderMatched,
    OrderProgress,
    OrderUnmatched,
)
from orderbridge.http import Http, open_http
from orderbridge.outbox import Relay
from orderbridge.postgres import SessionLocks, is_refused, is_transient, open_engine
from orderbridge.process import open_service, run_loops
from orderbridge.shopify import Shopify, ShopKeys
from orderbridge.step import Connections, DueWorkers, Handler, Health, Runtime, Store
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
    SKU_MAPPINGS,
    STATUS,
    UNMATCHED,
)
from orderbridge.vault import MasterKeys, Vault
from orderbridge.web import health_routes, listen, serve_http

from .actions import (
    RETRIES,
    SUBSCRIBE,
    Desk,
    install_admin_key,
    keep_subscribed,
    publish_mapping,
    subscribe_all,
    work_off,
)
from .adapters.shop import Shops
from .adapters.store import ApiUnit, open_store
from .domain.mappings import MappingFilter
from .domain.problems import Problem
from .migrations import MIGRATIONS
from .projection import fold, fold_parked, mind_stuck_orders, rebuild
from .routes import create_application
from .settings import Settings
from .steps import end_commands, note_statuses

log = structlog.get_logger(__name__)

WRITES = (COMMANDS, CONNECTIONS, SKU_MAPPINGS, SHOP_CHANGES, STATUS, PARKED, COMMANDS_ENDED)
CLOCK = partial(datetime.now, UTC)
_CLOCK_S = 5.0
_ANSWERS_KEPT = timedelta(days=7)
_WEBHOOKS_KEPT = timedelta(days=7)
"""Shopify repeats a webhook for hours, not for days."""


def handlers() -> list[Handler]:  # type: ignore[type-arg]  # one list for events of many kinds
    return [
        Handler(IMPORTED, OrderImported, fold(IMPORTED)),
        Handler(MATCHED, OrderMatched, fold(MATCHED)),
        Handler(UNMATCHED, OrderUnmatched, fold(UNMATCHED)),
        Handler(PROGRESS, OrderProgress, fold(PROGRESS)),
        Handler(CREATED, OrderCreated, fold(CREATED)),
        Handler(FAILED, OrderFailed, fold(FAILED)),
        Handler(COMMANDS_ENDED, CommandEnded, end_commands),
        Handler(CONNECTIONS_STATUS, ConnectionStatus, note_statuses),
        Handler(PARKED, MessageParked, fold_parked),
    ]


READS = tuple(handler.topic for handler in handlers())
TOPICS = tuple(dict.fromkeys((*READS, *WRITES)))


def open_runtime(store: Store[ApiUnit]) -> Runtime[ApiUnit]:
    # It owns the connections: no event of one that is unknown here has to wait.
    return Runtime(store, handlers(), knows_all_connections=True)


def explain(error: Exception) -> Problem:
    """What a caller is told of an error that no action expects."""
    if is_transient(error):
        return Problem(503, "unavailable", "The database cannot be reached.", remedy="Try again in a moment.")
    if is_refused(error):
        return Problem(422, "invalid_request", "A value cannot be stored.", remedy="Leave out control characters.")
    return Problem(500, "internal_error", "Something went wrong here.", remedy="Look into the api's log.")


def create_app(desk: Desk) -> FastAPI:
    """The REST application over a desk."""
    app = create_application()
    app.state.desk = desk
    app.state.explain = explain
    return app


def create_app_for_docs() -> FastAPI:
    """The application without anything behind it, for its ``openapi()``."""
    return create_application()


@dataclass(frozen=True)
class Api:
    """The api over an open database; its loops are the caller's to run."""

    store: Store[ApiUnit]
    runtime: Runtime[ApiUnit]
    workers: DueWorkers
    desk: Desk
    app: FastAPI


def wire(engine: Any, vault: Vault, locks: SessionLocks, http: Http, settings: Settings) -> Api:
    store = open_store(engine, vault, CLOCK)
    client = Shopify(http, Budget(engine), base_url=settings.orderbridge_shopify_url)
    runtime = open_runtime(store)
    shops = Shops(client, ShopKeys(client, store.secret))
    desk = Desk(store, shops, public_url=settings.orderbridge_public_url)
    return Api(store, runtime, open_workers(store, locks, runtime, desk), desk, create_app(desk))


def open_workers(store: Store[ApiUnit], locks: SessionLocks, runtime: Runtime[ApiUnit], desk: Desk) -> DueWorkers:
    handlers = {
        REPLAY: Replayer(store, runtime).replay,
        RETRIES: work_off(desk),
        SUBSCRIBE: keep_subscribed(desk),
    }
    return DueWorkers(store, locks, Connections(store, _no_vendor, _Nothing()), handlers)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; what opens here closes here, in reverse order."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_service(settings, "api", MIGRATIONS, reads=READS, writes=WRITES))
        http = await stack.enter_async_context(open_http())
        api = wire(opened.engine, opened.vault, opened.locks, http, settings)
        await install_admin_key(api.desk, settings.orderbridge_admin_key.get_secret_value())
        await subscribe_all(api.desk)
        health = Health(api.store, api.runtime, opened.consumer)
        api.app.include_router(health_routes(health.live, health.ready, health.measure))
        listener = listen("0.0.0.0", settings.orderbridge_api_port, "ORDERBRIDGE_API_PORT")  # noqa: S104 - a container
        log.info("serving", port=listener.getsockname()[1])
        await run_loops(
            stop,
            {
                "runtime": api.runtime.run(opened.consumer, stop),
                "relay": Relay(api.store, opened.producer).run(stop),
                "workers": api.workers.run(stop),
                "locks": opened.locks.watch(stop),
                "clock": mind_the_clock(api.store, stop),
                "http": serve_http(api.app, listener, stop),
            },
        )


async def mind_the_clock(store: Store[ApiUnit], stop: asyncio.Event) -> None:
    """What only time changes: orders that are stuck, answers that need not be kept any more."""
    while not stop.is_set():
        try:
            while True:
                async with store.transaction() as unit:
                    if not await mind_stuck_orders(unit):
                        break
            async with store.transaction() as unit:
                await unit.forget_answers(unit.now - _ANSWERS_KEPT)
                await unit.forget_webhooks(unit.now - _WEBHOOKS_KEPT)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("the clock waits for the database", why=type(error).__name__)
        try:
            await asyncio.wait_for(stop.wait(), _CLOCK_S)
        except TimeoutError:
            continue


async def republish(settings: Settings) -> int:
    """Rebuild every order from the kept facts and publish it again, and every connection and mapping."""
    async with open_engine(settings.database_url.get_secret_value(), schema=MIGRATIONS.schema) as engine:
        keys = MasterKeys.parse(settings.orderbridge_master_key.get_secret_value())
        return await republish_all(open_store(engine, Vault(keys), CLOCK))


async def republish_all(store: Store[ApiUnit]) -> int:
    published = 0
    after = ""
    while True:
        async with store.transaction() as unit:
            order_ids = await rebuild(unit, after)
        if not order_ids:
            break
        published += len(order_ids)
        after = order_ids[-1]
    after = ""
    while True:
        async with store.transaction() as unit:
            stored = await unit.stored_connections(after, 500)
            for connection in stored:
                changed = connection.changed
                unit.publish(CONNECTIONS, changed.connection_id, changed.rev, changed)
        if not stored:
            break
        published += len(stored)
        after = stored[-1].changed.connection_id
    return published + await republish_removed(store) + await republish_mappings(store)


async def republish_removed(store: Store[ApiUnit]) -> int:
    """Who missed the tombstone of a connection must hear of it."""
    published, after = 0, ""
    while True:
        async with store.transaction() as unit:
            removed = await unit.removed_connections(after, 500)
            for connection in removed:
                unit.publish(CONNECTIONS, connection.changed.connection_id, connection.changed.rev, None)
        if not removed:
            return published
        published += len(removed)
        after = removed[-1].changed.connection_id


async def republish_mappings(store: Store[ApiUnit]) -> int:
    """The deleted ones, too: who missed a tombstone must hear of it."""
    published, after = 0, ("", "")
    while True:
        async with store.transaction() as unit:
            stored = await unit.list_mappings(MappingFilter(), after, 1000, deleted=True)
            for each in stored:
                publish_mapping(unit, each)
        if not stored:
            return published
        published += len(stored)
        after = (stored[-1].mapping.connection_id, stored[-1].mapping.amazon_sku)


class _Nothing:
    """The api works with no vendor: no connection is ever blocked for it."""

    async def blocked(self, connection_id: str, why: Blocked, unit: ApiUnit) -> None: ...

    async def restored(self, connection_id: str, unit: ApiUnit) -> None: ...


async def _no_vendor(connection: ConnectionChanged) -> None: ...
