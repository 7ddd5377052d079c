"""The creator's tables. Orders are loaded once a transaction, locked, and written together when it ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orderbridge.errors import Blocked
from orderbridge.events import (
    ConnectionChanged,
    CreationFact,
    MatchFact,
    OrderCreated,
    OrderFailed,
    OrderImported,
    OrderMatched,
    OrderProgress,
    OrderUnmatched,
    Reservation,
    Service,
)
from orderbridge.ids import connection_of
from orderbridge.step import ConnectionEvent, drop_work, take_connections
from orderbridge.step.connections import CHECK
from orderbridge.step.connections import connection_of as settings_of
from orderbridge.step.parking import open_parcels
from orderbridge.step.unit import DueRow
from orderbridge.topics import CREATED, FAILED, PROGRESS
from orderbridge.vault import Vault

from ..domain import holding, reasons
from ..domain.order import CONNECTION_CODES, Asked, Change, Order, Remedy
from ..domain.phases import held, held_back
from ..domain.remedies import give_up
from ..ports import CANCEL, CREATE, HOLD, RESOLVE, Intent
from .holds import HOLDS, HoldsUnit

_ASKED = TypeAdapter(tuple[Asked, ...])
_REMEDIES = TypeAdapter(tuple[Remedy, ...])

_INSERT = text("""
    insert into orders (order_id, connection_id)
    select order_id, connection_id from unnest(cast(:ids as text[]), cast(:connections as text[]))
        as new (order_id, connection_id)
    order by order_id on conflict do nothing
""")

_COLUMNS = """
    order_id, connection_id, cast(imported as text) as imported, cast(match as text) as match,
    cast(asked as text) as asked, cast(remedies as text) as remedies, cast(fact as text) as fact, fence,
    unknown_since, look_up_first, identity_taken, cast(hold as text) as hold, hold_intents
"""

_LOCK = text(f"""
    select {_COLUMNS} from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")  # noqa: S608 - our own columns

_LOCK_EXPECTING = text(f"""
    select {_COLUMNS} from orders
    where connection_id = :connection_id
      and (phase = 'planned' or phase = 'failed' and fact -> 'reason' ->> 'code' = any(cast(:codes as text[]))
           or awaited)
    order by order_id for update
""")  # noqa: S608 - our own columns

_WRITE = text("""
    update orders set
        imported = cast(new.imported as jsonb), match = cast(new.match as jsonb), asked = cast(new.asked as jsonb),
        remedies = cast(new.remedies as jsonb), awaited = new.awaited, fact = cast(new.fact as jsonb),
        phase = new.phase, seq = new.seq, attempts = new.attempts, fence = new.fence,
        unknown_since = new.unknown_since, look_up_first = new.look_up_first, identity_taken = new.identity_taken,
        shopify_order_id = new.shopify_order_id, shopify_order_name = new.shopify_order_name,
        hold = cast(new.hold as jsonb), hold_intents = new.hold_intents
    from unnest(
        cast(:order_id as text[]), cast(:imported as text[]), cast(:match as text[]), cast(:asked as text[]),
        cast(:remedies as text[]), cast(:awaited as boolean[]), cast(:fact as text[]), cast(:phase as text[]),
        cast(:seq as bigint[]), cast(:attempts as integer[]), cast(:fence as bigint[]),
        cast(:unknown_since as timestamptz[]), cast(:look_up_first as boolean[]), cast(:identity_taken as boolean[]),
        cast(:shopify_order_id as text[]), cast(:shopify_order_name as text[]), cast(:hold as text[]),
        cast(:hold_intents as integer[])
    ) as new (order_id, imported, match, asked, remedies, awaited, fact, phase, seq, attempts, fence, unknown_since,
              look_up_first, identity_taken, shopify_order_id, shopify_order_name, hold, hold_intents)
    where orders.order_id = new.order_id
""")

# The connections stay as they are until this transaction ends, so that none is blocked past a promise made here.
_STATES = text("""
    select connection_id, case when config = 'null' then :removed else state end as state, message, missing
    from connections
    where connection_id = any(cast(:ids as text[])) order by connection_id for share
""")

_CHECKED = text("""
    select status_rev > 0 and not exists (select from due where kind = :check and key = :id)
    from connections where connection_id = :id
""")

_BEGIN_ATTEMPT = text("""
    insert into attempts (order_id, attempt, fence, request_hash, imported_seq, match_seq, command_id, mode, started_at)
    values (:order_id, :attempt, :fence, :request_hash, :imported_seq, :match_seq, :command_id, :mode, :at)
""")

