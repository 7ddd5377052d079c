"""The ingestor's own settings (contract section 8)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from orderbridge.http import require_safe_url
from orderbridge.settings import Port, ServiceSettings


class Settings(ServiceSettings):
    """Without the addresses, each connection's region decides."""

    orderbridge_amazon_url: str | None = Field(
        default=None, description="base address of the Selling Partner API, instead of the region's own"
    )
    orderbridge_lwa_url: str = Field(default="https://api.amazon.com", description="base address of Login with Amazon")
    orderbridge_health_port: Port = 9101

    @model_validator(mode="after")
    def _speaks_to_amazon_safely(self) -> Self:
        require_safe_url("ORDERBRIDGE_LWA_URL", self.orderbridge_lwa_url)
        if self.orderbridge_amazon_url is not None:
            require_safe_url("ORDERBRIDGE_AMAZON_URL", self.orderbridge_amazon_url)
        return self
