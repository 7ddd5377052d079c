"""What the creator's rules ask of the outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged, Mode, Reservation, ShopifyOrder
from orderbridge.step import ConnectionEvent, Work
from orderbridge.step.unit import DueRow

from .domain.hold import Hold
from .domain.order import Change, Order
from .domain.outcomes import (
    CancelAccepted,
    CancelRefused,
    FulfillmentOrder,
    MoveOutcome,
    Outcome,
    Reassigned,
    ReassignmentRefused,
    Stock,
)
from .domain.remedies import AtShopify
from .domain.waiting import Queue, Wait

CREATE = "create"
"""The kind of due work that walks an order through its phases; its key is the order_id."""
RESOLVE = "resolve"
"""The kind of due work that links an order to one that Shopify has; its key is the order_id."""
CANCEL = "cancel"
"""The kind of due work that cancels an order's Shopify order; its key is the order_id."""
HOLD = "hold"
"""The kind of due work that holds an order's units, or gives them back; its key is the order_id."""
INSPECT = "inspect"
"""The kind of due work that looks whether an order still stands in Shopify; its key is the order_id."""
MOVE = "move"
"""The kind of due work that has an order fulfilled from the connection's location; its key is the order_id."""
RESTOCK = "restock"
"""The kind of due work that looks whether flagged orders can be had now; its key is the connection_id."""
REREAD = "reread"
"""The kind of due work that flags all that wait for stock, now and again; its key is the connection_id."""


@dataclass(frozen=True)
class Intent:
    """What is written down before a call that may create an order: ``request_hash`` tells requests apart."""

    attempt: int
    request_hash: str
    imported_seq: int
    match_seq: int
    command_id: str | None
    mode: Mode | None


class Unit(Protocol):
    """One transaction of the creator."""

    @property
    def now(self) -> datetime: ...

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        """Which of these connections do not work, or were removed; they stay so until the end.

        Ask before locking orders.
        """
        ...

    async def checked(self, connection_id: str) -> bool:
        """Whether the connection's shop, as it is set now, was tried; until then nothing may be sent to it."""
        ...

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        """The orders, made where they were not known, locked until the end of the transaction."""
        ...

    async def lock_expecting(self, connection_id: str) -> list[Order]:
        """The connection's orders whose attempt was promised and not sent, or that have open commands, locked."""
        ...

    async def database_time(self) -> datetime:
        """The one clock that all workers share, read now."""
        ...

    async def parked(self, order_ids: Collection[str]) -> Collection[str]:
        """Those of the orders that something is parked of here."""
        ...

    async def linked(self, shopify_order_id: str, order_id: str) -> str | None:
        """Another order than this that the Shopify order belongs to; nobody links one to it until the end."""
        ...

    async def made_from_here(self, connection_id: str, shopify_order_ids: Collection[str]) -> Collection[str]:
        """The connection's orders that these Shopify orders belong to."""
        ...

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None: ...

    async def personal_data(self, order_id: str) -> bytes | None: ...

    def record(self, change: Change) -> None:
        """Store the order, publish its new facts, end its commands."""
        ...

    async def begin_attempt(self, order: Order, intent: Intent) -> None: ...

    async def end_attempt(self, order: Order, outcome: str, note: Mapping[str, Any] | None = None) -> None:
        """Write how the newest attempt ended; ``note`` must hold no personal data."""
        ...

    async def ended_as(self, order_id: str, outcome: str) -> bool:
        """Whether an attempt of the order ended so."""
        ...

    async def book(self, order: Order, reservation: Reservation) -> None:
        """Enter it in the ledger of reservations."""
        ...

    async def await_stock(self, order: Order, waits: Collection[Wait], *, explained: bool, reread_s: float) -> None:
        """Keep what a refused order waits for, and see that its stock is read again from time to time.

        How much there was counts when that explains the refusal, or when it is not the first one.
        """
        ...

    async def flag(self, connection_id: str, subjects: Mapping[str, Collection[str]]) -> tuple[int, datetime | None]:
        """Flag what waits for one of these, by kind; how many that were, and their nearest ship-by date."""
        ...

    async def flag_all(self, connection_id: str) -> tuple[int, datetime | None]: ...

    async def forget_flags(self, connection_id: str) -> None: ...

    async def looked_at(self, flags: Mapping[tuple[str, str], int]) -> None:
        """Take so many flags off these waits (order and variant): others may have come meanwhile."""
        ...

    async def anything_waits(self, connection_id: str) -> bool: ...

    async def queue(self, connection_id: str) -> Queue:
        """The flagged orders, and those that compete with them."""
        ...

    async def coming(self, kind: str, key: str, within_s: float) -> bool:
        """Whether this work begins in so many seconds, and not before this transaction ends."""
        ...

    def schedule(self, work: Work) -> None: ...

    async def finish(self, row: DueRow) -> None: ...

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None: ...


