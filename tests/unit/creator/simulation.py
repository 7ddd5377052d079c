"""A database, a lock server and a shop in memory, with a clock that jumps, and processes that die at a given point.

The shop does not enforce the unique metafield, so nothing but the walk's own order of things prevents a second order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.errors import Blocked, SessionLost, Transient
from orderbridge.events import CommandEnded, ConnectionChanged, CreationFact, Reservation, ShopifyOrder
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge.step import Work
from orderbridge.step.unit import DueRow
from orderbridge_creator.domain.order import Change, Order
from orderbridge_creator.domain.outcomes import Accepted, Outcome, Slowed, Stock, StockRefused, Unanswered
from orderbridge_creator.domain.waiting import Queue, Wait
from orderbridge_creator.ports import Intent
from orderbridge_creator.steps.creating import Creating
from tests.support.facts import ORDER, at

SETTLE_S = 120.0
REREAD_S = 300.0
LATE_S = 85.0
"""How long after it was sent a request may still take effect."""
RESIDENT = PersonalData(
    address=DeliveryAddress(
        name="Ada Invented", line1="1 Example Street", city="Springfield", state="IL", postal_code="62701", country="US"
    )
)
CONNECTION = ConnectionChanged(
    connection_id="main",
    rev=1,
    amazon=AmazonAccount(region="na", seller_id="A1SELLER", marketplace_ids=("ATVPDKIKX0DER",)),
    shopify=ShopifyAccount(shop="shop.myshopify.com"),
    settings=ConnectionSettings(),
    added_at=at(),
    at=at(),
)


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass
class Process:
    """Asked at every point where it could die; ``dies(n)`` says whether it does at the n-th."""

    dies: Callable[[int], bool]
    points: int = 0

    def point(self) -> None:
        self.points += 1
        if self.dies(self.points):
            raise Died


@dataclass
class Row:
    run_at: datetime
    version: int = 1
    waits: int = 0


@dataclass
class Database:
    """Committed rows, and the one clock."""

    clock: datetime = field(default_factory=at)
    orders: dict[str, Order] = field(default_factory=dict)
    due: dict[str, Row] = field(default_factory=dict)
    facts: list[CreationFact] = field(default_factory=list)
    ended: list[CommandEnded] = field(default_factory=list)
    attempts: dict[int, str | None] = field(default_factory=dict)
    locks: dict[str, Process] = field(default_factory=dict)
    connection: ConnectionChanged = CONNECTION
    booked: list[str] = field(default_factory=list)
    """The states of the ledger of reservations."""

    def commit(self, change: Change) -> None:
        self.orders[change.order.order_id] = change.order
        self.facts += change.facts
        self.ended += change.ended

    def make_due(self) -> None:
        old = self.due.get(ORDER)
        self.due[ORDER] = Row(self.clock, old.version + 1 if old else 1)


class Unit:
    """Collects what is to happen, so that a transaction that does not end leaves nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._orders = dict(database.orders)
        self.effects: list[Callable[[], None]] = []

    @property
    def now(self) -> datetime:
        return self._database.clock

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        return {}

    async def checked(self, connection_id: str) -> bool:
        return True

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        return {order_id: self._orders[order_id] for order_id in order_ids}

    async def lock_expecting(self, connection_id: str) -> list[Order]:
        return []

    async def database_time(self) -> datetime:
        return self._database.clock

    async def parked(self, order_ids: Collection[str]) -> Collection[str]:
        return ()

    async def linked(self, shopify_order_id: str, order_id: str) -> str | None:
        return None

    async def made_from_here(self, connection_id: str, shopify_order_ids: Collection[str]) -> Collection[str]:
        return ()

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None:
        return self._database.connection

    async def personal_data(self, order_id: str) -> bytes | None:
        return RESIDENT.to_bytes()

    def record(self, change: Change) -> None:
        self._orders[change.order.order_id] = change.order
        self.effects.append(lambda: self._database.commit(change))

    async def begin_attempt(self, order: Order, intent: Intent) -> None:
        assert intent.attempt not in self._database.attempts
        self.effects.append(lambda: self._database.attempts.update({intent.attempt: None}))

    async def end_attempt(self, order: Order, outcome: str, note: Mapping[str, Any] | None = None) -> None:
        self.effects.append(lambda: self._database.attempts.update({order.attempts: outcome}))

    async def ended_as(self, order_id: str, outcome: str) -> bool:
        return outcome in self._database.attempts.values()

    async def book(self, order: Order, reservation: Reservation) -> None:
        self.effects.append(lambda: self._database.booked.append(reservation.state))

    async def await_stock(self, order: Order, waits: Collection[Wait], *, explained: bool, reread_s: float) -> None:
        return

    async def flag(self, connection_id: str, subjects: Mapping[str, Collection[str]]) -> tuple[int, datetime | None]:
        return 0, None

    async def flag_all(self, connection_id: str) -> tuple[int, datetime | None]:
        return 0, None

    async def forget_flags(self, connection_id: str) -> None:
        return

    async def looked_at(self, flags: Mapping[tuple[str, str], int]) -> None:
        return

    async def anything_waits(self, connection_id: str) -> bool:
        return False

    async def queue(self, connection_id: str) -> Queue:
        return Queue((), {}, {})

    async def coming(self, kind: str, key: str, within_s: float) -> bool:
        return False

    def schedule(self, work: Work) -> None:
        self.effects.append(self._database.make_due)

    async def finish(self, row: DueRow) -> None:
        def end() -> None:
            kept = self._database.due.get(row.key)
            if kept and kept.version == row.version:
                del self._database.due[row.key]

        self.effects.append(end)

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None:
        def later() -> None:
            kept = self._database.due[row.key]
            kept.waits += 1
            if kept.version == row.version:
                kept.run_at = self._database.clock + timedelta(seconds=delay_s)

        self.effects.append(later)


