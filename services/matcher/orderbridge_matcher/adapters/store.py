"""The table of orders. What a transaction decides is written together when it ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orderbridge.errors import Blocked, Transient
from orderbridge.events import (
    ConnectionChanged,
    LineMatch,
    MatchFact,
    OrderMatched,
    Service,
)
from orderbridge.ids import connection_of
from orderbridge.step import ConnectionEvent, drop_work, take_connections
from orderbridge.step.connections import connection_of as settings_of
from orderbridge.topics import MATCHED, UNMATCHED
from orderbridge.vault import Vault

from ..domain.keys import Key
from ..domain.matching import fact_of
from ..domain.order import Import, Line, Order, Pins
from .catalogue import CatalogueUnit
from .commands import CommandUnit

_LINES = TypeAdapter(tuple[Line, ...])
_PINS = TypeAdapter(tuple[LineMatch, ...])

_TAKE = text("""
    select order_id, imported_seq, seq, fact, pins, created
    from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")

_LOCK = text("""
    select order_id, connection_id, imported_seq, disposition, disposition_reason, purchased_at, ship_by, lines, seq,
           fact, pins, created
    from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")

_VALUES = """
    unnest(
        cast(:ids as text[]), cast(:names as text[]), cast(:imported_seqs as bigint[]), cast(:dispositions as text[]),
        cast(:reasons as text[]), cast(:purchased_ats as timestamptz[]), cast(:ship_bys as timestamptz[]),
        cast(:lines as text[]), cast(:seqs as bigint[]), cast(:facts as text[]), cast(:pins as text[])
    ) as new (order_id, connection_id, imported_seq, disposition, disposition_reason, purchased_at, ship_by, lines, seq,
              fact, pins)
"""

_INSERT = text(f"""
    insert into orders (order_id, connection_id, imported_seq, disposition, disposition_reason, purchased_at, ship_by,
                        lines, seq, fact, pins)
    select order_id, connection_id, imported_seq, disposition, disposition_reason, purchased_at, ship_by, lines, seq,
           fact, pins
    from {_VALUES} order by order_id on conflict (order_id) do nothing
""")  # noqa: S608 - our own columns

_WRITE = text(f"""
    update orders set
        imported_seq = new.imported_seq, disposition = new.disposition, disposition_reason = new.disposition_reason,
        purchased_at = new.purchased_at, ship_by = new.ship_by, lines = new.lines, seq = new.seq,
        fact = coalesce(new.fact, orders.fact), pins = new.pins
    from {_VALUES}
    where orders.order_id = new.order_id
""")  # noqa: S608 - our own columns

_DECIDED = text("delete from undecided where order_id = any(cast(:ids as text[]))")
_NOT_WANTED = text("delete from wanted where order_id = any(cast(:ids as text[]))")
_WAITS_FOR_NOTHING = text("delete from waits where order_id = any(cast(:ids as text[]))")

_LEAVE_UNDECIDED = text("""
    insert into undecided (order_id, connection_id, ship_by)
    select order_id, connection_id, ship_by
    from unnest(cast(:ids as text[]), cast(:names as text[]), cast(:ship_bys as timestamptz[]))
        as new (order_id, connection_id, ship_by)
    on conflict (order_id) do update set ship_by = excluded.ship_by
""")

_WANT = text("""
    insert into wanted (order_id, connection_id, sku)
    select order_id, connection_id, sku
    from unnest(cast(:ids as text[]), cast(:names as text[]), cast(:skus as text[]))
        as new (order_id, connection_id, sku)
    on conflict do nothing
""")

# An array of arrays must be a rectangle: each order's keys come as the text of an array.
_WAIT = text("""
    insert into waits (order_id, connection_id, keys)
    select order_id, connection_id, cast(keys as bigint[])
    from unnest(cast(:ids as text[]), cast(:names as text[]), cast(:keys as text[]))
        as new (order_id, connection_id, keys)
    on conflict (order_id) do update set keys = excluded.keys
""")

_UNDECIDED = text("""
    select order_id from undecided where connection_id = :id order by ship_by nulls last, order_id limit :limit
""")

_RECALL = text("""
    insert into undecided (order_id, connection_id, ship_by)
    select order_id, connection_id, ship_by from orders
    where order_id in (
        select order_id from waits
        where connection_id = :id and (cast(:keys as bigint[]) is null or keys && cast(:keys as bigint[]))
    )
    on conflict do nothing
""")

_CLOSE = text("""
    insert into orders (order_id, connection_id, created)
    select order_id, connection_id, true from unnest(cast(:ids as text[]), cast(:names as text[]))
        as new (order_id, connection_id)
    order by order_id on conflict (order_id) do update set created = true
""")

# The connections stay as they are until this transaction ends, so that none is blocked past a command taken here.
_STATES = text("""
    select connection_id, state, message, missing from connections
    where connection_id = any(cast(:ids as text[])) order by connection_id for share
""")


class _Record(NamedTuple):
    order: Order
    seq: int
    fact: str | None
    pins: Pins
    concerns: Collection[Key]
    wanted: Collection[str]
    decided: bool

    @property
    def waits(self) -> bool:
        """Whether something may change what was decided."""
        return bool(self.concerns) and not self.order.created


class MatcherUnit(CatalogueUnit, CommandUnit):
    """A transaction of the matcher."""

    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        super().__init__(connection, service, now, vault)
        self._records: dict[str, _Record] = {}
        self._made: set[str] = set()
        """Orders that this transaction made: they have not waited for anything yet."""

    # --- connections

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        return await take_connections(events, self)

    async def drop_work(self, connection_id: str) -> None:
        await drop_work(self, connection_id)

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None:
        return await settings_of(self, connection_id)

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        found = await self.connection.execute(_STATES, {"ids": list(connection_ids)})
        return {
            row["connection_id"]: Blocked(row["state"], row["message"] or row["state"], missing=_words(row["missing"]))
            for row in found.mappings()
            if row["state"] != "ok"
        }

    # --- orders

    async def take_imports(self, events: Iterable[Import]) -> list[Order]:
        newest: dict[str, Import] = {}
        for event in events:
            other = newest.get(event.order_id)
            if other is None or other.seq < event.seq:
                newest[event.order_id] = event
        await self._flush_records()
        found = await self.connection.execute(_TAKE, {"ids": list(newest)})
        known = {row.order_id: row for row in found}
        self._made |= newest.keys() - known.keys()
        orders = [_imported(event, 0, (), created=False) for name, event in newest.items() if name not in known]
        for name, row in known.items():
            if row.imported_seq < newest[name].seq:
                orders.append(_imported(newest[name], row.seq, _pins_of(row.fact, row.pins), created=row.created))
        return orders

    async def close_orders(self, order_ids: Collection[str]) -> None:
        await self._flush_records()
        ids = sorted(order_ids)
        await self.connection.execute(_CLOSE, {"ids": ids, "names": [connection_of(one) for one in ids]})
        for statement in (_DECIDED, _NOT_WANTED, _WAITS_FOR_NOTHING):
            await self.connection.execute(statement, {"ids": ids})

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        await self._flush_records()
        found = await self.connection.execute(_LOCK, {"ids": list(order_ids)})
        return {row["order_id"]: _order(row) for row in found.mappings()}

    async def undecided(self, connection_id: str, limit: int) -> list[str]:
        found = await self.connection.execute(_UNDECIDED, {"id": connection_id, "limit": limit})
        return list(found.scalars())

    async def dismiss_undecided(self, connection_id: str, limit: int) -> list[str]:
        order_ids = await self.undecided(connection_id, limit)
        await self.connection.execute(_DECIDED, {"ids": order_ids})
        return order_ids

    async def recall(self, connection_id: str, keys: Collection[Key] | None = None) -> int:
        if keys is not None and not keys:
            return 0
        recalled = await self.connection.execute(
            _RECALL, {"id": connection_id, "keys": None if keys is None else list(keys)}
        )
        return recalled.rowcount

    def record(
        self,
        order: Order,
        facts: Sequence[MatchFact] = (),
        *,
        concerns: Collection[Key] = (),
        wanted: Collection[str] = (),
        decided: bool = True,
    ) -> None:
        seq, payload = order.seq, None
        for fact in facts:
            payload = self.publish_fact(MATCHED if isinstance(fact, OrderMatched) else UNMATCHED, fact)
            seq = fact.seq
        stored = payload.decode() if payload else None
        self._records[order.order_id] = _Record(order, seq, stored, order.pins, concerns, wanted, decided)

    async def flush(self) -> None:
        await self._flush_records()
        await super().flush()

    async def _flush_records(self) -> None:
        """What was recorded is in the tables from here on, also for this transaction's own reads."""
        if self._records:
            records, self._records = list(self._records.values()), {}
            await self._write(records)
            self._made -= {record.order.order_id for record in records}

    async def _write(self, records: Sequence[_Record]) -> None:
        if made := [record for record in records if record.order.order_id in self._made]:
            inserted = await self.connection.execute(_INSERT, _values(made))
            if inserted.rowcount < len(made):
                raise Transient("another process takes some of these orders in, too", retry_after_s=0.1)
        if known := [record for record in records if record.order.order_id not in self._made]:
            await self.connection.execute(_WRITE, _values(known))
            for statement in (_DECIDED, _NOT_WANTED):
                await self.connection.execute(statement, {"ids": [record.order.order_id for record in known]})
        await self._note_waits([record for record in records if record.waits])
        if free := [record.order.order_id for record in known if not record.waits]:
            await self.connection.execute(_WAITS_FOR_NOTHING, {"ids": free})
        if wanted := [(record.order, sku) for record in records for sku in record.wanted]:
            await self.connection.execute(
                _WANT,
                {
                    "ids": [order.order_id for order, _ in wanted],
                    "names": [order.connection_id for order, _ in wanted],
                    "skus": [sku for _, sku in wanted],
                },
            )
        undecided = [record.order for record in records if not record.decided]
        if undecided:
            await self.connection.execute(
                _LEAVE_UNDECIDED,
                {
                    "ids": [order.order_id for order in undecided],
                    "names": [order.connection_id for order in undecided],
                    "ship_bys": [order.ship_by for order in undecided],
                },
            )

    async def _note_waits(self, records: Sequence[_Record]) -> None:
        if records:
            await self.connection.execute(
                _WAIT,
                {
                    "ids": [record.order.order_id for record in records],
                    "names": [record.order.connection_id for record in records],
                    "keys": [f"{{{','.join(map(str, record.concerns))}}}" for record in records],
                },
            )


def _values(records: Sequence[_Record]) -> dict[str, list[Any]]:
    orders = [record.order for record in records]
    return {
        "ids": [order.order_id for order in orders],
        "names": [order.connection_id for order in orders],
        "imported_seqs": [order.imported_seq for order in orders],
        "dispositions": [order.disposition for order in orders],
        "reasons": [order.disposition_reason for order in orders],
        "purchased_ats": [order.purchased_at for order in orders],
        "ship_bys": [order.ship_by for order in orders],
        "lines": [_LINES.dump_json(order.lines).decode() for order in orders],
        "seqs": [record.seq for record in records],
        "facts": [record.fact for record in records],
        "pins": [_PINS.dump_json(record.pins).decode() if record.pins else None for record in records],
    }


def published(stored: str) -> tuple[str, MatchFact]:
    """The topic and the value of a match that is kept."""
    fact = fact_of(stored)
    return (MATCHED if isinstance(fact, OrderMatched) else UNMATCHED), fact


def _imported(event: Import, seq: int, pins: Pins, *, created: bool) -> Order:
    return Order(
        order_id=event.order_id,
        connection_id=connection_of(event.order_id),
        imported_seq=event.seq,
        disposition=event.disposition.kind,
        disposition_reason=event.disposition.reason,
        purchased_at=event.purchased_at,
        ship_by=event.ship_by,
        lines=tuple(line for line in event.lines if line.quantity > 0),
        seq=seq,
        pins=pins,
        created=created,
    )


def _order(row: RowMapping) -> Order:
    pins = _pins_of(row["fact"], row["pins"])
    return Order(**{**row, "lines": _LINES.validate_json(row["lines"]), "pins": pins})


def _pins_of(fact: str | None, pins: str | None) -> Pins:
    """The newest successful match: kept aside, or the newest fact itself."""
    if pins is not None:
        return _PINS.validate_json(pins)
    newest = fact_of(fact) if fact is not None else None
    return newest.lines if isinstance(newest, OrderMatched) else ()


def _words(missing: Any) -> tuple[str, ...]:
    return tuple(json.loads(missing) if isinstance(missing, str) else missing)
