"""What a shop is made with, and what can be set about it while it runs."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

WebhookMode = Literal["on", "drop", "twice", "reversed"]

ALL_SCOPES: Final = (
    "read_fulfillments",
    "read_inventory",
    "read_locations",
    "read_merchant_managed_fulfillment_orders",
    "read_orders",
    "read_products",
    "write_inventory",
    "write_merchant_managed_fulfillment_orders",
    "write_orders",
)
_TOKEN_LIFE_S: Final = 86_399.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What a shop is made with; remaking it forgets everything that happened since."""

    domain: str
    client_id: str
    client_secret: str
    currency: str = "USD"
    catalogue_seed: int = 1
    variants: int = 300
    scopes: tuple[str, ...] = ALL_SCOPES
    unique_enforced: bool = True
    definition: bool = False


@dataclass(slots=True)
class WebhookSettings:
    mode: WebhookMode = "on"
    attempts: int = 8
    """So many deliveries of one webhook may fail; then its subscription is deleted, as Shopify does after 4 hours."""
    backoff_s: float = 0.5
    """Before the first redelivery; doubled each time, to half a minute at most."""
    timeout_s: float = 5.0


@dataclass(slots=True)
class Settings:
    unique_enforced: bool
    definition_allowed: bool = True
    lookup_lag_s: float = 0.0
    search_lag_s: float = 2.0
    token_life_s: float = _TOKEN_LIFE_S
    silent_until: float = 0.0
    bulk_takes_s: float = 0.2
    bulk_at_once: int = 5
    """Since 2026-01 five of an app's queries may run at a time on a shop."""
    stock_touches_products: bool = False
    """Whether a stock change counts as an update of its product, as Shopify says of tracked ones."""
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)


@dataclass(frozen=True, slots=True)
class SeedOfVariant:
    """A variant to be added; ids are given out by the shop when None."""

    sku: str
    title: str
    options: tuple[tuple[str, str], ...]
    price: Decimal
    available: int
    policy: str = "DENY"
    tracked: bool = True
    variant_id: int | None = None
    inventory_item_id: int | None = None
