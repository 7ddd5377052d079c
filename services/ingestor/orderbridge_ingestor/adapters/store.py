"""The ingestor's tables. An order is locked before it is changed, and written at once, so that an order that the
database refuses is undone alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, TextClause, text

from orderbridge.errors import Blocked, Unavailable
from orderbridge.events import ConnectionChanged, OrderImported
from orderbridge.postgres import is_transient
from orderbridge.step import ConnectionEvent, Connections, Store, drop_work, take_connections
from orderbridge.step.connections import connection_of, say, state_of
from orderbridge.step.parking import Parcel, mark_replayed, park, supersede, take_out
from orderbridge.step.replay import REPLAY
from orderbridge.step.unit import DueRow
from orderbridge.topics import IMPORTED

from ..domain.disposition import Policy, policy_of
from ..domain.orders import Change, Known
from ..domain.windows import Progress
from ..ports import AMAZON, Parked, Polled, Watched
from .scans import ScansUnit

SOURCE = "ingestor"
_PROGRESS = TypeAdapter(Progress)

# The settings stay as they are until this transaction ends: an order is decided before a change of them, and then
# decided anew with the others, or after it.
_SETTINGS = text("select config from connections where connection_id = :id for share")

_INSERT = text("""
    insert into orders (order_id, connection_id)
    select order_id, :connection_id from unnest(cast(:ids as text[])) as new (order_id)
    order by order_id on conflict do nothing
""")

_COLUMNS = "order_id, cast(fact as text) as fact, ever_open, switched_off, named, personal_until"

_LOCK = text(f"""
    select {_COLUMNS} from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")  # noqa: S608 - our own columns

_LOCK_OPEN = text(f"""
    select {_COLUMNS} from orders
    where connection_id = :connection_id and order_id > :after and disposition in ('import', 'wait')
    order by order_id limit :limit for update
""")  # noqa: S608 - our own columns

_LOCK_REMOVED = text(f"""
    select {_COLUMNS} from orders
    where connection_id = :connection_id and order_id > :after and disposition = 'skip'
      and fact -> 'disposition' ->> 'reason' = 'connection_removed'
    order by order_id limit :limit for update
""")  # noqa: S608 - our own columns

_WRITE = text("""
    update orders set
        seq = new.seq, fact = cast(new.fact as jsonb), disposition = new.disposition, ever_open = new.ever_open,
        switched_off = new.switched_off, named = new.named, personal_until = new.personal_until
    from unnest(
        cast(:order_id as text[]), cast(:seq as bigint[]), cast(:fact as text[]), cast(:disposition as text[]),
        cast(:ever_open as boolean[]), cast(:switched_off as boolean[]), cast(:named as boolean[]),
        cast(:personal_until as timestamptz[])
    ) as new (order_id, seq, fact, disposition, ever_open, switched_off, named, personal_until)
    where orders.order_id = new.order_id
""")

# Of orders that do not wait it is of no use, and poll after poll would write them.
_NOTE_READ = text("""
    update orders set read_at = :now where order_id = any(cast(:ids as text[])) and disposition = 'wait'
""")

_SILENT = text("""
    select order_id from orders where connection_id = :connection_id and disposition = 'wait' and read_at < :before
    order by read_at limit :limit
""")

_PARKED = text("""
    select parked_id, order_id from parked
    where state = 'parked' and origin = :origin and connection_id = :connection_id
      and (order_id is null or order_id = any(cast(:ids as text[])))
""")

_POLLED = text("""
    select watermark, cast(progress as text) as progress, last_poll_at from polls where connection_id = :id
""")

_SAVE_PROGRESS = text("""
    insert into polls (connection_id, progress) values (:id, cast(:progress as jsonb))
    on conflict (connection_id) do update set progress = excluded.progress
""")

_END_POLL = text("""
    insert into polls (connection_id, watermark, progress, last_poll_at) values (:id, :watermark, null, :now)
    on conflict (connection_id) do update set
        watermark = greatest(polls.watermark, excluded.watermark), progress = null, last_poll_at = excluded.last_poll_at
""")

_REMARK = text("select message from connections where connection_id = :id and state = 'ok' for update")

_WAITING_REPLAYS = text("""
    select id, version, kind, key, connection_id, payload, ship_by, cause_source, cause_seq, command_id, tries, waits
    from due where kind = :kind and connection_id = :id and taken_by is null order by id for update skip locked
""")


