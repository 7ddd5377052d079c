"""Workers for due rows: nearest ship-by first, fair per connection, never two at one row, none lost with a worker.

A row is taken by writing the worker's number into it; the number is an advisory lock of the worker's session.
When the session ends, however it ends, the rows are free at once; a paused worker keeps them.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import text

from ..errors import Blocked, Permanent, SessionLost, Transient
from ..postgres import SessionLocks, is_refused, is_transient
from ..telemetry import DUE_WORK
from .connections import CHECK, REPLAY, Connections
from .parking import described, park_work
from .unit import DueRow, Store

log = structlog.get_logger(__name__)

TRIES = 5
"""How often work may fail by a bug before it is parked."""
_POLL_S = 0.2
_SWEEP_S = 1.0
_LONGEST_WAIT_S = 60.0

# Connections are found by hopping through the index from one to the next; each then gives its nearest rows.
_CLAIM = text("""
    with recursive names (connection_id) as (
        (select connection_id from due order by connection_id limit 1)
        union all
        select (select due.connection_id from due where due.connection_id > names.connection_id
                order by due.connection_id limit 1)
        from names where names.connection_id is not null
    ),
    running as (
        select * from unnest(cast(:busy_names as text[]), cast(:busy as integer[])) as busy (connection_id, running)
    ),
    chosen as (
        select row.id from names
        left join running using (connection_id)
        left join connections using (connection_id)
        cross join lateral (
            select id from due
            where due.connection_id = names.connection_id and taken_by is null and run_at <= now()
              and kind = any(cast(:kinds as text[]))
              and (coalesce(connections.state, 'ok') = 'ok' or kind = any(cast(:always as text[])))
            order by ship_by nulls last, id
            limit greatest(cast(:each as integer) - coalesce(running.running, 0), 0)
            for update of due skip locked
        ) as row
        limit cast(:room as integer)
    )
    update due set taken_by = :worker from chosen where due.id = chosen.id
    returning due.id, version, kind, key, connection_id, payload, ship_by, cause_source, cause_seq, command_id,
              tries, waits
""")

_SWEEP = text("""
    update due set taken_by = null where taken_by is not null and taken_by not in (
        select (cast(classid as bigint) << 32) | cast(objid as bigint) from pg_locks
        where locktype = 'advisory' and objsubid = 1 and granted
    )
""")


class DueWorkers:
    """Runs due work of some kinds, so many at once, and at most ``each`` of one connection."""

    def __init__(
        self,
        store: Store[Any],
        locks: SessionLocks,
        connections: Connections,
        handlers: Mapping[str, Callable[[DueRow], Awaitable[None]]],
        *,
        at_once: int = 16,
        each: int = 6,
    ) -> None:
        self._store = store
        self._locks = locks
        self._connections = connections
        self._handlers = {CHECK: connections.check, **handlers}
        self._at_once = at_once
        self._each = each
        self._running: dict[asyncio.Task[None], DueRow] = {}
        self._worker = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; then what is running is finished. Ends with ``SessionLost`` when the locks are gone."""
        self._worker = await self._enlist()
        swept = 0.0
        while not stop.is_set():
            now = asyncio.get_running_loop().time()
            try:
                if now - swept > _SWEEP_S:
                    await self._sweep()
                    swept = now
                self._store.due_written.clear()
                for row in await self._claim():
                    task = asyncio.create_task(self._work(row))
                    self._running[task] = row
            except Exception as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(_POLL_S)
            await self._wait(stop)
        if self._running:
            await asyncio.gather(*self._running)

    async def _enlist(self) -> int:
        """Take a number that is locked for as long as our session lives."""
        number = secrets.randbits(62)
        await self._locks.lock_number(number)
        return number

    async def _sweep(self) -> None:
        async with self._store.engine.begin() as connection:
            await connection.execute(_SWEEP)

    async def _claim(self) -> list[DueRow]:
        room = self._at_once - len(self._running)
        if room <= 0:
            return []
        busy = Counter(row.connection_id for row in self._running.values())
        async with self._store.engine.begin() as connection:
            found = await connection.execute(
                _CLAIM,
                {
                    "busy_names": list(busy),
                    "busy": list(busy.values()),
                    "kinds": list(self._handlers),
                    "always": [CHECK, REPLAY],
                    "each": self._each,
                    "room": room,
                    "worker": self._worker,
                },
            )
            return [DueRow(**row) for row in found.mappings()]

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until there may be something to do: work was scheduled or ended, or a moment has passed."""
        woken = asyncio.create_task(self._store.due_written.wait())
        stopped = asyncio.create_task(stop.wait())
        room = len(self._running) < self._at_once
        waiting: set[asyncio.Task[Any]] = {stopped, *self._running} | ({woken} if room else set())
        await asyncio.wait(waiting, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        stopped.cancel()
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            task.result()

    async def _work(self, row: DueRow) -> None:
        """One row, to its end or to its next time; only a lost session leaves as an error."""
        try:
            await self._handlers[row.kind](row)
            DUE_WORK.labels(self._store.service, row.kind, "done").inc()
        except SessionLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not take the other work down
            await self._after(row, error)

    async def _after(self, row: DueRow, error: Exception) -> None:
        while True:
            try:
                await self._settle(row, error)
                return
            except Exception as trouble:
                # The database is away: the row stays ours until it is back.
                if not is_transient(trouble):
                    raise
                await asyncio.sleep(_POLL_S)

    async def _settle(self, row: DueRow, error: Exception) -> None:
        if isinstance(error, Blocked):
            outcome = "blocked"
            await self._connections.block(row, error)
        elif isinstance(error, Transient) or is_transient(error):
            outcome = "postponed"
            asked = error.retry_after_s if isinstance(error, Transient) else None
            async with self._store.transaction() as unit:
                await unit.postpone(row, asked if asked is not None else _backoff(row.waits))
        elif isinstance(error, Permanent) or is_refused(error) or row.tries + 1 >= TRIES:
            outcome = "parked"
            async with self._store.transaction() as unit:
                await park_work(unit, row, error)
        else:
            outcome = "failed"
            async with self._store.transaction() as unit:
                await unit.postpone(row, 0.2 * 2.0**row.tries, tries=row.tries + 1)
        DUE_WORK.labels(self._store.service, row.kind, outcome).inc()
        log.warning(
            "due work did not end",
            kind=row.kind,
            key=row.key,
            outcome=outcome,
            why=described(error),
            trace=frames_of(error) if outcome in ("parked", "failed") else None,
        )


def _backoff(waits: int) -> float:
    """Full jitter under a doubling bound."""
    return random.uniform(0.1, min(_LONGEST_WAIT_S, 0.5 * 2.0 ** min(waits, 10)))  # noqa: S311 - not for secrets


def frames_of(error: BaseException) -> list[str]:
    """Where it happened, without the message: that could hold a value of somebody's order."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames
