"""The creator's own settings (contract section 8)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orderbridge.http import require_safe_url
from orderbridge.settings import Port, ServiceSettings
from orderbridge.shopify import DEFAULT_BASE_URL

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Settings(ServiceSettings):
    """Times are seconds."""

    orderbridge_shopify_url: str = Field(
        default=DEFAULT_BASE_URL, description="base address of Shopify; {shop} stands for the shop's whole domain"
    )
    orderbridge_settle_s: Seconds = Field(
        default=120, description="how long an open outcome rests before it is looked up"
    )
    orderbridge_shopify_deadline_s: Seconds = Field(default=30, description="how long one orderCreate may take")
    orderbridge_shopify_late_s: Seconds = Field(
        default=60, description="how long after its deadline Shopify may still carry out a request"
    )
    orderbridge_shopify_lookup_lag_s: Seconds = Field(
        default=5, description="how long after its creation a look-up may miss an order"
    )
    orderbridge_stock_reread_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = Field(
        default=300, description="how often the stock of what orders wait for is read again"
    )
    orderbridge_health_port: Port = 9103

    @model_validator(mode="after")
    def _settles_long_enough(self) -> Self:
        least = (
            self.orderbridge_shopify_deadline_s
            + self.orderbridge_shopify_late_s
            + self.orderbridge_shopify_lookup_lag_s
        )
        if self.orderbridge_settle_s < least:
            raise ValueError(
                f"ORDERBRIDGE_SETTLE_S is {self.orderbridge_settle_s:g}, less than the sum of "
                f"ORDERBRIDGE_SHOPIFY_DEADLINE_S, ORDERBRIDGE_SHOPIFY_LATE_S and ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S, "
                f"{least:g}: an order could be sent twice; raise the first or lower the others"
            )
        return self

    @model_validator(mode="after")
    def _speaks_to_shopify_safely(self) -> Self:
        require_safe_url(
            "ORDERBRIDGE_SHOPIFY_URL", self.orderbridge_shopify_url.replace("{shop}", "shop.myshopify.com")
        )
        return self
