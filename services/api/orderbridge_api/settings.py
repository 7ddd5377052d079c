"""The api's settings (contract section 8)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from orderbridge.http import require_safe_url
from orderbridge.settings import Port, ServiceSettings
from orderbridge.shopify import DEFAULT_BASE_URL


class Settings(ServiceSettings):
    orderbridge_admin_key: Annotated[
        SecretStr, Field(min_length=16, max_length=500, description="the first admin API key, at least 16 characters")
    ]
    orderbridge_shopify_url: str = Field(
        default=DEFAULT_BASE_URL, description="base address of Shopify; {shop} stands for the shop's whole domain"
    )
    orderbridge_public_url: str | None = Field(
        default=None, description="the api's address from outside; Shopify's webhooks are subscribed to it"
    )
    orderbridge_api_port: Port = Field(8080, description="where the api, its health and its metrics are served")

    @model_validator(mode="after")
    def _names_safe_addresses(self) -> Self:
        shop = self.orderbridge_shopify_url.replace("{shop}", "shop.myshopify.com")
        require_safe_url("ORDERBRIDGE_SHOPIFY_URL", shop)
        if self.orderbridge_public_url is not None:
            require_safe_url("ORDERBRIDGE_PUBLIC_URL", self.orderbridge_public_url)
        return self
