"""What the ingestor's rules ask of the outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from orderbridge.errors import Blocked, Transient
from orderbridge.events import Command, CommandEnded, ConnectionChanged
from orderbridge.step import ConnectionEvent, Work
from orderbridge.step.parking import Parcel
from orderbridge.step.unit import DueRow

from .domain.disposition import Policy
from .domain.orders import Change, Known, ReadOrder, UnreadableOrder
from .domain.scans import Scan
from .domain.windows import Progress, Window

AMAZON = "amazon"
"""The origin of an order that was parked because it, as Amazon sent it, could not be taken."""
REFETCH = "refetch"
"""The kind of due work that asks Amazon for one order; its key is the order_id."""
SCAN = "scan"
"""The kind of due work that reads the next page of a scan, or the next order of its list; its key is the scan_id."""
RESCAN = "rescan"
"""The kind of due work that begins a re-scan; its key is the connection_id."""
RESCAN_EVERY_S = 4 * 3600.0
SILENT = "silent"
"""The kind of due work that asks for waiting orders that went silent; its key is the connection_id."""
SILENT_EVERY_S = 600.0


class RequestRefused(Transient):
    """Amazon answers 400 to a request that is valid as far as we know: it is tried again slowly."""


class WindowLost(RequestRefused):
    """Amazon does not go on with a search: its pages repeat, or it refuses the page token."""


@dataclass(frozen=True)
class Page:
    """One page of a search; ``answered`` is its ``lastUpdatedBefore``, or ``createdBefore``."""

    orders: Sequence[ReadOrder | UnreadableOrder]
    token: str | None
    answered: datetime | None


class Amazon(Protocol):
    """Amazon as a connection reaches it; every call may raise ``Transient`` or ``Blocked``."""

    async def now(self, connection: ConnectionChanged) -> datetime:
        """Amazon's time."""
        ...

    async def search(
        self, connection: ConnectionChanged, window: Window, token: str | None, reserve: float = 0.0
    ) -> Page:
        """``reserve`` is the part of the quota, 0 to 1, that is left to others.

        :raises RequestRefused: Amazon calls the request invalid.
        """
        ...

    async def get_order(
        self, connection: ConnectionChanged, amazon_order_id: str, reserve: float = 0.0
    ) -> ReadOrder | UnreadableOrder | None:
        """One order; None when Amazon has no such order. ``reserve`` as of ``search``.

        :raises RequestRefused: Amazon calls the request invalid.
        """
        ...

    async def quota_left(self, connection: ConnectionChanged) -> float | None:
        """Searches that could be sent now."""
        ...

    def read(self, body: bytes) -> ReadOrder | UnreadableOrder:
        """An order from the JSON that was kept of it."""
        ...


@dataclass(frozen=True)
class Polled:
    """How far a connection's polls have come; ``progress`` is that of a poll that has not ended."""

    watermark: datetime | None = None
    progress: Progress | None = None
    last_poll_at: datetime | None = None


@dataclass(frozen=True)
class Parked:
    """An open parcel of an order as Amazon sent it."""

    parked_id: str
    order_id: str | None
    body: bytes


@dataclass(frozen=True)
class OpenCommand:
    """A refetch that was neither answered nor ended."""

    command_id: str
    order_id: str


