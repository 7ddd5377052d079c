"""One order as Amazon told it, and what is known of it here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from orderbridge.events import Breakdown, ImportedLine, OrderImported
from orderbridge.money import Money
from orderbridge.shopify.order_input import PersonalData

FulfilledBy = Literal["merchant", "amazon", "unknown"]
Canceler = Literal["buyer", "merchant", "amazon"]


@dataclass(frozen=True)
class Told:
    """What the disposition of an order is decided by; ``status`` and ``sales_channel`` are Amazon's own words."""

    status: str | None
    fulfilled_by: FulfilledBy
    marketplace_id: str | None
    sales_channel: str | None
    purchased_at: datetime | None
    canceled_by: Canceler | None = None


@dataclass(frozen=True)
class Snapshot:
    """An order at its ``last_updated_at``, without anything personal."""

    told: Told
    last_updated_at: datetime
    service_level: str | None = None
    programs: tuple[str, ...] = ()
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    replaces: str | None = None
    cancel_requested: bool = False
    """The buyer asks to cancel at least one of its items."""
    total: Money | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    lines: tuple[ImportedLine, ...] = ()


@dataclass(frozen=True)
class ReadOrder:
    """An order that could be read; ``raw`` is Amazon's JSON, kept in case the order has to be parked."""

    amazon_order_id: str
    snapshot: Snapshot
    personal: PersonalData
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class UnreadableOrder:
    """An order of which no more than its id, or not even that, can be told; ``why`` holds no value of it."""

    amazon_order_id: str | None
    why: str
    raw: Any = field(repr=False)


@dataclass(frozen=True)
class Known:
    """What is stored of an order: its newest fact, and the history that its next disposition depends on."""

    order_id: str
    fact: OrderImported | None = None
    ever_open: bool = False
    """It was at some time waiting or to be imported."""
    switched_off: bool = False
    """It was skipped because import was switched off, and nobody has asked for it since."""
    named: bool = False
    """A back-fill has taken it in: it may be older than the connection's start date."""
    personal_until: datetime | None = None
    """When what the vault holds of it is to be deleted; None when the vault holds nothing."""

    @property
    def seq(self) -> int:
        return self.fact.seq if self.fact else 0


@dataclass(frozen=True)
class Change:
    """What one version of an order changes: the state to store, and, where they changed, its fact and vault content."""

    known: Known
    fact: OrderImported | None = None
    personal: PersonalData | None = None

    @property
    def published(self) -> bool:
        return self.fact is not None


def body_of(raw: Any) -> bytes:
    """The JSON to keep of an order that is parked; in ASCII, so that no text in it is refused."""
    return json.dumps(raw, separators=(",", ":")).encode()
