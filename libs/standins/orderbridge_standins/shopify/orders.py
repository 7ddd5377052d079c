"""Orders as the shop holds them, with the sums that Shopify derives from what was sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from .gids import gid
from .money import MoneyBag, bag, summed
from .stock import Claim, InventoryItem, Location


@dataclass(frozen=True, slots=True)
class Attribute:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class TaxLine:
    title: str
    rate: Decimal
    channel_liable: bool
    price_set: MoneyBag

    @property
    def rate_percentage(self) -> Decimal:
        return self.rate * 100


@dataclass(frozen=True, slots=True)
class LineItem:
    kind: ClassVar[str] = "LineItem"
    id: int
    variant_id: int | None
    product_id: int | None
    title: str
    variant_title: str | None
    sku: str | None
    vendor: str | None
    quantity: int
    requires_shipping: bool
    taxable: bool
    original_unit_price_set: MoneyBag
    custom_attributes: tuple[Attribute, ...]
    tax_lines: tuple[TaxLine, ...]
    is_gift_card = False

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def name(self) -> str:
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title

    @property
    def original_total_set(self) -> MoneyBag:
        unit = self.original_unit_price_set
        return bag(unit.amount * self.quantity, unit.shop_money.currency_code)

    @property
    def discounted_unit_price_set(self) -> MoneyBag:
        """Lines carry no discount of their own in ``orderCreate``; a code stands beside them."""
        return self.original_unit_price_set

    @property
    def discounted_total_set(self) -> MoneyBag:
        return self.original_total_set


@dataclass(frozen=True, slots=True)
class ShippingLine:
    id: int
    title: str
    code: str | None
    source: str | None
    original_price_set: MoneyBag
    tax_lines: tuple[TaxLine, ...]

    @property
    def gid(self) -> str:
        return gid("ShippingLine", self.id)

    @property
    def discounted_price_set(self) -> MoneyBag:
        return self.original_price_set


@dataclass(frozen=True, slots=True)
class Transaction:
    kind: str
    id: int
    status: str
    gateway: str | None
    test: bool
    amount_set: MoneyBag
    created_at: datetime
    processed_at: datetime

    @property
    def gid(self) -> str:
        return gid("OrderTransaction", self.id)


@dataclass(frozen=True, slots=True)
class Metafield:
    kind: ClassVar[str] = "Metafield"
    id: int
    namespace: str
    key: str
    type: str
    value: str
    created_at: datetime
    owner_type: str = "ORDER"

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def updated_at(self) -> datetime:
        return self.created_at


@dataclass(frozen=True, slots=True)
class MailingAddress:
    kind: ClassVar[str] = "MailingAddress"
    id: int
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code_v2: str | None = None
    phone: str | None = None

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def name(self) -> str | None:
        return " ".join(part for part in (self.first_name, self.last_name) if part) or None

    @property
    def province(self) -> str | None:
        return self.province_code

    @property
    def country(self) -> str | None:
        return self.country_code_v2


@dataclass(eq=False, slots=True)
class FulfillmentLine:
    """Units of one line of the order; a line that is split over locations has one in each fulfillment order."""

    kind: ClassVar[str] = "FulfillmentOrderLineItem"
    id: int
    line_item: LineItem
    inventory_item: InventoryItem | None
    total_quantity: int
    part: "FulfillmentOrder" = field(init=False)

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def sku(self) -> str | None:
        return self.line_item.sku

    @property
    def inventory_item_id(self) -> str | None:
        return self.inventory_item.gid if self.inventory_item else None

    @property
    def remaining_quantity(self) -> int:
        return self.total_quantity if self.part.status == "OPEN" else 0


@dataclass(eq=False, slots=True)
class FulfillmentOrder:
    """What one location is to send of an order, with the units that were claimed there."""

    kind: ClassVar[str] = "FulfillmentOrder"
    id: int
    location: Location
    lines: tuple[FulfillmentLine, ...]
    claims: tuple[Claim, ...]
    created_at: datetime
    updated_at: datetime
    order: "Order" = field(init=False)
    request_status = "UNSUBMITTED"

    def __post_init__(self) -> None:
        for line in self.lines:
            line.part = self

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def order_id(self) -> str:
        return self.order.gid

    @property
    def order_name(self) -> str:
        return self.order.name

    @property
    def assigned_location(self) -> Mapping[str, object]:
        return {"name": self.location.name, "location": self.location}

    @property
    def status(self) -> str:
        done = self.order.closed or self.order.display_fulfillment_status == "FULFILLED"
        return "CLOSED" if done else "OPEN"


@dataclass(eq=False, slots=True)
class Order:
    kind: ClassVar[str] = "Order"
    id: int
    number: int
    name: str
    created_at: datetime
    processed_at: datetime
    updated_at: datetime
    currency_code: str
    presentment_currency_code: str
    taxes_included: bool
    test: bool
    email: str | None
    phone: str | None
    note: str | None
    po_number: str | None
    source_name: str | None
    source_identifier: str | None
    tags: tuple[str, ...]
    custom_attributes: tuple[Attribute, ...]
    shipping_address: MailingAddress | None
    billing_address: MailingAddress | None
    lines: tuple[LineItem, ...]
    shipping: tuple[ShippingLine, ...]
    order_tax_lines: tuple[TaxLine, ...]
    discount_codes: tuple[str, ...]
    goods_discount: Decimal
    shipping_discount: Decimal
    payments: tuple[Transaction, ...]
    stated_financial_status: str | None
    metafields: tuple[Metafield, ...]
    visible_at: float
    """Monotonic second from which the look-up by custom id sees it."""
    fulfillment_orders: tuple[FulfillmentOrder, ...] = ()
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    display_fulfillment_status: str = "UNFULFILLED"
    restocked: bool = False
    by_hand: bool = False
    confirmed: bool = field(default=True)

    def __post_init__(self) -> None:
        for part in self.fulfillment_orders:
            part.order = self

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim for part in self.fulfillment_orders for claim in part.claims)

    @property
    def confirmation_number(self) -> str:
        return f"{self.id % 36**6:09X}"

    @property
    def closed(self) -> bool:
        return self.cancelled_at is not None

    @property
    def closed_at(self) -> datetime | None:
        return self.cancelled_at

    @property
    def fulfillable(self) -> bool:
        return self.cancelled_at is None

    @property
    def requires_shipping(self) -> bool:
        return any(line.requires_shipping for line in self.lines)

    @property
    def tax_lines(self) -> tuple[TaxLine, ...]:
        """The order's own tax lines, or those of its lines and shipping lines, one after the other."""
        if self.order_tax_lines:
            return self.order_tax_lines
        carriers: Iterable[LineItem | ShippingLine] = (*self.lines, *self.shipping)
        return tuple(tax for carrier in carriers for tax in carrier.tax_lines)

    @property
    def goods(self) -> Decimal:
        return sum((line.original_unit_price_set.amount * line.quantity for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return summed(tax.price_set for tax in self.tax_lines)

    @property
    def freight(self) -> Decimal:
        return summed(line.original_price_set for line in self.shipping)

    @property
    def total(self) -> Decimal:
        """Lines, shipping and tax lines as sent, less the discount code; included taxes are not added again."""
        return self.goods + self.freight + (Decimal(0) if self.taxes_included else self.tax) - self.discount

    @property
    def received(self) -> Decimal:
        return summed(p.amount_set for p in self.payments if p.status == "SUCCESS" and p.kind in ("SALE", "CAPTURE"))

    @property
    def display_financial_status(self) -> str | None:
        """What the transactions add up to; without any, what the caller stated (recorded: null when nothing)."""
        if not self.payments:
            return self.stated_financial_status
        if self.received > 0 or self.total == 0:
            return "PAID" if self.received >= self.total else "PARTIALLY_PAID"
        authorised = any(p.kind == "AUTHORIZATION" and p.status == "SUCCESS" for p in self.payments)
        return "AUTHORIZED" if authorised else "PENDING"

    @property
    def outstanding(self) -> Decimal:
        stated_paid = not self.payments and self.stated_financial_status == "PAID"
        return Decimal(0) if stated_paid else max(Decimal(0), self.total - self.received)

    @property
    def fully_paid(self) -> bool:
        return self.outstanding == 0

    @property
    def unpaid(self) -> bool:
        return self.display_financial_status in (None, "PENDING", "AUTHORIZED")

    subtotal_price_set = property(lambda self: self.bag(self.goods - self.goods_discount))
    total_price_set = property(lambda self: self.bag(self.total))
    total_tax_set = property(lambda self: self.bag(self.tax))
    total_shipping_price_set = property(lambda self: self.bag(self.freight))
    total_discounts_set = property(lambda self: self.bag(self.discount))
    total_received_set = property(lambda self: self.bag(self.received))
    total_outstanding_set = property(lambda self: self.bag(self.outstanding))
    total_refunded_set = property(lambda self: self.bag(Decimal(0)))

    @property
    def discount(self) -> Decimal:
        return self.goods_discount + self.shipping_discount

    def bag(self, amount: Decimal) -> MoneyBag:
        return bag(amount, self.currency_code)

    def metafield(self, namespace: str, key: str) -> Metafield | None:
        return next((m for m in self.metafields if (m.namespace, m.key) == (namespace, key)), None)
