"""The api's settings (contract section 8)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from orderbridge.settings import Port, ServiceSettings


class Settings(ServiceSettings):
    orderbridge_admin_key: Annotated[
        SecretStr, Field(min_length=16, max_length=500, description="the first admin API key, at least 16 characters")
    ]
    orderbridge_api_port: Port = Field(8080, description="where the api, its health and its metrics are served")
