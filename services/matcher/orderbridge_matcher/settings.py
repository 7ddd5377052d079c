"""The matcher's own settings (contract section 8)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from orderbridge.http import require_safe_url
from orderbridge.settings import Port, ServiceSettings
from orderbridge.shopify import DEFAULT_BASE_URL


class Settings(ServiceSettings):
    orderbridge_shopify_url: str = Field(
        default=DEFAULT_BASE_URL, description="base address of Shopify; {shop} stands for the shop's whole domain"
    )
    orderbridge_health_port: Port = 9102

    @model_validator(mode="after")
    def _speaks_to_shopify_safely(self) -> Self:
        require_safe_url(
            "ORDERBRIDGE_SHOPIFY_URL", self.orderbridge_shopify_url.replace("{shop}", "shop.myshopify.com")
        )
        return self
