"""The shop of a connection, as an operator looks into it: its products live, by words or by SKU."""

from __future__ import annotations

from collections.abc import Collection

from orderbridge import shopify
from orderbridge.events import ConnectionChanged

from ..domain.variants import FoundVariant


class Shops:
    """Speaks to the shops of all connections."""

    def __init__(self, client: shopify.Shopify, keys: shopify.ShopKeys) -> None:
        self._client = client
        self._keys = keys

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> dict[str, list[FoundVariant]]:
        found = await self._client.find_by_sku(await self._keys.of(connection), list(skus))
        return {sku: [_found(variant) for variant in variants] for sku, variants in found.items()}

    async def search(self, connection: ConnectionChanged, text: str) -> list[FoundVariant]:
        found = await self._client.search_variants(await self._keys.of(connection), text)
        return [_found(variant) for variant in found]

    async def keep_subscribed(self, connection: ConnectionChanged, base: str, path: str) -> int:
        return await self._client.keep_subscribed(await self._keys.of(connection), base, path)


def _found(variant: shopify.Variant) -> FoundVariant:
    return FoundVariant(
        variant_id=variant.variant_id,
        product_id=variant.product_id,
        shopify_sku=variant.sku,
        title=variant.title,
        product_title=variant.product_title,
        status=variant.status,
    )