class IngestorUnit(ScansUnit):
    """One transaction of the ingestor."""

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        published, scheduled = list(self._outbox), dict(self._due)
        try:
            async with self.connection.begin_nested():
                yield
        except Exception as error:
            self._outbox, self._due = published, scheduled
            if is_transient(error):
                raise Unavailable("the database is away, or asks to try again") from error
            raise

    # --- orders

    async def policy_of(self, connection_id: str) -> Policy | None:
        config = await self.connection.scalar(_SETTINGS, {"id": connection_id})
        return policy_of(ConnectionChanged.model_validate(config)) if config is not None else None

    async def lock_orders(self, connection_id: str, order_ids: Collection[str]) -> dict[str, Known]:
        ids = sorted(set(order_ids))
        await self.connection.execute(_INSERT, {"connection_id": connection_id, "ids": ids})
        found = await self.connection.execute(_LOCK, {"ids": ids})
        return {row["order_id"]: _known(row) for row in found.mappings()}

    async def lock_open(self, connection_id: str, after: str, limit: int) -> list[Known]:
        return await self._page(_LOCK_OPEN, connection_id, after, limit)

    async def lock_removed(self, connection_id: str, after: str, limit: int) -> list[Known]:
        return await self._page(_LOCK_REMOVED, connection_id, after, limit)

    async def _page(self, statement: TextClause, connection_id: str, after: str, limit: int) -> list[Known]:
        found = await self.connection.execute(
            statement, {"connection_id": connection_id, "after": after, "limit": limit}
        )
        return [_known(row) for row in found.mappings()]

    async def personal_data(self, order_ids: Collection[str]) -> Mapping[str, bytes]:
        return await self.vault.get_many(self.connection, "orders", order_ids)

    async def record(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        rows = [_row(change.known) for change in changes]
        await self.connection.execute(_WRITE, {name: [row[name] for row in rows] for name in rows[0]})
        kept = [(change.known, change.personal) for change in changes if change.personal is not None]
        await self.vault.put_many(
            self.connection,
            "orders",
            {known.order_id: personal.to_bytes() for known, personal in kept},
            delete_after={known.order_id: known.personal_until for known, _ in kept if known.personal_until},
        )
        for change in changes:
            if change.fact is not None:
                self.publish_fact(IMPORTED, change.fact)

    async def note_read(self, order_ids: Collection[str]) -> None:
        await self.connection.execute(_NOTE_READ, {"ids": list(order_ids), "now": self.now})

    async def silent_orders(self, connection_id: str, before: datetime, limit: int) -> Sequence[str]:
        asked = {"connection_id": connection_id, "before": before, "limit": limit}
        return list(await self.connection.scalars(_SILENT, asked))

    # --- parking

    async def supersede(self, order_ids: Collection[str]) -> None:
        if order_ids:
            await supersede(self, dict.fromkeys(order_ids), SOURCE)

    async def parked_of(self, connection_id: str, order_ids: Collection[str]) -> list[Parked]:
        found = await self.connection.execute(
            _PARKED, {"origin": AMAZON, "connection_id": connection_id, "ids": list(order_ids)}
        )
        rows = found.mappings().all()
        bodies = await self.vault.get_many(self.connection, "parked", [row["parked_id"] for row in rows])
        return [Parked(row["parked_id"], row["order_id"], bodies.get(row["parked_id"], b"")) for row in rows]

    async def park(self, parcel: Parcel) -> str:
        return await park(self, parcel)

    async def take_out(self, parked_id: str) -> tuple[Mapping[str, Any], bytes] | None:
        return await take_out(self, parked_id)

    async def mark_replayed(self, row: Mapping[str, Any]) -> None:
        await mark_replayed(self, row)

    # --- polls

    async def polled(self, connection_id: str) -> Polled:
        found = await self.connection.execute(
            _POLLED,
            {"id": connection_id},
        )
        row = found.mappings().first()
        if row is None:
            return Polled()
        progress = _PROGRESS.validate_json(row["progress"]) if row["progress"] else None
        return Polled(row["watermark"], progress, row["last_poll_at"])

    async def save_progress(self, connection_id: str, progress: Progress | None) -> None:
        stored = _PROGRESS.dump_json(progress).decode() if progress is not None else None
        await self.connection.execute(_SAVE_PROGRESS, {"id": connection_id, "progress": stored})

    async def end_poll(self, connection_id: str, watermark: datetime | None) -> None:
        await self.connection.execute(_END_POLL, {"id": connection_id, "watermark": watermark, "now": self.now})

    # --- connections

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        return await take_connections(events, self)

    async def knows(self, connection_id: str) -> bool:
        found = await self.connection.scalar(
            text("select true from connections where connection_id = :id"), {"id": connection_id}
        )
        return bool(found)

    async def drop_work(self, connection_id: str) -> None:
        await drop_work(self, connection_id)

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None:
        return await connection_of(self, connection_id)

    async def why_blocked(self, connection_id: str) -> Blocked | None:
        return await state_of(self, connection_id)

    async def say_working(self, connection_id: str, remark: str | None, told: Mapping[str, Any]) -> None:
        # "ok" blocks nothing: it only carries the words.
        await say(self, connection_id, "ok", Blocked("ok", remark) if remark else None, **told)

    async def remark_of(self, connection_id: str) -> str | None:
        found: str | None = await self.connection.scalar(_REMARK, {"id": connection_id})
        return found

    async def waiting_replays(self, connection_id: str) -> list[DueRow]:
        found = await self.connection.execute(_WAITING_REPLAYS, {"kind": REPLAY, "id": connection_id})
        return [DueRow(**row) for row in found.mappings()]

    # --- republishing


class WatchedConnections:
    """The connections that this service knows, and the framework's word on them."""

    def __init__(self, store: Store[IngestorUnit], connections: Connections) -> None:
        self._store = store
        self._connections = connections

    async def watched(self) -> list[Watched]:
        async with self._store.engine.connect() as connection:
            found = await connection.execute(
                text("select config, state from connections where config <> 'null' order by connection_id")
            )
            return [
                Watched(ConnectionChanged.model_validate(row["config"]), blocked=row["state"] != "ok")
                for row in found.mappings()
            ]

    async def say_blocked(self, connection_id: str, why: Blocked) -> None:
        async with self._store.transaction() as unit:
            await self._connections.say_blocked(unit, connection_id, why)


def _known(row: RowMapping) -> Known:
    return Known(
        order_id=row["order_id"],
        fact=OrderImported.model_validate_json(row["fact"]) if row["fact"] else None,
        ever_open=row["ever_open"],
        switched_off=row["switched_off"],
        named=row["named"],
        personal_until=row["personal_until"],
    )


def _row(known: Known) -> dict[str, Any]:
    return {
        "order_id": known.order_id,
        "seq": known.seq,
        "fact": known.fact.model_dump_json() if known.fact else None,
        "disposition": known.fact.disposition.kind if known.fact else None,
        "ever_open": known.ever_open,
        "switched_off": known.switched_off,
        "named": known.named,
        "personal_until": known.personal_until,
    }
