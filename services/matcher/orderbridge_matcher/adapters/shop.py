"""The shop of a connection: its credentials from the vault, its variants in the matcher's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from orderbridge import shopify
from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged

from ..domain.catalogue import Entry, Page

NEEDED = ("scope read_products",)
"""Of what the shop's check may find missing, what the matcher cannot do without."""


class Shops:
    """Reads the variants of all connections' shops."""

    def __init__(self, client: shopify.Shopify, keys: shopify.ShopKeys) -> None:
        self._client = client
        self._keys = keys

    async def try_vendor(self, connection: ConnectionChanged) -> None:
        """See that the shop lets us read its products."""
        shop = await self._keys.of(connection)
        missing = tuple(lack for lack in await self._client.check(shop) if lack in NEEDED)
        if missing:
            raise Blocked("misconfigured", f"{shop.domain} lacks {', '.join(missing)}", missing=missing)

    async def page(self, connection: ConnectionChanged, after: str | None, since: datetime | None) -> Page:
        page = await self._client.variants_page(await self._keys.of(connection), after, updated_since=since)
        return Page(tuple(_entries(page.variants)), page.next, page.newest)

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> list[Entry]:
        found = await self._client.find_by_sku(await self._keys.of(connection), list(skus))
        return _entries(variant for variants in found.values() for variant in variants)

    async def with_ids(self, connection: ConnectionChanged, variant_ids: Collection[str]) -> list[Entry]:
        found = await self._client.variants_by_id(await self._keys.of(connection), list(variant_ids))
        return _entries(found.values())


def _entries(variants: Iterable[shopify.Variant]) -> list[Entry]:
    return [
        Entry(
            variant_id=variant.variant_id,
            product_id=variant.product_id,
            sku=_storable(variant.sku or "").strip() or None,
            title=_storable(variant.title),
            product_title=_storable(variant.product_title),
            status=variant.status,
            updated_at=variant.updated_at,
        )
        for variant in variants
    ]


def _storable(text: str) -> str:
    """PostgreSQL takes every character but NUL; one odd title must not stop a whole catalogue."""
    return text.replace("\0", "")
