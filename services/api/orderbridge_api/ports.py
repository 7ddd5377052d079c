"""What the steps and actions ask of the outside: one transaction's verbs, by what they are about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orderbridge.events import (
    BackfillAsked,
    BackfillProgress,
    CommandEnded,
    CommandMode,
    ConnectionChanged,
    ConnectionStatus,
    Event,
    Fact,
    MessageParked,
    Reason,
)
from orderbridge.status import Status
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from .domain.commands import CommandRecord
from .domain.connections import StoredConnection
from .domain.mappings import MappingFilter, StoredMapping, Wanted
from .domain.paging import OrderFilter, Page
from .domain.parked import ParkedMessage, ParkedState
from .domain.projection import OrderState
from .domain.resource import OrderResource
from .domain.retries import RetryEndings, RetryRecord
from .domain.timeline import KeptFact
from .domain.variants import FoundVariant


@dataclass(frozen=True, slots=True)
class OrderView:
    """What is written of an order: its newest facts, what of them changed, and what they show."""

    before: OrderState
    state: OrderState
    resource: OrderResource
    text: str
    """The resource as JSON: what is answered and what is published."""


@dataclass(frozen=True, slots=True)
class OrderHead:
    """What a decision about a command needs of an order; ``link`` leads to its Shopify order."""

    order_id: str
    connection_id: str
    status: Status
    reason: Reason | None
    link: str | None


@dataclass(frozen=True, slots=True)
class ListedOrder:
    order_id: str
    sorted_by: datetime | None
    text: str


@dataclass(frozen=True)
class Caller:
    """Who asks: the name and role of an API key."""

    name: str
    role: str


@dataclass(frozen=True)
class Once:
    """An ``Idempotency-Key`` with what it is used for; ``fingerprint`` is of method, path and body."""

    key: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """What a change is answered with, as it is also kept for its ``Idempotency-Key``; ``body`` is JSON."""

    status: int
    body: str
    location: str | None = None


class Transaction(Protocol):
    """What every unit offers: its time, and what leaves with its commit."""

    now: datetime

    def publish(
        self, topic: str, key: str, n: int | str, event: Event | None, *, command_id: str | None = None
    ) -> bytes | None: ...

    def schedule(self, work: Work) -> None: ...

    async def finish(self, row: DueRow) -> None:
        """The due work is done, unless it was asked for again meanwhile."""

    async def postpone(self, row: DueRow, delay_s: float) -> None:
        """The due work goes on, or comes again, ``delay_s`` seconds from now."""


class Orders(Transaction, Protocol):
    async def hold_orders(self, order_ids: Sequence[str]) -> dict[str, OrderState]:
        """Lock these orders, made if absent, in the order of their ids, and read their newest facts."""

    async def keep_facts(self, facts: Sequence[tuple[str, Fact]]) -> None:
        """Keep facts for ever, each with its topic; one that is kept already stays as it is."""

    async def write_views(self, views: Sequence[OrderView]) -> None: ...

    async def wrongly_stuck(self, waiting_before: datetime, slow: str, troubled: Mapping[str, str]) -> list[str]:
        """Orders whose ``stuck`` does not say what it should, some at a time: the trouble of their connection, or
        ``slow`` once they wait since ``waiting_before``, or nothing."""

    async def kept_order_ids(self, after: str, limit: int) -> list[str]: ...

    async def newest_kept(self, order_ids: Sequence[str]) -> dict[str, OrderState]:
        """The newest fact per source, from the facts alone."""

    async def order_text(self, order_id: str) -> str | None: ...

    async def list_orders(self, asked: OrderFilter, page: Page) -> list[ListedOrder]: ...

    async def count_orders(self, asked: OrderFilter) -> list[tuple[Status, str | None, int]]: ...

    async def facts_of(self, order_id: str) -> list[KeptFact]: ...


class Commands(Transaction, Protocol):
    async def order_heads(self, order_ids: Sequence[str]) -> dict[str, OrderHead]:
        """Lock the orders, in the order of their ids, and say how each stands; who is not known is left out."""

    async def add_commands(self, commands: Sequence[CommandRecord]) -> None: ...

    async def open_commands(self, mode: CommandMode, order_ids: Sequence[str]) -> dict[str, CommandRecord]:
        """The open command of that mode, by order; of locked orders none can come to it."""

    async def open_replay(self, parked_id: str) -> CommandRecord | None: ...

    async def open_backfill(self, connection_id: str, asked: BackfillAsked) -> CommandRecord | None:
        """The open one that asks for the same; of a held connection none can come to it."""

    async def note_progress(self, progress: Mapping[str, BackfillProgress]) -> None:
        """How far back-fills are, by their commands; of those that have ended it stays as it was."""

    async def command(self, command_id: str) -> CommandRecord | None: ...

    async def commands_of(self, order_id: str) -> list[CommandRecord]: ...

    async def end_commands(self, endings: Sequence[CommandEnded]) -> None:
        """The first ending of a command wins."""

    async def recall(self, caller: str, once: Once) -> Answer | None:
        """Claim the key, or give what it was answered; a 422 ``Problem`` when it was used for something else."""

    async def keep_answer(self, caller: str, once: Once, answer: Answer) -> None: ...

    async def forget_answers(self, older_than: datetime) -> None: ...


class Parked(Transaction, Protocol):
    async def note_parked(self, events: Sequence[MessageParked]) -> None: ...

    async def hold_parked(self, parked_id: str) -> ParkedMessage | None:
        """Lock the row and read it."""

    async def list_parked(self, state: ParkedState, page: Page) -> list[ParkedMessage]: ...


class Retries(Transaction, Protocol):
    async def add_retry(self, retry: RetryRecord) -> int:
        """Keep it with the orders that its filter matches now, nearest ship-by first; returns how many they are."""

    async def hold_retry(self, retry_id: str) -> RetryRecord | None: ...

    async def unasked(self, retry_id: str, limit: int) -> list[str]:
        """The next orders of which nothing was asked yet."""

    async def note_asked(self, retry: RetryRecord, asked: Mapping[str, str], refused: Mapping[str, str]) -> None:
        """Keep each order's command id, or the code of its refusal, and the retry's counts."""

    async def retry(self, retry_id: str) -> tuple[RetryRecord, RetryEndings] | None:
        """As it stands, and how many of its commands have ended."""


class Webhooks(Transaction, Protocol):
    async def add_webhook(self, connection_id: str, webhook_id: str, topic: str) -> bool:
        """False when it came before."""

    async def forget_webhooks(self, older_than: datetime) -> None: ...


class Connections(Transaction, Protocol):
    async def add_connection(self, connection: StoredConnection) -> bool:
        """False when the id is taken; that of a connection that was removed is free."""

    async def hold_removed(self, connection_id: str) -> StoredConnection | None:
        """As it was when it was removed."""

    async def remove_connection(self, connection: StoredConnection) -> None:
        """Remember it as removed, without its secrets and without what the workers said of it."""

    async def removed_connections(self, after: str, limit: int) -> list[StoredConnection]: ...

    async def count_holding_stock(self, connection_id: str) -> int:
        """How many orders of the connection hold stock in its shop."""

    async def hold_connection(self, connection_id: str) -> StoredConnection | None: ...

    async def put_connection(self, connection: StoredConnection) -> None: ...

    async def stored_connections(self, after: str, limit: int) -> list[StoredConnection]: ...

    async def stored_connection(self, connection_id: str) -> StoredConnection | None: ...

    async def note_statuses(self, statuses: Sequence[ConnectionStatus]) -> None: ...

    async def statuses_of(self, connection_ids: Sequence[str]) -> dict[str, dict[str, ConnectionStatus]]: ...

    async def troubled(self) -> list[ConnectionStatus]:
        """Every worker's newest word that is not ``ok``."""

    async def secrets_of(self, connection_id: str, vendor: str) -> dict[str, str]: ...

    async def put_secrets(self, connection_id: str, vendor: str, secrets: Mapping[str, str]) -> None: ...


