"""What travels on the topics. No field of any event is personal data: that stays in the vault (design section 9).

A reader ignores fields it does not know. Every ``orders.*`` fact is its service's whole present view of the order,
numbered by ``seq`` per order and source, so the newest per source is all a reader needs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from .connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from .money import Money

Service = Literal["ingestor", "matcher", "creator", "api"]
Mode = Literal["retry", "rematch", "force", "refetch"]
"""What an operator asks of an order that may lead to another match and another attempt."""
Rule = Literal["mapping", "sku", "title"]


class Event(BaseModel):
    """A record's value; frozen, and tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Reason(Event):
    """Why an order is where it is: a code of the contract, one plain sentence, and details for a program."""

    code: str
    message: str
    details: dict[str, Any] = {}


class Attention(Event):
    """What a person should see on an order whatever its status (contract section 4)."""

    code: str
    message: str
    since: datetime


class Fact(Event):
    """A service's whole view of one order; ``seq`` is dense from 1 per order and source."""

    order_id: str
    source: Service
    seq: int
    at: datetime
    command_id: str | None = None
    """The command that caused this fact, if any."""


# --- the ingestor's view


class Disposition(Event):
    """What the ingestor makes of Amazon's words: import it, wait, skip it, or it is canceled."""

    kind: Literal["import", "wait", "skip", "cancel"]
    reason: str | None = None


class BreakdownDetail(Event):
    subtype: str
    value: Money


class Breakdown(Event):
    """One kind of proceeds: Amazon's ``type`` as sent, its subtotal, and for TAX and DISCOUNT what it is of."""

    type: str
    subtotal: Money
    details: tuple[BreakdownDetail, ...] = ()
    pending: bool = False
    """A delivery tip that may change still."""


class ImportedLine(Event):
    """One order item as Amazon sends it. ``quantity`` counts units; ``total`` is the whole line's proceeds."""

    order_item_id: str
    amazon_sku: str | None = None
    asin: str | None = None
    title: str | None = None
    quantity: int
    unit_price: Money | None = None
    total: Money | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    tax_remitted_by_amazon: bool = False
    points_granted: int | None = None
    """Amazon points that the sale gives the buyer (Japan): the seller's expense, no discount."""
    ioss_number: str | None = None
    gift_wrap: str | None = None
    """Amazon's word for the wrapping that the buyer chose."""


class OrderImported(Fact):
    """What Amazon says of the order now, and its disposition."""

    source: Literal["ingestor"] = "ingestor"
    disposition: Disposition
    personal_data_rev: int = 0
    """Counted up when what the vault holds of the order changes; 0 when it holds nothing."""
    amazon_status: str | None = None
    fulfilled_by: Literal["merchant", "amazon", "unknown"] = "unknown"
    marketplace_id: str | None = None
    sales_channel: str | None = None
    service_level: str | None = None
    programs: tuple[str, ...] = ()
    purchased_at: datetime | None = None
    last_updated_at: datetime | None = None
    ship_by: datetime | None = None
    replaces: str | None = None
    """The Amazon order that this one replaces or exchanges."""
    cancel_requested_at: datetime | None = None
    """Amazon's time of the first revision in which the buyer asks to cancel; None: he does not, or not any more."""
    total: Money | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    """The order's own, beside those of its lines (a delivery tip, and sums over the lines)."""
    lines: tuple[ImportedLine, ...] = ()


# --- the matcher's view


class Target(Event):
    """A variant and how many of it one line takes."""

    variant_id: str
    shopify_sku: str | None = None
    quantity: int


class Candidate(Event):
    """A variant that might be meant: a suggestion for a person, never a match."""

    variant_id: str
    shopify_sku: str | None = None
    title: str | None = None


class MatchStep(Event):
    """One rule that was tried for a line: what was compared, and in a plain sentence why it won or lost."""

    rule: Rule
    looked_for: str | None = None
    won: bool
    why: str


