"""The REST contract, as the api itself describes it."""

from __future__ import annotations

from typing import Any

from orderbridge_api.app import create_app_for_docs


def openapi_document() -> dict[str, Any]:
    """The api's OpenAPI document, made without opening a connection to anything."""
    return create_app_for_docs().openapi()
