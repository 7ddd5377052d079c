"""What a service says of itself: alive, ready, and how much waits in its tables."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import text

from ..kafka import Consumer
from ..postgres import is_transient
from ..telemetry import CONSUMER_LAG, DUE_ROWS, OUTBOX_ROWS, PARKED_ROWS
from .runtime import Runtime
from .unit import Store

STILL_S = 120.0
"""A consumer loop that has not turned for so long hangs: the process is to be restarted."""

_BACKLOG = text("""
    select (select count(*) from outbox) as outbox,
           (select count(*) from parked where state = 'parked') as parked,
           (select coalesce(jsonb_object_agg(kind, n), '{}')
            from (select kind, count(*) as n from due group by kind) as kinds) as due
""")


class Health:
    """The three answers of a service, for ``web.health_routes``."""

    def __init__(self, store: Store[Any], runtime: Runtime[Any], consumer: Consumer) -> None:
        self._store = store
        self._runtime = runtime
        self._consumer = consumer

    async def live(self) -> str | None:
        """A loop that fails ends the process; one that hangs is seen here."""
        still = asyncio.get_running_loop().time() - self._runtime.turned_at
        return f"the consumer has not turned for {still:.0f} s" if still > STILL_S else None

    async def ready(self) -> str | None:
        """The set-up was checked at the start; a blocked connection does not unready a service."""
        try:
            async with self._store.engine.connect() as connection:
                await connection.execute(text("select 1"))
        except Exception as error:
            if is_transient(error):
                return "the database cannot be reached"
            raise
        return None if self._consumer.joined() else "the consumer group has not given us our partitions yet"

    async def measure(self) -> None:
        """Set the gauges."""
        async with self._store.engine.connect() as connection:
            row = (await connection.execute(_BACKLOG)).mappings().one()
        service = self._store.service
        OUTBOX_ROWS.labels(service).set(row["outbox"])
        PARKED_ROWS.labels(service).set(row["parked"])
        due = json.loads(row["due"]) if isinstance(row["due"], str) else row["due"]
        DUE_ROWS.clear()
        for kind, count in due.items():
            DUE_ROWS.labels(service, kind).set(count)
        CONSUMER_LAG.labels(service).set(await self._consumer.lag())
