"""The life of a process: its command line, how it opens what it needs, runs its loops, and ends.

SIGTERM and SIGINT drain: loops finish what they hold, the consumer leaves the group, what was opened is closed in
reverse order. A mistake in the set-up is one line on standard error and exit code 2.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from . import budget, vault
from .errors import ConfigurationError, SessionLost
from .events import Service
from .kafka import Consumer, Producer, check_extension, check_topics, open_consumer, open_producer
from .postgres import Migrations, SessionLocks, check_schema, migrate, open_engine, open_session_locks, reach
from .settings import AdminDatabaseSettings, ServiceSettings, load_settings
from .telemetry import configure_logging
from .vault import MasterKeys, Vault

log = structlog.get_logger(__name__)

SHARED = (vault.MIGRATIONS, budget.MIGRATIONS)
_DRAIN_S = 45.0


@dataclass(frozen=True)
class Opened:
    """What every service works with, checked and open."""

    engine: Any
    vault: Vault
    locks: SessionLocks
    producer: Producer
    consumer: Consumer


async def check_setup(settings: ServiceSettings, own: Migrations, topics: Sequence[str]) -> None:
    """Everything that can be wrong before the first message: each mistake is a ``ConfigurationError``."""
    check_extension()
    keys = MasterKeys.parse(settings.orderbridge_master_key.get_secret_value())
    async with open_engine(settings.database_url.get_secret_value(), schema=own.schema, pool_size=1) as engine:
        await reach(engine)
        await check_schema(engine, (own, *SHARED), f"python -m orderbridge_{own.schema} migrate")
        async with engine.begin() as connection:
            await Vault(keys).check(connection)
    await check_topics(settings, topics)


@asynccontextmanager
async def open_service(
    settings: ServiceSettings, service: Service, own: Migrations, *, reads: Sequence[str], writes: Sequence[str]
) -> AsyncIterator[Opened]:
    """Check the set-up, then open database, vault, locks, producer and consumer; close them in reverse order."""
    await check_setup(settings, own, [*reads, *writes])
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(
            open_engine(
                settings.database_url.get_secret_value(), schema=own.schema, application=f"orderbridge-{service}"
            )
        )
        yield Opened(
            engine=engine,
            vault=Vault(MasterKeys.parse(settings.orderbridge_master_key.get_secret_value())),
            locks=await stack.enter_async_context(open_session_locks(engine)),
            producer=await stack.enter_async_context(open_producer(settings)),
            consumer=await stack.enter_async_context(open_consumer(settings, service, reads)),
        )


async def run_loops(stop: asyncio.Event, loops: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run them until ``stop``, then let each finish; the first that fails stops the others and is raised."""
    tasks = {asyncio.create_task(loop, name=name) for name, loop in loops.items()}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    errors = [error for task in done if (error := task.exception()) is not None]
    stop.set()
    if any(isinstance(error, SessionLost) for error in errors):
        # What we hold may be another's already: nothing is drained.
        for task in pending:
            task.cancel()
    elif pending:
        _, late = await asyncio.wait(pending, timeout=_DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    if errors:
        raise errors[0]


# --- command line


def command_line(
    service: Service,
    settings: type[ServiceSettings],
    own: Migrations,
    run: Callable[[Any, asyncio.Event], Awaitable[None]],
    topics: Sequence[str],
    republish: Callable[[Any], Awaitable[int]],
) -> None:
    """``python -m orderbridge_<service> run | migrate | check | republish``."""
    parser = argparse.ArgumentParser(prog=f"python -m orderbridge_{service}")
    parser.add_argument(
        "action",
        choices=("run", "migrate", "check", "republish"),
        help="run: serve until stopped; migrate: build or update the schema; check: is everything set up; "
        "republish: publish every order's newest fact again",
    )
    action = parser.parse_args().action
    try:
        if action == "migrate":
            sys.stdout.write(f"{asyncio.run(_migrate(service, own))}\n")
            return
        values = load_settings(settings)
        configure_logging(service, values.orderbridge_log_level)
        if action == "check":
            asyncio.run(check_setup(values, own, topics))
            sys.stdout.write(f"{service}: settings, database, schema, master key, Kafka and topics are in order\n")
        elif action == "republish":
            count = asyncio.run(_republish(values, own, topics, republish))
            sys.stdout.write(f"{service}: {count} facts go out again with the next run\n")
        else:
            asyncio.run(_serve(run, values))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except SessionLost as error:
        # Nothing that we hold is ours any more: no draining, no goodbye.
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)


async def _republish(
    values: ServiceSettings, own: Migrations, topics: Sequence[str], republish: Callable[[Any], Awaitable[int]]
) -> int:
    await check_setup(values, own, topics)
    return await republish(values)


async def _migrate(service: Service, own: Migrations) -> str:
    settings = load_settings(AdminDatabaseSettings)
    admin = settings.database_admin_url
    return await migrate(
        settings.database_url.get_secret_value(),
        admin.get_secret_value() if admin else None,
        own,
        SHARED,
        (*vault.GRANTS[service], *budget.GRANTS[service]),
    )


async def _serve(run: Callable[[Any, asyncio.Event], Awaitable[None]], settings: Any) -> None:
    # What is loaded by now stays. A batch makes some ten thousand objects that die with it: at Python's own
    # thresholds the collector walks them again and again, which costs a third of the api's fold.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await run(settings, stop)
    log.info("stopped")
