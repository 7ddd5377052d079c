"""What the matcher's rules ask of the outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from orderbridge.errors import Blocked
from orderbridge.events import Command, ConnectionChanged, MatchFact, Reason
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from .domain.catalogue import Entry, Page
from .domain.matching import Variant
from .domain.order import Import, OpenCommand, Order
from .domain.reading import Progress

CATALOGUE = "catalogue"
"""The kind of due work that reads the next page of a shop's catalogue; its key is the connection_id."""
DECIDE = "decide"
"""The kind of due work that decides a connection's undecided orders; its key is the connection_id."""
LOOK_UP = "look_up"
"""The kind of due work that asks Shopify for an order's SKUs and decides it; its key is the order_id."""


class Unit(Protocol):
    """One transaction of the matcher. Locks are taken in the order: connections, catalogues, orders."""

    @property
    def now(self) -> datetime: ...

    # --- connections and their catalogues

    async def keep_connections(self, events: Sequence[ConnectionChanged]) -> None: ...

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None: ...

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        """Which of these connections do not work; they stay so until the end."""
        ...

    async def lock_catalogue(self, connection_id: str) -> Progress | None:
        """To change it: nobody decides an order of the connection meanwhile."""
        ...

    async def share_catalogues(self, connection_ids: Collection[str]) -> Mapping[str, Progress]:
        """To decide by them: no variant is written meanwhile."""
        ...

    async def set_progress(self, connection_id: str, progress: Progress) -> None: ...

    async def empty_catalogue(self, connection_id: str) -> None:
        """Drop the variants of another shop."""
        ...

    async def keep_variants(self, connection_id: str, read: Iterable[Entry], gone: Collection[str] = ()) -> set[str]:
        """Write what is new, drop what is gone; returns the SKUs for which that may change a match."""
        ...

    async def variants_of(self, skus: Mapping[str, Collection[str]]) -> Mapping[str, Mapping[str, Sequence[Variant]]]:
        """By connection the variants that have these SKUs, by SKU."""
        ...

    async def missed(self, skus: Mapping[str, Collection[str]]) -> Mapping[str, Collection[str]]:
        """Those of these SKUs, by connection, that Shopify was asked for lately and did not have."""
        ...

    async def remember_misses(self, connection_id: str, skus: Collection[str]) -> None: ...

    async def wanted_by_others(self, connection_id: str, limit: int) -> list[str]:
        """SKUs that orders of the connection wait to be looked up for, nearest ship-by first."""
        ...

    # --- orders

    async def take_imports(self, events: Iterable[Import]) -> list[Order]:
        """Keep and lock those that are newer than what is known."""
        ...

    async def lock_orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        """Those of the orders that are known, with their newest fact."""
        ...

    async def undecided(self, connection_id: str, limit: int) -> list[str]:
        """Orders of the connection that are undecided, nearest ship-by first."""
        ...

    async def dismiss_undecided(self, connection_id: str, limit: int) -> list[str]:
        """Take those out of the undecided, and return them."""
        ...

    async def recall(self, connection_id: str, skus: Collection[str] | None = None) -> int:
        """Make the orders that wait for these SKUs (None: for any) undecided again; returns how many."""
        ...

    def record(
        self, order: Order, facts: Sequence[MatchFact] = (), *, waits_for: Collection[str] = (), decided: bool = True
    ) -> None:
        """Publish the facts, keep the newest with the order, and note what the order waits for from now on."""
        ...

    # --- commands

    async def open_commands(self, order_ids: Collection[str]) -> Mapping[str, Sequence[OpenCommand]]: ...

    async def connections_commands(self, connection_id: str) -> Sequence[OpenCommand]: ...

    async def keep_commands(self, commands: Sequence[Command]) -> None: ...

    async def answered(self, commands: Iterable[OpenCommand]) -> None:
        """Facts that carry them were published: whoever acts on those ends them."""
        ...

    async def reject(self, commands: Iterable[OpenCommand], reason: Reason) -> None: ...

    async def parked(self, order_ids: Collection[str]) -> set[str]:
        """Those of which something is parked here."""
        ...

    # --- due work

    def schedule(self, work: Work) -> None: ...

    async def finish(self, row: DueRow) -> None: ...

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None: ...


class Transactions(Protocol):
    """Opens units: committed when the block ends, undone when it raises."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]: ...


class Shopify(Protocol):
    """The shop of a connection; every call may raise ``Transient`` or ``Blocked``."""

    async def page(self, connection: ConnectionChanged, after: str | None, since: datetime | None) -> Page:
        """Raises ``Permanent`` when the cursor is not accepted any more."""
        ...

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> list[Entry]:
        """All variants that have one of these SKUs now."""
        ...

    async def with_ids(self, connection: ConnectionChanged, variant_ids: Collection[str]) -> list[Entry]:
        """Those of the variants that still exist."""
        ...