class Mappings(Transaction, Protocol):
    """Changes of a connection's mappings are made while its row is held, one after the other."""

    async def stored_mappings(self, connection_id: str, amazon_skus: Collection[str]) -> dict[str, StoredMapping]:
        """By Amazon SKU; deleted ones, too."""

    async def put_mappings(self, stored: Sequence[StoredMapping]) -> None:
        """Write these revisions, all of one actor, and keep each as a change for ever."""

    async def list_mappings(
        self, asked: MappingFilter, after: tuple[str, str], limit: int, *, deleted: bool = False
    ) -> list[StoredMapping]:
        """By connection and Amazon SKU, those that follow ``after``; ``deleted``: the deleted ones, too."""

    async def skus_holding_orders(self, connection_id: str, amazon_skus: Collection[str]) -> set[str]:
        """Those of the SKUs that hold an unmatched order."""

    async def count_freed(self, connection_id: str, mapped: Sequence[Wanted]) -> int:
        """How many unmatched orders are held by nothing but SKUs that these mappings map for the order's day."""


class Keys(Transaction, Protocol):
    async def api_keys(self) -> list[tuple[str, Caller]]:
        """Each key's SHA-256 in hex, and whose it is."""

    async def set_key(self, name: str, role: str, sha256: str) -> None:
        """Give the named key this value; its older one no longer opens anything."""


class Unit(Orders, Commands, Parked, Retries, Webhooks, Connections, Mappings, Keys, Protocol):
    """One transaction of the api."""


class Store(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Unit]: ...


class Shops(Protocol):
    """The shops of all connections, live; every call may raise ``Transient`` or ``Blocked``."""

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> dict[str, list[FoundVariant]]:
        """All variants that have each of these SKUs now (trimmed, case kept), by the SKU as given; at most 50."""
        ...

    async def search(self, connection: ConnectionChanged, text: str) -> list[FoundVariant]:
        """A few variants that a person might mean by these words, or by the beginning of a SKU."""
        ...

    async def keep_subscribed(self, connection: ConnectionChanged, base: str, path: str) -> int:
        """See that the shop's webhooks go to ``base`` + ``path``, which is this connection's alone, each once; returns
        how many subscriptions had to be changed. Raises ``Refused`` when Shopify does not take the address."""
        ...