class SettingsUnit(Unit, Protocol):
    """A transaction that takes connections in."""

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        """Keep what is newer than the settings known here, and have the connection tried; those that were removed."""
        ...

    async def hold_anew(self, connection_id: str) -> None:
        """Make the holding of all orders due that wait or hold something."""
        ...

    async def drop_work(self, connection_id: str, kept: Collection[str]) -> None:
        """Nothing is due of a removed connection any more but work of the kinds that are ``kept``."""
        ...


class Transactions(Protocol):
    """Opens units: committed when the block ends, undone when it raises."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]: ...


class Locks(Protocol):
    """Locks that live and die with this process's database session; every call may raise ``SessionLost``."""

    async def try_lock(self, name: str) -> bool: ...

    async def unlock(self, name: str) -> None: ...

    async def check(self) -> None: ...


class Shopify(Protocol):
    """The shop of a connection; the reads raise ``Transient`` or ``Blocked``."""

    async def admit(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> None:
        """Make room for one ``create`` before its intent is written; sends nothing of the order."""
        ...

    async def create(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> Outcome:
        """Send it once, after ``admit``. However it ends is a value; a bug of ours raises."""
        ...

    async def find(self, connection: ConnectionChanged, amazon_order_id: str) -> ShopifyOrder | None: ...

    async def stock(
        self, connection: ConnectionChanged, variant_ids: Iterable[str], *, urgent: bool = True
    ) -> Mapping[str, Stock]:
        """By variant; one that is gone is absent. What is not ``urgent`` leaves points to the creation of orders."""
        ...


class ShopifyOrders(Protocol):
    """The orders of a connection's shop; every call may raise ``Transient`` or ``Blocked``."""

    async def order(self, connection: ConnectionChanged, gid: str) -> AtShopify | None: ...

    async def cancel(self, connection: ConnectionChanged, gid: str, *, restock: bool) -> CancelAccepted | CancelRefused:
        """Ask for it; ``Transient``: it may take effect all the same."""
        ...

    async def job_done(self, connection: ConnectionChanged, job: str) -> bool: ...


class ShopifyStock(Protocol):
    """The stock of a connection's shop; every call may raise ``Transient`` or ``Blocked``."""

    async def stock(
        self, connection: ConnectionChanged, variant_ids: Iterable[str], *, urgent: bool = True
    ) -> Mapping[str, Stock]: ...

    async def move(self, connection: ConnectionChanged, order_id: str, hold: Hold) -> MoveOutcome:
        """What the hold intends; ``Transient``, ``Blocked``: it may have been done, make the same call again."""
        ...


class Fulfillments(Protocol):
    """The fulfillment orders of a connection's shop; every call may raise ``Transient`` or ``Blocked``."""

    async def fulfillment_orders(self, connection: ConnectionChanged, gid: str) -> Sequence[FulfillmentOrder]:
        """Those of the order that nobody has begun to work on."""
        ...

    async def reassign(
        self, connection: ConnectionChanged, fulfillment_order: str, location_id: str
    ) -> Reassigned | ReassignmentRefused:
        """``Transient``: it may have been moved all the same."""
        ...

    async def require_location(self, connection: ConnectionChanged, location_id: str) -> None:
        """Raises ``Blocked`` when the shop does not have it, or it is not active."""
        ...
