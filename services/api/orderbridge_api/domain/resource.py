"""The order resource: what REST answers and what ``orders.status.v1`` carries (contract section 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from orderbridge.events import Attention, Candidate, Event, MatchStep, Reason, Reservation, ShopifyOrder, Target
from orderbridge.money import Money
from orderbridge.status import Status


class ShownMatch(Event):
    rule: Literal["mapping", "sku", "title"] | None
    targets: tuple[Target, ...]
    candidates: tuple[Candidate, ...]
    path: tuple[MatchStep, ...]
    """The rules in the order they were tried; the last one won, or none did."""


class ShownLine(Event):
    """A line as Amazon sends it, and what the match that answers the newest import makes of it."""

    amazon_sku: str | None
    asin: str | None
    title: str | None
    quantity: int
    unit_price: Money | None
    match: ShownMatch | None
    reason: Reason | None


class Action(Event):
    """Whether a mode may be asked for now; ``code`` is what a 409 would say."""

    allowed: bool
    code: str | None
    remedy: str | None


class Actions(Event):
    """Only the modes that are built."""

    retry: Action
    force: Action
    rematch: Action
    refetch: Action


class OrderResource(Event):
    """An order now. What is not known is null, never invented."""

    order_id: str
    connection_id: str
    amazon_order_id: str
    marketplace_id: str | None
    status: Status
    reason: Reason | None
    attention: tuple[Attention, ...]
    fulfilled_by: Literal["merchant", "amazon", "unknown"] | None
    amazon_status: str | None
    purchased_at: datetime | None
    ship_by: datetime | None
    total: Money | None
    lines: tuple[ShownLine, ...] | None
    reservation: Reservation | None
    shopify: ShopifyOrder | None
    attempts: int | None
    actions: Actions
    version: int
    updated_at: datetime
