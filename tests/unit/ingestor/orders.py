"""Builders of what Amazon tells: each names only what a test cares about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orderbridge.events import ImportedLine
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge_ingestor.domain.disposition import Policy
from orderbridge_ingestor.domain.orders import Known, Snapshot, Told
from tests.support.facts import ORDER, at, usd

US = "ATVPDKIKX0DER"
HOME = DeliveryAddress(name="Ada Invented", line1="1 Example Street", city="Springfield", country="US")
BUYER = PersonalData(buyer_name="Ada Invented", buyer_email="ada@marketplace.example", address=HOME)
LINE = ImportedLine(
    order_item_id="1", amazon_sku="MUG", title="Mug", quantity=1, unit_price=usd("10.00"), total=usd("10.00")
)


def told(**more: Any) -> Told:
    values: dict[str, Any] = {
        "status": "UNSHIPPED",
        "fulfilled_by": "merchant",
        "marketplace_id": US,
        "sales_channel": "AMAZON",
        "purchased_at": at(-60),
    }
    return Told(**(values | more))


def snapshot(
    last_updated_at: datetime | None = None, lines: tuple[ImportedLine, ...] = (LINE,), **more: Any
) -> Snapshot:
    """``more`` goes to what the disposition is decided by."""
    return Snapshot(
        told=told(**more),
        last_updated_at=last_updated_at or at(),
        service_level="STANDARD",
        ship_by=at(2880),
        deliver_by=at(5760),
        total=usd("10.00"),
        lines=lines,
    )


def policy(**more: Any) -> Policy:
    return Policy(**({"import_from": at(-10_000)} | more))


def known(**more: Any) -> Known:
    return Known(ORDER, **more)
