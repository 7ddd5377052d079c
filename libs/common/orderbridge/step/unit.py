"""One transaction: what it records, what it publishes, and what work becomes due with it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..events import CommandEnded, Event, Fact, Service
from ..ids import ce_id_of
from ..topics import COMMANDS_ENDED
from ..vault import Vault


@dataclass(frozen=True)
class Work:
    """A piece of due work, one per ``kind`` and ``key``; asked for again, it replaces its older asking.

    ``cause_source`` and ``cause_seq`` name the fact that made it due: if the work is parked, a newer fact of that
    source supersedes it. ``command_id`` is ended when the work is parked.
    """

    kind: str
    key: str
    connection_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    ship_by: datetime | None = None
    delay_s: float = 0.0
    """Seconds from now; infinite for work that waits to be released."""
    cause_source: str | None = None
    cause_seq: int | None = None
    command_id: str | None = None


@dataclass(frozen=True)
class DueRow:
    """Work that a worker has taken."""

    id: int
    version: int
    kind: str
    key: str
    connection_id: str
    payload: Mapping[str, Any]
    ship_by: datetime | None
    cause_source: str | None
    cause_seq: int | None
    command_id: str | None
    tries: int
    waits: int


class _OutboxRow(NamedTuple):
    topic: str
    key: str
    ce_id: str
    payload: bytes | None
    traceparent: str | None
    command_id: str | None


_PUBLISH = text("""
    insert into outbox (topic, key, ce_id, ce_time, payload, traceparent, command_id)
    select topic, key, ce_id, :at, payload, traceparent, command_id
    from unnest(cast(:topics as text[]), cast(:keys as text[]), cast(:ce_ids as text[]), cast(:payloads as bytea[]),
                cast(:traceparents as text[]), cast(:command_ids as text[])) with ordinality
        as new (topic, key, ce_id, payload, traceparent, command_id, n)
    order by n
""")

_SCHEDULE = text("""
    insert into due (kind, key, connection_id, payload, ship_by, run_at, cause_source, cause_seq, command_id)
    select kind, key, connection_id, cast(payload as jsonb), ship_by,
           case when delay = 'Infinity' then timestamptz 'infinity' else now() + make_interval(secs => delay) end,
           cause_source, cause_seq, command_id
    from unnest(cast(:kinds as text[]), cast(:keys as text[]), cast(:connections as text[]),
                cast(:payloads as text[]), cast(:ship_bys as timestamptz[]), cast(:delays as float8[]),
                cast(:sources as text[]), cast(:seqs as bigint[]), cast(:commands as text[]))
        as new (kind, key, connection_id, payload, ship_by, delay, cause_source, cause_seq, command_id)
    on conflict (kind, key) do update set
        payload = excluded.payload, ship_by = excluded.ship_by, run_at = excluded.run_at,
        cause_source = excluded.cause_source, cause_seq = excluded.cause_seq,
        command_id = coalesce(excluded.command_id, due.command_id),
        version = due.version + 1, tries = 0, waits = 0
