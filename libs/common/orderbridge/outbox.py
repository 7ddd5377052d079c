"""The relay: publishes a service's outbox in order per key and deletes what is acknowledged. At least once.

One relay per service works at a time (a session advisory lock); the others stand by and take over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from .errors import SessionLost, Unavailable
from .kafka import Outgoing, Producer
from .postgres import is_transient, open_session_locks
from .step.unit import Store
from .telemetry import OUTBOX_PUBLISHED

log = structlog.get_logger(__name__)

BATCH = 2000
_POLL_S = 0.1
_TROUBLE_S = 0.5
_PRUNE_EVERY_S = 600.0
_INBOX_KEPT_DAYS = 31
"""Longer than any topic keeps a record: what has left the inbox cannot be delivered again."""


class Relay:
    """Publishes the outbox of one store."""

    def __init__(self, store: Store[Any], producer: Producer) -> None:
        self._store = store
        self._producer = producer
        self._pruned: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; waits out a broker or a database that is away."""
        while not stop.is_set():
            try:
                async with open_session_locks(self._store.engine) as locks:
                    while not stop.is_set() and not await locks.try_lock(f"relay:{self._store.service}"):
                        await _pause(stop, _TROUBLE_S)
                    while not stop.is_set():
                        await self._once(stop)
                        await locks.check()
            except (Unavailable, SessionLost) as error:
                log.warning("relay waits", why=str(error))
                await _pause(stop, _TROUBLE_S)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("relay waits for the database", why=type(error).__name__)
                await _pause(stop, _TROUBLE_S)

    async def _once(self, stop: asyncio.Event) -> None:
        self._store.outbox_written.clear()
        if await self.publish_batch() == 0:
            await self._prune()
            waiting = [asyncio.create_task(self._store.outbox_written.wait()), asyncio.create_task(stop.wait())]
            await asyncio.wait(waiting, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def publish_batch(self) -> int:
        """Publish the oldest rows and delete them; returns how many. Never by ``id >`` a cursor: ids are given
        before they are committed, so a lower one may appear later."""
        async with self._store.engine.connect() as connection:
            rows = await _oldest(connection)
            # No transaction stays open while Kafka is asked.
            await connection.rollback()
            if not rows:
                return 0
            service = self._store.service
            await self._producer.publish(
                [
                    Outgoing(topic, key, payload, ce_id, ce_time, service, traceparent, command_id)
                    for _, topic, key, ce_id, ce_time, payload, traceparent, command_id in rows
                ]
            )
            await connection.execute(
                text("delete from outbox where id = any(cast(:ids as bigint[]))"), {"ids": [row[0] for row in rows]}
            )
            await connection.commit()
        OUTBOX_PUBLISHED.labels(self._store.service).inc(len(rows))
        return len(rows)

    async def _prune(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._pruned is not None and now - self._pruned < _PRUNE_EVERY_S:
            return
        self._pruned = now
        async with self._store.engine.begin() as connection:
            await connection.execute(
                text("delete from inbox where seen_at < now() - make_interval(days => :days)"),
                {"days": _INBOX_KEPT_DAYS},
            )


async def _oldest(connection: AsyncConnection) -> list[Any]:
    found = await connection.execute(
        text(
            "select id, topic, key, ce_id, ce_time, payload, traceparent, command_id from outbox order by id limit :n"
        ),
        {"n": BATCH},
    )
    return list(found.all())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
