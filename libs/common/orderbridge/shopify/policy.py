"""What the connection's settings mean for the orders that are made; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..connections import ConnectionSettings, CustomerEmail, TaxMode


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """The settings that bear on an order's input, by their names in the contract."""

    order_name: str | None = None
    customer_email: CustomerEmail = "none"
    tax_mode: TaxMode = "auto"
    shipping_map: Mapping[str, str] = field(default_factory=dict)


def order_policy(settings: ConnectionSettings) -> OrderPolicy:
    return OrderPolicy(
        order_name=settings.order_name,
        customer_email=settings.customer_email,
        tax_mode=settings.tax_mode,
        shipping_map=settings.shipping_map,
    )
