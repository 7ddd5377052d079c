"""A variant of a shop, as an operator sees it when looking for what an Amazon SKU is."""

from __future__ import annotations

from orderbridge.events import Event


class FoundVariant(Event):
    """``status`` is the product's, in Shopify's words."""

    variant_id: str
    product_id: str
    shopify_sku: str | None
    title: str
    product_title: str
    status: str