_END_ATTEMPT = text("""
    update attempts set outcome = :outcome, ended_at = :at, note = coalesce(cast(:note as jsonb), note)
    where order_id = :order_id and attempt = :attempt
""")

_ENDED_AS = text("select exists (select from attempts where order_id = :order_id and outcome = :outcome)")

# Whoever links an order to this one waits until the other has.
_LINKING = text("select pg_advisory_xact_lock(hashtextextended('link:' || :gid, 0))")

_LINKED = text("select order_id from orders where shopify_order_id = :gid and order_id <> :order_id limit 1")

_MADE_FROM_HERE = text("""
    select order_id from orders
    where shopify_order_id = any(cast(:gids as text[])) and connection_id = :connection_id order by order_id
""")

_BOOK = text("""
    insert into reservations (order_id, attempt, state, lines, at)
    values (:order_id, :attempt, :state, cast(:lines as jsonb), :at)
""")


class CreatorUnit(HoldsUnit):
    """A transaction of the creator."""

    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        super().__init__(connection, service, now, vault)
        self._orders: dict[str, Order] = {}
        self._changed: dict[str, Order] = {}

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        found = await self.connection.execute(_STATES, {"ids": list(connection_ids), "removed": reasons.REMOVED})
        return {
            row["connection_id"]: Blocked(row["state"], row["message"] or row["state"], missing=_words(row["missing"]))
            for row in found.mappings()
            if row["state"] != "ok"
        }

    async def checked(self, connection_id: str) -> bool:
        return bool(await self.connection.scalar(_CHECKED, {"id": connection_id, "check": CHECK}))

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        new = sorted(set(order_ids) - set(self._orders))
        if new:
            connections = [connection_of(order_id) for order_id in new]
            await self.connection.execute(_INSERT, {"ids": new, "connections": connections})
            found = await self.connection.execute(_LOCK, {"ids": new})
            self._load({row["order_id"]: _order(row) for row in found.mappings()})
        return {order_id: self._orders[order_id] for order_id in order_ids}

    async def lock_expecting(self, connection_id: str) -> list[Order]:
        found = await self.connection.execute(
            _LOCK_EXPECTING, {"connection_id": connection_id, "codes": list(CONNECTION_CODES)}
        )
        rows = {row["order_id"]: _order(row) for row in found.mappings()}
        self._load({order_id: order for order_id, order in rows.items() if order_id not in self._orders})
        return [self._orders[order_id] for order_id in rows]

    def _load(self, orders: Mapping[str, Order]) -> None:
        self._orders |= orders
        self._loaded |= orders

    async def database_time(self) -> datetime:
        now: datetime = (await self.connection.execute(text("select clock_timestamp()"))).scalar_one()
        return now

    async def parked(self, order_ids: Collection[str]) -> Collection[str]:
        return await open_parcels(self, order_ids)

    async def linked(self, shopify_order_id: str, order_id: str) -> str | None:
        await self.connection.execute(_LINKING, {"gid": shopify_order_id})
        found: str | None = await self.connection.scalar(_LINKED, {"gid": shopify_order_id, "order_id": order_id})
        return found

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        return await take_connections(events, self)

    async def drop_work(self, connection_id: str, kept: Collection[str]) -> None:
        await drop_work(self, connection_id, kept)

    async def made_from_here(self, connection_id: str, shopify_order_ids: Collection[str]) -> Collection[str]:
        values = {"gids": list(shopify_order_ids), "connection_id": connection_id}
        return (await self.connection.execute(_MADE_FROM_HERE, values)).scalars().all()

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None:
        return await settings_of(self, connection_id)

    async def personal_data(self, order_id: str) -> bytes | None:
        return await self.vault.get(self.connection, "orders", order_id)

    def record(self, change: Change) -> None:
        order = change.order
        if self._orders.get(order.order_id) != order:
            self._orders[order.order_id] = self._changed[order.order_id] = order
        for fact in change.facts:
            self.publish_fact(topic_of(fact), fact)
        for ended in change.ended:
            self.end_command(ended)

    async def begin_attempt(self, order: Order, intent: Intent) -> None:
        values = {**vars(intent), "order_id": order.order_id, "fence": order.fence, "at": self.now}
        await self.connection.execute(_BEGIN_ATTEMPT, values)

    async def end_attempt(self, order: Order, outcome: str, note: Mapping[str, Any] | None = None) -> None:
        await self.connection.execute(
            _END_ATTEMPT,
            {
                "order_id": order.order_id,
                "attempt": order.attempts,
                "outcome": outcome,
                "note": json.dumps(dict(note)) if note else None,
                "at": self.now,
            },
        )

    async def ended_as(self, order_id: str, outcome: str) -> bool:
        found = await self.connection.execute(_ENDED_AS, {"order_id": order_id, "outcome": outcome})
        return bool(found.scalar_one())

    async def book(self, order: Order, reservation: Reservation) -> None:
        await self.connection.execute(
            _BOOK,
            {
                "order_id": order.order_id,
                "attempt": order.attempts,
                "state": reservation.state,
                "lines": json.dumps([line.model_dump(mode="json") for line in reservation.lines]),
                "at": reservation.at,
            },
        )

    async def order_parked(self, order_id: str) -> None:
        """Commands that wait for what was parked, or for what comes after it, lead to nothing now."""
        order = (await self.lock_orders([order_id]))[order_id]
        self.record(held_back(order, self.now))

    async def work_parked(self, row: DueRow) -> None:
        """Commands that the parked work would have answered end with it."""
        if row.kind in (CREATE, RESOLVE, CANCEL):
            order = (await self.lock_orders([row.key]))[row.key]
            parked = held(order, self.now) if row.kind == CREATE else give_up(order, self.now, reasons.MESSAGE_PARKED)
            self.record(parked)
        if row.kind == HOLD:
            await self._give_up_hold((await self.lock_orders([row.key]))[row.key])

    async def _give_up_hold(self, order: Order) -> None:
        """A call that can be made no more is forgotten: a replay begins anew."""
        if order.hold is None or not holding.expired(order.hold, self.now):
            return
        change = holding.abandoned(order, self.now)
        self.record(change)
        if order.hold.state == "releasing":
            await self.book(change.order, order.hold.reservation("released", self.now))

    async def flush(self) -> None:
        if self._changed:
            rows = [_row(order) for order in self._changed.values()]
            await self.connection.execute(_WRITE, {name: [row[name] for row in rows] for name in rows[0]})
            await self.follow(self._changed.values())
            await self.follow_holds(self._changed.values())
            self._changed = {}
        await super().flush()


