"""The shop of a connection: its credentials from the vault, its variants in the matcher's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime

from orderbridge import shopify
from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged

from ..domain.catalogue import Entry, Page
from ..domain.exporting import Export

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

    async def start_export(self, connection: ConnectionChanged) -> Export:
        return _export(await self._client.start_export(await self._keys.of(connection)))

    async def export(self, connection: ConnectionChanged, operation: str) -> Export | None:
        found = await self._client.export(await self._keys.of(connection), operation)
        return _export(found) if found is not None else None

    async def exported(self, url: str) -> AsyncIterator[Entry]:
        async for variant in self._client.exported(url):
            yield _entry(variant)

    async def page(self, connection: ConnectionChanged, after: str | None, since: datetime | None) -> Page:
        page = await self._client.variants_page(await self._keys.of(connection), after, updated_since=since)
        return Page(tuple(_entries(page.variants)), page.next, page.newest)

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> list[Entry]:
        found = await self._client.find_by_sku(await self._keys.of(connection), list(skus))
        return _entries(variant for variants in found.values() for variant in variants)

    async def with_ids(self, connection: ConnectionChanged, variant_ids: Collection[str]) -> list[Entry]:
        found = await self._client.variants_by_id(await self._keys.of(connection), list(variant_ids))
        return _entries(found.values())

    async def of_product(self, connection: ConnectionChanged, product_id: str) -> list[Entry]:
        return _entries(await self._client.variants_of_product(await self._keys.of(connection), product_id))


def _export(export: shopify.Export) -> Export:
    failed = export.over and not export.complete
    why = f"{export.status}{f', {export.error}' if export.error else ''}"
    return Export(export.gid, export.created_at, export.complete, failed, export.url, why)


def _entries(variants: Iterable[shopify.Variant]) -> list[Entry]:
    return [_entry(variant) for variant in variants]


def _entry(variant: shopify.Variant) -> Entry:
    return Entry(
        variant_id=variant.variant_id,
        product_id=variant.product_id,
        sku=_storable(variant.sku or "").strip() or None,
        title=_storable(variant.title),
        product_title=_storable(variant.product_title),
        status=variant.status,
        updated_at=variant.updated_at,
        options=tuple((_storable(name), _storable(value)) for name, value in variant.options),
        limited=variant.tracked and variant.policy != "CONTINUE",
    )


def _storable(text: str) -> str:
    """PostgreSQL takes every character but NUL; one odd title must not stop a whole catalogue."""
    return text.replace("\0", "")
