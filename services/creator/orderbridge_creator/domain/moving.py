"""Which fulfillment orders of a created order belong to another location than the one that the connection names."""

from __future__ import annotations

from collections.abc import Iterable

from .order import Order
from .outcomes import FulfillmentOrder


def movable(order: Order) -> str | None:
    """The Shopify order whose fulfillment the merchant decides; None when it is canceled, or Amazon fulfils it."""
    if order.phase != "created" or order.fact is None or order.fact.shopify is None or order.imported is None:
        return None
    if order.imported.fulfilled_by == "amazon" or order.imported.disposition.kind == "cancel":
        return None
    return order.fact.shopify.order_id


def elsewhere(found: Iterable[FulfillmentOrder], location_id: str) -> tuple[FulfillmentOrder, ...]:
    return tuple(part for part in found if part.location_id != location_id)