class LineMatch(Event):
    """How one line was matched (``rule`` and ``targets``), or why it was not (``reason`` and ``candidates``)."""

    order_item_id: str
    amazon_sku: str | None = None
    quantity: int | None = None
    """Units that the line ordered when it was matched; what each target takes is the target's."""
    rule: Rule | None = None
    mapping_rev: int | None = None
    """The revision of the mapping that the rule ``mapping`` followed."""
    targets: tuple[Target, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    reason: Reason | None = None
    path: tuple[MatchStep, ...] = ()
    """The rules in the order they were tried; the last one won, or none did."""


class MatchFact(Fact):
    """A match or its failure; answers the import numbered ``imported_seq``; ``mode`` is its command's."""

    source: Literal["matcher"] = "matcher"
    imported_seq: int
    mode: Mode | None = None
    lines: tuple[LineMatch, ...] = ()


class OrderMatched(MatchFact):
    """A variant and quantity for every line, and by which rule."""


class OrderUnmatched(MatchFact):
    """Which lines found none or several, and why; ``reason`` is the order's, each line keeps its own."""

    reason: Reason


# --- the creator's view


class ReservedLine(Event):
    """One line's part of a reservation: units needed and, where stock was read, units available."""

    order_item_id: str | None = None
    variant_id: str
    shopify_sku: str | None = None
    quantity: int
    available: int | None = None


class Reservation(Event):
    state: Literal["claimed", "refused", "held", "released"]
    lines: tuple[ReservedLine, ...] = ()
    at: datetime


class ShopifyOrder(Event):
    """The order at Shopify: its gid, its name (``#1001``), and where a person can look at it."""

    order_id: str
    name: str | None = None
    admin_url: str | None = None


class MadeItem(Event):
    """Units of one order item."""

    order_item_id: str
    amazon_sku: str | None = None
    quantity: int


class MadeOf(Event):
    """What of Amazon's order the Shopify order was made of: what differs from it now has changed since."""

    total: Money | None = None
    items: tuple[MadeItem, ...] = ()
    personal_data_rev: int = 0


class CreationFact(Fact):
    """The creation's phase, of the import and match it answers; ``attempts`` counts what was sent to Shopify."""

    source: Literal["creator"] = "creator"
    imported_seq: int | None = None
    match_seq: int | None = None
    mode: Mode | None = None
    phase: Literal["planned", "sending", "unknown", "holding", "resolved", "canceled", "created", "failed"]
    attempts: int = 0
    reservation: Reservation | None = None
    shopify: ShopifyOrder | None = None
    """The order at Shopify, of one that was created, and stays with one that was canceled afterwards."""
    made_of: MadeOf | None = None
    """Of the newest attempt that was sent; of an order that was linked by hand what was known of it then."""
    attention: tuple[Attention, ...] = ()


class OrderProgress(CreationFact):
    """On its way, or closed without an order."""

    phase: Literal["planned", "sending", "unknown", "holding", "resolved", "canceled"]


class OrderCreated(CreationFact):
    """The Shopify order exists."""

    phase: Literal["created"] = "created"
    shopify: ShopifyOrder


class OrderFailed(CreationFact):
    """Why it was not created."""

    phase: Literal["failed"] = "failed"
    reason: Reason


# --- commands


CommandMode = Literal["retry", "rematch", "force", "refetch", "resolve", "cancel", "replay", "backfill"]


class BackfillAsked(Event):
    """What a back-fill takes in: orders created in a range of time, both ends included, or orders by their ids."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    amazon_order_ids: tuple[str, ...] = ()


class BackfillProgress(Event):
    """How far a back-fill is, in orders; ``done`` is the part of what was asked for that is behind it, 0 to 1."""

    orders: int = 0
    """Orders that Amazon showed."""
    published: int = 0
    """Of them, those of which something was new."""
    parked: int = 0
    not_found: int = 0
    refused: int = 0
    done: float = 0.0


class Command(Event):
    """What an operator wants.

    ``retry``, ``rematch`` and ``force`` are the matcher's, ``refetch`` the ingestor's, ``resolve`` and ``cancel`` the
    creator's; ``replay`` carries the parked message's id and the service that keeps it. ``backfill`` is the
    ingestor's, of a connection instead of an order.
    """

    command_id: str
    order_id: str | None = None
    connection_id: str
    mode: CommandMode
    reason: str | None = None
    actor: str
    at: datetime
    service: Service | None = None
    parked_id: str | None = None
    shopify_order_id: str | None = None
    """Of ``resolve``: the gid of the Shopify order that it is linked to; None: it was handled elsewhere."""
    restock: bool = True
    """Of ``cancel``: whether the units go back to stock."""
    backfill: BackfillAsked | None = None


class CommandEnded(Event):
    """Done, with the status that answers it, or rejected with a code of contract section 4."""

    command_id: str
    order_id: str | None = None
    connection_id: str
    service: Service
    state: Literal["done", "rejected"]
    outcome: str | None = None
    reason: Reason | None = None
    progress: BackfillProgress | None = None
    """Of a back-fill: how far it came."""
    at: datetime


# --- connections


class ConnectionChanged(Event):
    """A connection's settings, never a secret; ``rev`` counts changes, ``check`` numbers the newest check asked for."""

    connection_id: str
    rev: int
    check: int = 0
    secrets_rev: int = 0
    """Counted up when a secret changes, so that workers drop the tokens they hold."""
    amazon: AmazonAccount
    shopify: ShopifyAccount
    settings: ConnectionSettings
    added_at: datetime
    at: datetime


class ConnectionRemoved(Event):
    """What the tombstone of a connection says; it travels as one, never as a value."""

    connection_id: str
    rev: int


class ConnectionStatus(Event):
    """How one worker gets on with a connection; ``check`` is the newest check that this answers."""

    connection_id: str
    service: Service
    rev: int
    state: Literal["ok", "unauthorized", "misconfigured"]
    message: str | None = None
    missing: tuple[str, ...] = ()
    check: int = 0
    last_poll_at: datetime | None = None
    lag_s: float | None = None
    quota_left: float | None = None
    backfills: dict[str, BackfillProgress] = {}
    """Those under way, by their commands."""
    at: datetime


# --- the shop's products and stock, and how an operator maps SKUs to them


class ShopChanged(Event):
    """A product, variant, inventory item or order at Shopify changed or went away; what it is now, Shopify says.

    ``subject`` is its gid. Words about the same subject come in any order and more than once.
    """

    connection_id: str
    source: Service
    kind: Literal["product", "variant", "inventory_item", "order"]
    subject: str
    change: Literal["changed", "gone"] = "changed"
    changed_at: datetime | None = None
    """By Shopify's clock, where it says so."""
    at: datetime


class MappingTarget(Event):
    """A Shopify SKU, and how many units of it one unit of the Amazon SKU is."""

    shopify_sku: str
    units: int


class SkuMapping(Event):
    """What an Amazon SKU is at Shopify; ``rev`` counts its changes. Without targets it was deleted.

    It holds for orders purchased from ``valid_from`` on and before ``valid_until``; None is no bound.
    """

    connection_id: str
    amazon_sku: str
    rev: int
    targets: tuple[MappingTarget, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    at: datetime | None = None


# --- parked messages


class MessageParked(Event):
    """A message, or a piece of due work, that we gave up on: its coordinates and reason, never its body."""

    parked_id: str
    service: Service
    """The service that keeps it, and that replays it."""
    state: Literal["parked", "replayed", "superseded"]
    order_id: str | None = None
    connection_id: str | None = None
    origin: str
    """Where it came from: a topic, or ``due:<kind>``, or ``amazon``."""
    partition: int | None = None
    offset: int | None = None
    message_source: str | None = None
    """The source of the fact that could not be taken; a newer readable one of the same source supersedes it."""
    message_seq: int | None = None
    reason: str
    at: datetime
