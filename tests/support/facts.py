"""Builders of facts: each names only what a test cares about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from orderbridge.events import (
    CreationFact,
    Disposition,
    ImportedLine,
    LineMatch,
    OrderCreated,
    OrderFailed,
    OrderImported,
    OrderMatched,
    OrderProgress,
    OrderUnmatched,
    Reason,
    ShopifyOrder,
    Target,
)
from orderbridge.money import Money

ORDER = "main:113-1234567-7654321"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(minutes: float = 0) -> datetime:
    return NOON + timedelta(minutes=minutes)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def imported(seq: int = 1, kind: str = "import", reason: str | None = None, **more: Any) -> OrderImported:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "disposition": Disposition.model_validate({"kind": kind, "reason": reason}),
        "amazon_status": "UNSHIPPED",
        "fulfilled_by": "merchant",
        "marketplace_id": "ATVPDKIKX0DER",
        "purchased_at": at(-60),
        "ship_by": at(2880),
        "total": usd("10.00"),
        "lines": (
            ImportedLine(
                order_item_id="1",
                amazon_sku="MUG",
                asin="B000000001",
                title="Mug",
                quantity=1,
                unit_price=usd("10.00"),
                total=usd("10.00"),
            ),
        ),
    }
    return OrderImported(**(values | more))


def matched(seq: int = 1, imported_seq: int = 1, **more: Any) -> OrderMatched:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "imported_seq": imported_seq,
        "lines": (
            LineMatch(
                order_item_id="1",
                amazon_sku="MUG",
                rule="sku",
                targets=(Target(variant_id="gid://shopify/ProductVariant/1", shopify_sku="MUG", quantity=1),),
            ),
        ),
    }
    return OrderMatched(**(values | more))


def unmatched(seq: int = 1, imported_seq: int = 1, code: str = "sku_not_found", **more: Any) -> OrderUnmatched:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "imported_seq": imported_seq,
        "reason": Reason(code=code, message="No variant has the SKU MUG."),
    }
    return OrderUnmatched(**(values | more))


def progress(phase: str, seq: int = 1, imported_seq: int = 1, match_seq: int = 1, **more: Any) -> CreationFact:
    values = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "imported_seq": imported_seq,
        "match_seq": match_seq,
        "phase": phase,
    }
    return OrderProgress.model_validate(values | more)


def created(seq: int = 1, match_seq: int = 1, **more: Any) -> OrderCreated:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "imported_seq": 1,
        "match_seq": match_seq,
        "attempts": 1,
        "shopify": ShopifyOrder(order_id="gid://shopify/Order/1", name="#1001"),
    }
    return OrderCreated(**(values | more))


def failed(seq: int = 1, match_seq: int = 1, code: str = "unable_to_reserve_inventory", **more: Any) -> OrderFailed:
    values: dict[str, Any] = {
        "order_id": ORDER,
        "seq": seq,
        "at": at(seq),
        "imported_seq": 1,
        "match_seq": match_seq,
        "attempts": 1,
        "reason": Reason(code=code, message="Unable to reserve inventory: MUG needs 1, 0 are available."),
    }
    return OrderFailed(**(values | more))