class Store:
    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        self._process.point()
        unit = Unit(self._database)
        yield unit
        self._process.point()
        for effect in unit.effects:
            effect()
        self._process.point()


class Locks:
    """Freed when their process dies."""

    def __init__(self, database: Database, process: Process) -> None:
        self._held = database.locks
        self._process = process

    async def try_lock(self, name: str) -> bool:
        self._process.point()
        if name in self._held:
            return False
        self._held[name] = self._process
        self._process.point()
        return True

    async def unlock(self, name: str) -> None:
        if self._held.get(name) is not self._process:
            raise SessionLost("another process has the lock")
        del self._held[name]

    async def check(self) -> None:
        self._process.point()


@dataclass
class Shop:
    """Takes the next of ``script`` for each ``create``; accepts when that is used up."""

    database: Database
    script: list[str]
    orders: list[ShopifyOrder] = field(default_factory=list)
    coming: list[datetime] = field(default_factory=list)
    calls: int = 0
    process: Process | None = None

    async def admit(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> None:
        self._point()

    async def create(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> Outcome:
        self._point()
        self._arrive()
        self.calls += 1
        newest = self.database.orders[ORDER]
        assert newest.phase == "sending", "the intent is committed before the call"
        assert newest.attempts == self.calls or self.calls < newest.attempts
        match self.script.pop(0) if self.script else "accept":
            case "accept":
                made = self._make()
                self._point()
                return Accepted(made)
            case "answer lost":
                self._make()
                self._point()
                return Unanswered()
            case "request lost":
                self._point()
                return Unanswered()
            case "late":
                self.coming.append(self.database.clock + timedelta(seconds=LATE_S))
                self._point()
                return Unanswered()
            case "throttled":
                self._point()
                return Slowed(1.0)
            case "throttled, but done":
                self._make()
                self._point()
                return Slowed(1.0)
            case "no stock":
                self._point()
                return StockRefused()
            case other:
                raise AssertionError(other)

    async def find(self, connection: ConnectionChanged, amazon_order_id: str) -> ShopifyOrder | None:
        self._point()
        self._arrive()
        found = self.orders[0] if self.orders else None
        self._point()
        return found

    async def stock(
        self, connection: ConnectionChanged, variant_ids: Iterable[str], *, urgent: bool = True
    ) -> Mapping[str, Stock]:
        self._point()
        return {}

    def _point(self) -> None:
        assert self.process is not None
        self.process.point()

    def _make(self) -> ShopifyOrder:
        made = ShopifyOrder(order_id=f"gid://shopify/Order/{len(self.orders) + 1}")
        self.orders.append(made)
        return made

    def _arrive(self) -> None:
        for moment in [moment for moment in self.coming if moment <= self.database.clock]:
            self.coming.remove(moment)
            self._make()


def live(order: Order, script: list[str], dies: Callable[[int], bool]) -> tuple[Database, Shop, int]:
    """Work until nothing is due any more, with a new process for each that dies; how many points were passed."""
    database = Database(orders={order.order_id: order})
    database.facts += [order.fact] if order.fact else []
    database.make_due()
    shop = Shop(database, list(script))
    points = asyncio.run(_live(database, shop, dies))
    return database, shop, points


async def _live(database: Database, shop: Shop, dies: Callable[[int], bool]) -> int:
    points = 0
    for _ in range(500):
        if ORDER not in database.due:
            return points
        row = database.due[ORDER]
        database.clock = max(database.clock, row.run_at)
        process = Process(lambda n, before=points: dies(before + n))  # type: ignore[misc]
        shop.process = process
        taken = DueRow(1, row.version, "create", ORDER, "main", {}, None, "matcher", 1, None, 0, row.waits)
        walk = Creating(Store(database, process), Locks(database, process), shop, SETTLE_S, REREAD_S)
        try:
            await walk.create(taken)
        except Died:
            database.locks.clear()
        except Transient as error:
            row.run_at = database.clock + timedelta(seconds=error.retry_after_s or 1.0)
        points += process.points
        database.clock += timedelta(seconds=1)
    raise AssertionError("the order never came to rest")
