"""A connection: one Amazon authorisation, one Shopify shop, and the settings between them (contract section 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Region = Literal["na", "eu", "fe"]
ShopDomain = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$", max_length=100)]
MarketplaceId = Annotated[str, Field(pattern=r"^[A-Z0-9]{8,20}$")]
NamePrefix = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
ServiceLevel = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=64)]
ShippingTitle = Annotated[
    str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")
]
TaxMode = Literal["auto", "included", "excluded"]
CustomerEmail = Literal["none", "amazon"]
LocationId = Annotated[str, Field(pattern=r"^gid://shopify/Location/[0-9]{1,19}$")]


class AmazonAccount(BaseModel):
    """The Amazon side, without its secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    region: Region
    seller_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{5,32}$")]
    marketplace_ids: tuple[MarketplaceId, ...] = Field(min_length=1, max_length=50)


class ShopifyAccount(BaseModel):
    """The Shopify side, without its secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    shop: ShopDomain


class ConnectionSettings(BaseModel):
    """How orders travel between the two; every setting has a default, an unknown one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    import_enabled: bool = True
    import_from: datetime | None = Field(default=None, description="the moment the connection was added when absent")
    marketplaces: tuple[MarketplaceId, ...] | None = Field(
        default=None, description="all of the authorisation when absent"
    )
    import_fulfilled_by_amazon: bool = False
    poll_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    overlap_s: Annotated[int, Field(ge=0, le=86_400)] = 600
    safety_lag_s: Annotated[int, Field(ge=120, le=86_400)] = 180
    hold_stock_while_pending: bool = Field(
        default=False, description="on: units of orders that wait at Amazon are moved from available to reserved"
    )
    wake_on_restock: bool = Field(
        default=True, description="off: orders without stock wait for the Export button, whatever is restocked"
    )
    match_drafts: bool = False
    order_name: NamePrefix | None = Field(
        default=None,
        description="stands before the Amazon order id in the order's name; Shopify's own name when absent",
    )
    customer_email: CustomerEmail = Field(
        default="none", description="amazon: the buyer's address at Amazon's relay goes on the order; nobody is mailed"
    )
    tax_mode: TaxMode = Field(
        default="auto",
        description="whether prices include tax: told by the sums of each order, or held where they say otherwise",
    )
    shipping_map: dict[ServiceLevel, ShippingTitle] = Field(
        default={}, max_length=50, description="Amazon's service level to the title of the Shopify shipping line"
    )
    unmatched_lines: Literal["hold"] = "hold"
    on_cancel: Literal["flag", "cancel_and_restock"] = Field(
        default="flag", description="what becomes of the Shopify order when Amazon cancels an order that is created"
    )
    location_id: LocationId | None = Field(
        default=None, description="the Shopify location that fulfils new orders; Shopify's choice when absent"
    )
