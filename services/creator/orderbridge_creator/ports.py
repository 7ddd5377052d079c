"""What the creator's rules ask of the outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged, Mode, Reservation, ShopifyOrder
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from .domain.order import Change, Order
from .domain.outcomes import Outcome, Stock

CREATE = "create"
"""The kind of due work that walks an order through its phases; its key is the order_id."""


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
        """Which of these connections do not work; they stay so until the end. Ask before locking orders."""
        ...

    async def checked(self, connection_id: str) -> bool:
        """Whether the connection's shop, as it is set now, was tried; until then nothing may be sent to it."""
        ...

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        """The orders, made where they were not known, locked until the end of the transaction."""
        ...

    async def lock_planned(self, connection_id: str) -> list[Order]:
        """The connection's orders whose attempt was promised and not sent, locked."""
        ...

    async def database_time(self) -> datetime:
        """The one clock that all workers share, read now."""
        ...

    async def parked(self, order_id: str) -> bool:
        """Whether something of the order is parked here."""
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

    async def book(self, order: Order, reservation: Reservation) -> None:
        """Enter it in the ledger of reservations."""
        ...

    def schedule(self, work: Work) -> None: ...

    async def finish(self, row: DueRow) -> None: ...

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None: ...


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

    async def stock(self, connection: ConnectionChanged, variant_ids: Iterable[str]) -> Mapping[str, Stock]: ...
