"""What the matcher's rules ask of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from orderbridge.errors import Blocked
from orderbridge.events import Command, ConnectionChanged, Event, MatchFact, Reason, SkuMapping
from orderbridge.step import ConnectionEvent, Work
from orderbridge.step.unit import DueRow

from .domain.catalogue import Change, Entry, Page
from .domain.exporting import Export, Run
from .domain.keys import Key
from .domain.order import Import, Line, OpenCommand, Order
from .domain.reading import Progress

EXPORT = "export"
"""The kind of due work that reads a shop's catalogue whole; its key is the connection_id."""
CATALOGUE = "catalogue"
"""The kind of due work that reads the next page of what changed in a shop's catalogue; its key is the connection_id."""
PRODUCT = "product"
"""The kind of due work that reads one product anew; its key is ``<connection_id>:<product's gid>``."""
DECIDE = "decide"
"""The kind of due work that decides a connection's undecided orders; its key is the connection_id."""
LOOK_UP = "look_up"
"""The kind of due work that asks Shopify for an order's SKUs and decides it; its key is the order_id."""

ByConnection = Mapping[str, Collection[str]]
"""Some texts (SKUs, ids, keys) by connection."""


class Catalogues(Protocol):
    """Catalogues. Locks are taken in the order: connections, catalogues, orders."""

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

    async def forget_catalogue(self, connection_id: str) -> None:
        """Of a connection that was removed."""
        ...

    async def keep_variants(
        self, connection_id: str, read: Iterable[Entry], gone: Collection[str] = (), *, certain: bool = False
    ) -> Change:
        """Write what is new or gone, and confirm all that was read; returns what that changed."""
        ...

    async def variants_of_product(self, connection_id: str, product_id: str) -> set[str]:
        """Ids of the variants that are known of the product, without those that are gone."""
        ...

    async def run_of(self, connection_id: str) -> Run | None:
        """How far the newest export is."""
        ...

    async def set_run(self, connection_id: str, run: Run) -> None: ...

    async def next_generation(self, connection_id: str) -> None:
        """From now on what is read counts as confirmed by the export that begins."""
        ...

    async def unconfirmed(self, connection_id: str, limit: int) -> list[str]:
        """Ids of variants that nothing confirmed since the export began."""
        ...

    async def variants(self, skus: ByConnection, variant_ids: ByConnection) -> Mapping[str, Sequence[Entry]]:
        """By connection the variants that have one of the SKUs, and those with the ids."""
        ...

    async def titled(self, product_keys: ByConnection) -> Mapping[str, Sequence[Entry]]:
        """By connection all variants of the products with these folded titles, without those that are gone."""
        ...

    async def near(self, connection_id: str, lines: Sequence[Line]) -> Mapping[str, Sequence[Entry]]:
        """Some variants whose title or SKU begins like the line's, by order item."""
        ...

    async def missed(self, skus: ByConnection) -> ByConnection:
        """Those of these SKUs that Shopify was asked for lately and did not have."""
        ...

    async def remember_misses(self, connection_id: str, skus: Collection[str]) -> None: ...

    async def wanted_by_others(self, connection_id: str, limit: int) -> list[str]:
        """SKUs that orders of the connection wait to be looked up for, nearest ship-by first."""
        ...

    async def keep_mappings(self, mappings: Sequence[SkuMapping]) -> list[SkuMapping]:
        """Keep those that are newer than what is known, and return them."""
        ...

    async def mappings(self, amazon_skus: ByConnection) -> Mapping[str, Mapping[str, SkuMapping]]:
        """By connection and Amazon SKU."""
        ...


class Unit(Catalogues, Protocol):
    """One transaction of the matcher."""

    @property
    def now(self) -> datetime: ...

    # --- connections

    async def keep_connections(self, events: Sequence[ConnectionEvent]) -> list[str]:
        """Those that were removed."""
        ...

    async def drop_work(self, connection_id: str) -> None:
        """Nothing is due of a removed connection any more."""
        ...

    async def connection_settings(self, connection_id: str) -> ConnectionChanged | None: ...

    async def why_blocked(self, connection_ids: Collection[str]) -> Mapping[str, Blocked]:
        """Which of these connections do not work; they stay so until the end."""
        ...

    # --- orders

    async def take_imports(self, events: Iterable[Import]) -> list[Order]:
        """Keep and lock those that are newer than what is known."""
        ...

    async def close_orders(self, order_ids: Collection[str]) -> None:
        """There is a Shopify order of each: they wait for nothing any more."""
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

    async def recall(self, connection_id: str, keys: Collection[Key] | None = None) -> int:
        """Make the orders that wait for one of these keys (None: for any) undecided again; returns how many."""
        ...

    def record(
        self,
        order: Order,
        facts: Sequence[MatchFact] = (),
        *,
        concerns: Collection[Key] = (),
        wanted: Collection[str] = (),
        decided: bool = True,
    ) -> None:
        """Publish the facts, keep the newest with the order, and note what it depends on from now on.

        ``wanted`` are the SKUs that it is to be looked up for.
        """
        ...

    # --- commands

    async def open_commands(self, order_ids: Collection[str]) -> Mapping[str, Sequence[OpenCommand]]: ...

    async def connections_commands(self, connection_id: str) -> Sequence[OpenCommand]: ...

    async def keep_commands(self, commands: Sequence[Command]) -> None: ...

    async def keep_refetches(self, refetches: Sequence[OpenCommand]) -> None:
        """Commands that came with an import: the fact that answers it carries them on."""
        ...

    async def answered(self, commands: Iterable[OpenCommand]) -> None:
        """Facts that carry them were published: whoever acts on those ends them."""
        ...

    async def reject(self, commands: Iterable[OpenCommand], reason: Reason) -> None: ...

    async def parked(self, order_ids: Collection[str]) -> set[str]:
        """Those of which something is parked here."""
        ...

    # --- what leaves with the transaction, and due work

    def publish(self, topic: str, key: str, n: int | str, event: Event | None) -> bytes | None: ...

    def schedule(self, work: Work) -> None: ...

    async def finish(self, row: DueRow) -> None: ...

    async def postpone(self, row: DueRow, delay_s: float, *, tries: int | None = None) -> None: ...


class Transactions(Protocol):
    """Opens units: committed when the block ends, undone when it raises."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]: ...


class Shopify(Protocol):
    """The shop of a connection; every call may raise ``Transient`` or ``Blocked``."""

    async def start_export(self, connection: ConnectionChanged) -> Export: ...

    async def export(self, connection: ConnectionChanged, operation: str) -> Export | None:
        """How far it is; None when Shopify does not know it any more."""
        ...

    def exported(self, url: str) -> AsyncIterator[Entry]:
        """Every variant of the shop as it was when the export began; its length does not matter."""
        ...

    async def page(self, connection: ConnectionChanged, after: str | None, since: datetime | None) -> Page:
        """Raises ``Permanent`` when the cursor is not accepted any more."""
        ...

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> list[Entry]:
        """All variants that have one of these SKUs now."""
        ...

    async def with_ids(self, connection: ConnectionChanged, variant_ids: Collection[str]) -> list[Entry]:
        """Those of the variants that still exist."""
        ...

    async def of_product(self, connection: ConnectionChanged, product_id: str) -> list[Entry]:
        """The variants that the product has now; none when it is gone."""
        ...
