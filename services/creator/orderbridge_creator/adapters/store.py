"""The creator's tables. Orders are loaded once a transaction, locked, and written together when it ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
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
from orderbridge.step import Unit
from orderbridge.step.connections import CHECK
from orderbridge.step.connections import connection_of as settings_of
from orderbridge.step.parking import open_parcels
from orderbridge.step.unit import DueRow
from orderbridge.topics import CREATED, FAILED, PROGRESS
from orderbridge.vault import Vault

from ..domain.order import CONNECTION_CODES, Asked, Change, Order
from ..domain.phases import held
from ..ports import CREATE, Intent

_ASKED = TypeAdapter(tuple[Asked, ...])

_INSERT = text("""
    insert into orders (order_id, connection_id)
    select order_id, connection_id from unnest(cast(:ids as text[]), cast(:connections as text[]))
        as new (order_id, connection_id)
    order by order_id on conflict do nothing
""")

_COLUMNS = """
    order_id, connection_id, cast(imported as text) as imported, cast(match as text) as match,
    cast(asked as text) as asked, cast(fact as text) as fact, fence, unknown_since, look_up_first, identity_taken
"""

_LOCK = text(f"""
    select {_COLUMNS} from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")  # noqa: S608 - our own columns

_LOCK_PLANNED = text(f"""
    select {_COLUMNS} from orders
    where connection_id = :connection_id
      and (phase = 'planned' or phase = 'failed' and fact -> 'reason' ->> 'code' = any(cast(:codes as text[])))
    order by order_id for update
""")  # noqa: S608 - our own columns

_WRITE = text("""
    update orders set
        imported = cast(new.imported as jsonb), match = cast(new.match as jsonb), asked = cast(new.asked as jsonb),
        fact = cast(new.fact as jsonb), phase = new.phase, seq = new.seq, attempts = new.attempts, fence = new.fence,
        unknown_since = new.unknown_since, look_up_first = new.look_up_first, identity_taken = new.identity_taken,
        shopify_order_id = new.shopify_order_id, shopify_order_name = new.shopify_order_name
    from unnest(
        cast(:order_id as text[]), cast(:imported as text[]), cast(:match as text[]), cast(:asked as text[]),
        cast(:fact as text[]), cast(:phase as text[]), cast(:seq as bigint[]), cast(:attempts as integer[]),
        cast(:fence as bigint[]), cast(:unknown_since as timestamptz[]), cast(:look_up_first as boolean[]),
        cast(:identity_taken as boolean[]), cast(:shopify_order_id as text[]), cast(:shopify_order_name as text[])
    ) as new (order_id, imported, match, asked, fact, phase, seq, attempts, fence, unknown_since, look_up_first,
              identity_taken, shopify_order_id, shopify_order_name)
    where orders.order_id = new.order_id
""")

# The connections stay as they are until this transaction ends, so that none is blocked past a promise made here.
_STATES = text("""
    select connection_id, state, message, missing from connections
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

_BOOK = text("""
    insert into reservations (order_id, attempt, state, lines, at)
    values (:order_id, :attempt, :state, cast(:lines as jsonb), :at)
""")


class CreatorUnit(Unit):
    """A transaction of the creator."""

    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        super().__init__(connection, service, now, vault)
        self._orders: dict[str, Order] = {}
        self._changed: dict[str, Order] = {}

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        found = await self.connection.execute(_STATES, {"ids": list(connection_ids)})
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
            self._orders |= {row["order_id"]: _order(row) for row in found.mappings()}
        return {order_id: self._orders[order_id] for order_id in order_ids}

    async def lock_planned(self, connection_id: str) -> list[Order]:
        found = await self.connection.execute(
            _LOCK_PLANNED, {"connection_id": connection_id, "codes": list(CONNECTION_CODES)}
        )
        rows = {row["order_id"]: _order(row) for row in found.mappings()}
        self._orders = rows | self._orders
        return [self._orders[order_id] for order_id in rows]

    async def database_time(self) -> datetime:
        now: datetime = (await self.connection.execute(text("select clock_timestamp()"))).scalar_one()
        return now

    async def parked(self, order_id: str) -> bool:
        return bool(await open_parcels(self, [order_id]))

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

    async def work_parked(self, row: DueRow) -> None:
        """Commands that the parked work would have answered end with it."""
        if row.kind == CREATE:
            order = (await self.lock_orders([row.key]))[row.key]
            self.record(held(order, self.now))

    async def flush(self) -> None:
        if self._changed:
            rows = [_row(order) for order in self._changed.values()]
            await self.connection.execute(_WRITE, {name: [row[name] for row in rows] for name in rows[0]})
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
        fact=_fact(row["fact"]) if row["fact"] else None,
        fence=row["fence"],
        unknown_since=row["unknown_since"],
        look_up_first=row["look_up_first"],
        identity_taken=row["identity_taken"],
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
    shopify = order.fact.shopify if isinstance(order.fact, OrderCreated) else None
    return {
        "order_id": order.order_id,
        "imported": order.imported.model_dump_json() if order.imported else None,
        "match": order.match.model_dump_json() if order.match else None,
        "asked": _ASKED.dump_json(order.asked).decode(),
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
    }
