"""What the vault holds of an order: everything that is personal, and nothing else (design section 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

TAX_NUMBER: Final = "amazon_tax_number"
"""How the note attributes of a Shopify order begin that hold a tax registration."""


class _Personal(BaseModel):
    """Shows no value in a ``repr``, a traceback or a validation error."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from ()


class DeliveryAddress(_Personal):
    """Amazon's delivery address as sent; a field that Amazon did not send, or sent empty, is None."""

    name: str | None = None
    company: str | None = None
    line1: str | None = None
    line2: str | None = None
    line3: str | None = None
    city: str | None = None
    district: str | None = None
    municipality: str | None = None
    neighborhood: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    """Two letters, ISO 3166-1."""
    phone: str | None = None


class PersonalData(_Personal):
    """Written by the ingestor with :meth:`to_bytes`, read by the creator with :meth:`from_bytes`."""

    buyer_name: str | None = None
    buyer_email: str | None = None
    company: str | None = None
    """The buyer's company; the recipient's is in the address."""
    address: DeliveryAddress | None = None
    delivery_instructions: str | None = None
    purchase_order: str | None = None
    gift_messages: Mapping[str, str] = {}
    """Message by order item id."""
    customization_urls: Mapping[str, str] = {}
    """Link by order item id."""
    tax_registrations: tuple[Mapping[str, Any], ...] = ()
    """As Amazon sends them."""

    def to_bytes(self) -> bytes:
        """JSON, the same bytes for the same values."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> PersonalData:
        return cls.model_validate_json(stored)