class Unit(Protocol):
    """One transaction of the ingestor."""

    @property
    def now(self) -> datetime: ...

    def attempt(self) -> AbstractAsyncContextManager[None]:
        """A part that is undone alone, with all it recorded and published, when it raises.

        A database that is away leaves it as ``Transient``.
        """
        ...

    async def policy_of(self, connection_id: str) -> Policy | None:
        """The connection's settings, which stay so until the transaction ends; None when it was removed."""
        ...

    async def lock_orders(self, connection_id: str, order_ids: Collection[str]) -> dict[str, Known]:
        """The orders, made where they were not known, locked until the end of the transaction."""
        ...

    async def lock_open(self, connection_id: str, after: str, limit: int) -> list[Known]:
        """Orders that wait or are to be imported, by id from behind ``after`` on, locked."""
        ...

    async def lock_removed(self, connection_id: str, after: str, limit: int) -> list[Known]:
        """The same, of orders that were skipped as their connection was removed."""
        ...

    async def personal_data(self, order_ids: Collection[str]) -> Mapping[str, bytes]: ...

    async def record(self, changes: Sequence[Change]) -> None:
        """Store the orders and their personal data, and publish their facts."""
        ...

    async def note_read(self, order_ids: Collection[str]) -> None:
        """Amazon has shown these orders, or has been asked for them, just now."""
        ...

    async def silent_orders(self, connection_id: str, before: datetime, limit: int) -> Sequence[str]:
        """Waiting orders that Amazon has not shown since, the longest silent ones first."""
        ...

    async def supersede(self, order_ids: Collection[str]) -> None:
        """Something readable came of these orders: what is parked of them is closed."""
        ...

    async def parked_of(self, connection_id: str, order_ids: Collection[str]) -> list[Parked]:
        """What is parked of these orders, and of orders whose id could not be read."""
        ...

    async def park(self, parcel: Parcel) -> str: ...

    async def take_out(self, parked_id: str) -> tuple[Mapping[str, Any], bytes] | None:
        """Lock a parcel and read its body; None when it is not parked (any more)."""
        ...

    async def mark_replayed(self, row: Mapping[str, Any]) -> None: ...

    async def polled(self, connection_id: str) -> Polled: ...

    async def save_progress(self, connection_id: str, progress: Progress | None) -> None:
        """Keep how far the poll has come; None: there is no poll to go on with."""
        ...

    async def end_poll(self, connection_id: str, watermark: datetime | None) -> None: ...

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        """Keep what is newer than the settings known here, and have the connection tried; those that were removed."""
        ...

    async def knows(self, connection_id: str) -> bool:
        """Whether it is, or was, a connection."""
        ...

    async def drop_work(self, connection_id: str) -> None:
        """Nothing is due of a removed connection any more."""
        ...

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None: ...

    async def why_blocked(self, connection_id: str) -> Blocked | None: ...

    async def say_working(self, connection_id: str, remark: str | None, told: Mapping[str, Any]) -> None:
        """The connection works; ``remark`` is what a person should know all the same."""
        ...

    async def waiting_replays(self, connection_id: str) -> list[DueRow]:
        """Replays that nobody is carrying out, locked."""
        ...

    async def ship_by_of(self, order_ids: Collection[str]) -> Mapping[str, datetime]:
        """When these orders are to be shipped, of those of which it is known."""
        ...

    async def keep_commands(self, commands: Sequence[Command]) -> None: ...

    async def open_commands(self, order_id: str) -> Sequence[OpenCommand]:
        """Oldest first."""
        ...

    async def close_commands(self, order_id: str, commands: Sequence[OpenCommand]) -> Sequence[OpenCommand]:
        """The caller answers or ends what this returns: those of the commands that were still open.

        Who locks the connection's settings as well locks these first.
        """
        ...

    async def close_commands_of(self, connection_id: str) -> Sequence[OpenCommand]:
        """All that are open; the caller ends them."""
        ...

    async def refetches_ahead(self, row: DueRow) -> int:
        """How many refetches of the connection are due before this one."""
        ...

    async def add_scan(self, scan: Scan) -> bool:
        """False when it is there already."""
        ...

    async def scan(self, scan_id: str) -> Scan | None: ...

    async def save_scan(self, scan: Scan) -> bool:
        """Keep how far it has come; False when it has ended, or somebody else went on with it."""
        ...

    async def end_scan(self, scan: Scan) -> bool:
        """It is over, and the caller ends its command; False as of ``save_scan``."""
        ...

    async def end_scans_of(self, connection_id: str) -> Sequence[Scan]:
        """All of the connection are over; the caller ends their commands."""
        ...

    async def scans_of(self, connection_id: str) -> Sequence[Scan]: ...

    async def remark_of(self, connection_id: str) -> str | None:
        """What is said of the connection although it works; nothing else is said until the transaction ends."""
        ...

    def schedule(self, work: Work) -> None: ...

    def end_command(self, ended: CommandEnded) -> None: ...

    async def finish(self, row: DueRow) -> None: ...


class Transactions(Protocol):
    """Opens units: committed when the block ends, undone when it raises."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]: ...


@dataclass(frozen=True)
class Watched:
    """A connection as the pollers see it."""

    connection: ConnectionChanged
    blocked: bool


class Connections(Protocol):
    """The connections that are known here, and what is said of them."""

    async def watched(self) -> list[Watched]: ...

    async def say_blocked(self, connection_id: str, why: Blocked) -> None:
        """Its work rests from now on, and it is probed every minute."""
        ...


class Locks(Protocol):
    """Locks that live and die with this process's database session; every call may raise ``SessionLost``."""

    async def try_lock(self, name: str) -> bool: ...

    async def unlock(self, name: str) -> None: ...

    async def check(self) -> None: ...
