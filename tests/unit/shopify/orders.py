"""Builders of imported orders and their matches; they name only what a test cares about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from orderbridge.events import (
    Breakdown,
    BreakdownDetail,
    Disposition,
    ImportedLine,
    LineMatch,
    OrderImported,
    OrderMatched,
    Target,
)
from orderbridge.money import Money
from orderbridge.shopify.order_input import DeliveryAddress, OrderInput, OrderPolicy, PersonalData, build_order_input

ORDER_ID = "main:113-1234567-7654321"
AMAZON_ID = "113-1234567-7654321"
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
VARIANT = "gid://shopify/ProductVariant/{}"

ADDRESS = DeliveryAddress(
    name="Paula Beispiel",
    line1="12 Invented Street",
    line2="Flat 3",
    city="Springfield",
    state="WA",
    postal_code="98101",
    country="US",
    phone="+1 206-555-0123",
)
PERSONAL = PersonalData(address=ADDRESS)


def money(amount: str | int, currency: str = "USD") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def breakdown(kind: str, amount: str, currency: str = "USD", **details: str) -> Breakdown:
    """``details`` by subtype: ``SHIPPING="1.00"``."""
    parts = tuple(BreakdownDetail(subtype=of, value=money(value, currency)) for of, value in details.items())
    return Breakdown(type=kind, subtotal=money(amount, currency), details=parts)


def line(
    total: str | None,
    *breakdowns: Breakdown,
    quantity: int = 1,
    item_id: str = "1",
    currency: str = "USD",
    **more: Any,
) -> ImportedLine:
    return ImportedLine(
        order_item_id=item_id,
        amazon_sku=f"SKU-{item_id}",
        asin="B00EXAMPLE",
        quantity=quantity,
        total=None if total is None else money(total, currency),
        breakdowns=breakdowns,
        **more,
    )


def order(
    total: str | None,
    *lines: ImportedLine,
    currency: str = "USD",
    breakdowns: Sequence[Breakdown] = (),
    fulfilled_by: Literal["merchant", "amazon", "unknown"] = "merchant",
) -> OrderImported:
    return OrderImported(
        order_id=ORDER_ID,
        seq=1,
        at=AT,
        disposition=Disposition(kind="import"),
        fulfilled_by=fulfilled_by,
        marketplace_id="ATVPDKIKX0DER",
        service_level="STANDARD",
        purchased_at=AT,
        ship_by=datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC),
        total=None if total is None else money(total, currency),
        breakdowns=tuple(breakdowns),
        lines=lines,
    )


def matched(imported: OrderImported, targets: dict[str, Sequence[Target]] | None = None) -> OrderMatched:
    """Each line to a variant of its own, but for the lines that ``targets`` names."""
    chosen = targets or {}
    return OrderMatched(
        order_id=imported.order_id,
        seq=1,
        at=AT,
        imported_seq=imported.seq,
        lines=tuple(
            LineMatch(
                order_item_id=each.order_item_id,
                amazon_sku=each.amazon_sku,
                rule="sku",
                targets=tuple(
                    chosen.get(
                        each.order_item_id,
                        (Target(variant_id=VARIANT.format(number), quantity=each.quantity),),
                    )
                ),
            )
            for number, each in enumerate(imported.lines, start=1)
        ),
    )


def built(
    imported: OrderImported, personal: PersonalData | None = PERSONAL, *, forced: bool = False, **settings: Any
) -> dict[str, Any]:
    """The ``order`` of the input; the test fails when the order is held instead. ``settings`` are an OrderPolicy's."""
    made = build_order_input(imported, matched(imported), personal, OrderPolicy(**settings), forced=forced)
    assert isinstance(made, OrderInput), made
    fields: dict[str, Any] = made.variables["order"]
    return fields


def prices(fields: dict[str, Any]) -> list[tuple[int, str]]:
    """``(units, price of one)`` of every line item."""
    return [(item["quantity"], item["priceSet"]["shopMoney"]["amount"]) for item in fields["lineItems"]]


def shipping(fields: dict[str, Any]) -> dict[str, str]:
    """Price by title of every shipping line."""
    return {each["title"]: each["priceSet"]["shopMoney"]["amount"] for each in fields["shippingLines"]}


def taxes(carrier: dict[str, Any]) -> list[tuple[str, bool]]:
    """``(amount, remitted by the channel)`` of every tax line."""
    lines = carrier.get("taxLines", ())
    return [(tax["priceSet"]["shopMoney"]["amount"], tax["channelLiable"]) for tax in lines]
