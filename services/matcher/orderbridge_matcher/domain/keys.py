"""What an order can depend on, each as a number: a change of the thing named concerns just the orders that have it.

The numbers are digests, so that a database finds them fast however long the texts are. Two things that share one only
cause an order to be looked at in vain.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NewType

Key = NewType("Key", int)
"""Fits a signed 64-bit integer."""


def of_sku(shopify_sku: str) -> Key:
    """A variant gets or loses the SKU."""
    return _digest("sku", shopify_sku)


def of_mapping(amazon_sku: str) -> Key:
    """An operator maps the Amazon SKU otherwise."""
    return _digest("mapping", amazon_sku)


def of_variant(variant_id: str) -> Key:
    """The variant changes its SKU, is taken off sale, or goes away."""
    return _digest("variant", variant_id)


def of_title(product_key: str) -> Key:
    """A product with this folded title appears, changes, or goes away."""
    return _digest("title", product_key)


@lru_cache(maxsize=10_000)
def _digest(kind: str, name: str) -> Key:
    said = f"{kind}:{name}".encode("utf-8", "surrogatepass")
    return Key(int.from_bytes(blake2b(said, digest_size=8).digest(), "big", signed=True))