""")


# Trace ids must differ, nobody must be kept from guessing them; the system's own source costs a call each.
_random_bits = random.Random().getrandbits  # noqa: S311


class Unit:
    """A transaction in progress. Services derive theirs from it and add what they load and record."""

    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        self.connection = connection
        self.service = service
        self.now = now
        self.vault = vault
        self.traces: dict[str, str] = {}
        """The W3C ``traceparent`` that came with each key's message: what follows from it carries it on."""
        self._outbox: list[_OutboxRow] = []
        self._due: dict[tuple[str, str], Work] = {}

    def publish(
        self, topic: str, key: str, n: int | str, event: Event | None, *, command_id: str | None = None
    ) -> bytes | None:
        """Publish an event (None is a tombstone) once this transaction is committed; ``n`` makes its ``ce_id``.

        Returns the record's value, for who keeps it too.
        """
        payload = event.model_dump_json().encode() if event is not None else None
        ce_id = ce_id_of(topic, self.service, key, n)
        self._outbox.append(_OutboxRow(topic, key, ce_id, payload, self._trace(key), command_id))
        return payload

    def publish_fact(self, topic: str, fact: Fact) -> bytes | None:
        return self.publish(topic, fact.order_id, fact.seq, fact, command_id=fact.command_id)

    def end_command(self, ended: CommandEnded) -> None:
        key = ended.order_id or ended.connection_id
        self.publish(COMMANDS_ENDED, key, ended.command_id, ended, command_id=ended.command_id)

    def schedule(self, work: Work) -> None:
        """Make work due with this transaction."""
        self._due[work.kind, work.key] = work

    def _trace(self, key: str) -> str:
        incoming = self.traces.get(key)
        trace_id = incoming[3:35] if incoming and len(incoming) == 55 else f"{_random_bits(128):032x}"
        return f"00-{trace_id}-{_random_bits(64):016x}-01"

    @property
    def publishes(self) -> bool:
        return bool(self._outbox)

    @property
    def schedules(self) -> bool:
        return bool(self._due)

    async def flush(self) -> None:
        """Write what was published and scheduled; the store does so before it commits."""
        if rows := self._outbox:
            await self.connection.execute(
                _PUBLISH,
                {
                    "at": self.now,
                    "topics": [row.topic for row in rows],
                    "keys": [row.key for row in rows],
                    "ce_ids": [row.ce_id for row in rows],
                    "payloads": [row.payload for row in rows],
                    "traceparents": [row.traceparent for row in rows],
                    "command_ids": [row.command_id for row in rows],
                },
            )
        if self._due:
            await self._write_due(list(self._due.values()))

    async def _write_due(self, works: list[Work]) -> None:
        await self.connection.execute(
            _SCHEDULE,
            {
                "kinds": [work.kind for work in works],
                "keys": [work.key for work in works],
                "connections": [work.connection_id for work in works],
                "payloads": [json.dumps(dict(work.payload)) for work in works],
                "ship_bys": [work.ship_by for work in works],
                "delays": [work.delay_s for work in works],
                "sources": [work.cause_source for work in works],
                "seqs": [work.cause_seq for work in works],
                "commands": [work.command_id for work in works],
            },
        )

    async def finish(self, row: DueRow) -> None:
        """The work is done, unless it was asked for again meanwhile: then it is only let go."""
        await self.connection.execute(
            text("delete from due where id = :id and version = :version"), {"id": row.id, "version": row.version}
        )
        await self.let_go(row)

    async def let_go(self, row: DueRow) -> None:
        await self.connection.execute(text("update due set taken_by = null where id = :id"), {"id": row.id})

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None:
        """Let the work go until ``delay_s`` seconds from now; at once when it was asked for again meanwhile."""
        await self.connection.execute(
            text("""
                update due set taken_by = null, tries = :tries, waits = waits + 1,
                    run_at = case when version = :version then now() + make_interval(secs => :delay) else run_at end
                where id = :id
            """),
            {
                "id": row.id,
                "version": row.version,
                "delay": float(delay_s),
                "tries": row.tries if tries is None else tries,
            },
        )

    async def order_parked(self, order_id: str) -> None:
        """Called when anything of an order is parked, in that transaction: a service ends what waits for more."""

    async def work_parked(self, row: DueRow) -> None:
        """Called when work is parked, in that transaction: a service ends what waits for it."""

    async def enter(self, consumer: str, ce_ids: Iterable[str]) -> set[str]:
        """Enter events in the inbox; returns those that were not in it yet."""
        found = await self.connection.execute(
            text("""
                insert into inbox (consumer, ce_id) select :consumer, unnest(cast(:ids as text[]))
                on conflict do nothing returning ce_id
            """),
            {"consumer": consumer, "ids": sorted(ce_ids)},
        )
        return set(found.scalars())


U = TypeVar("U", bound=Unit)


class Store(Generic[U]):
    """Opens transactions of one service, and wakes the relay and the workers when one commits."""

    def __init__(
        self,
        engine: AsyncEngine,
        service: Service,
        vault: Vault,
        clock: Callable[[], datetime],
        unit: Callable[[AsyncConnection, Service, datetime, Vault], U],
    ) -> None:
        self.engine = engine
        self.service = service
        self.clock = clock
        self.vault = vault
        self._unit = unit
        self.outbox_written = asyncio.Event()
        self.due_written = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[U]:
        """A unit; committed with all that it published and scheduled, or with nothing when the block raises."""
        async with self.engine.begin() as connection:
            unit = self._unit(connection, self.service, self.clock(), self.vault)
            yield unit
            await unit.flush()
        if unit.publishes:
            self.outbox_written.set()
        if unit.schedules:
            self.due_written.set()

    async def secret(self, owner: str) -> bytes | None:
        """What the vault holds of a connection's ``<connection_id>/amazon`` or ``/shopify``."""
        async with self.engine.begin() as connection:
            return await self.vault.get(connection, "connections", owner)