def topic_of(fact: CreationFact) -> str:
    match fact:
        case OrderCreated():
            return CREATED
        case OrderFailed():
            return FAILED
        case _:
            return PROGRESS


def _words(missing: Any) -> tuple[str, ...]:
    return tuple(json.loads(missing) if isinstance(missing, str) else missing)


def _order(row: RowMapping) -> Order:
    return Order(
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        imported=OrderImported.model_validate_json(row["imported"]) if row["imported"] else None,
        match=_match(row["match"]) if row["match"] else None,
        asked=_ASKED.validate_json(row["asked"]),
        remedies=_REMEDIES.validate_json(row["remedies"]),
        fact=_fact(row["fact"]) if row["fact"] else None,
        fence=row["fence"],
        unknown_since=row["unknown_since"],
        look_up_first=row["look_up_first"],
        identity_taken=row["identity_taken"],
        hold=HOLDS.validate_json(row["hold"]) if row["hold"] else None,
        hold_intents=row["hold_intents"],
    )


def _match(stored: str) -> MatchFact:
    values = json.loads(stored)
    # Only an unmatched order has a reason of its own.
    return OrderUnmatched.model_validate(values) if "reason" in values else OrderMatched.model_validate(values)


def _fact(stored: str) -> CreationFact:
    values = json.loads(stored)
    match values["phase"]:
        case "created":
            return OrderCreated.model_validate(values)
        case "failed":
            return OrderFailed.model_validate(values)
        case _:
            return OrderProgress.model_validate(values)


def published(stored: str) -> tuple[str, CreationFact]:
    """The topic and the value of a fact that is kept."""
    fact = _fact(stored)
    return topic_of(fact), fact


def _row(order: Order) -> dict[str, Any]:
    shopify = order.fact.shopify if order.fact else None
    return {
        "order_id": order.order_id,
        "imported": order.imported.model_dump_json() if order.imported else None,
        "match": order.match.model_dump_json() if order.match else None,
        "asked": _ASKED.dump_json(order.asked).decode(),
        "remedies": _REMEDIES.dump_json(order.remedies).decode(),
        "awaited": order.awaited,
        "fact": order.fact.model_dump_json() if order.fact else None,
        "phase": order.phase,
        "seq": order.seq,
        "attempts": order.attempts,
        "fence": order.fence,
        "unknown_since": order.unknown_since,
        "look_up_first": order.look_up_first,
        "identity_taken": order.identity_taken,
        "shopify_order_id": shopify.order_id if shopify else None,
        "shopify_order_name": shopify.name if shopify else None,
        "hold": HOLDS.dump_json(order.hold).decode() if order.hold else None,
        "hold_intents": order.hold_intents,
    }
