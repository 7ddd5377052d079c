"""What an operator sees of a shop: our own client, the stand-in's answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged
from orderbridge.shopify import ShopKeys
from orderbridge_api.adapters.shop import Shops
from tests.support.shopify_standin import SHOP
from tests.unit.shopify.shop import shop_under_test

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MAIN = ConnectionChanged(
    connection_id="main",
    rev=1,
    amazon=AmazonAccount(region="na", seller_id="A1B2C3D4E5", marketplace_ids=("ATVPDKIKX0DER",)),
    shopify=ShopifyAccount(shop=SHOP),
    settings=ConnectionSettings(),
    added_at=NOW,
    at=NOW,
)


async def keys(_: str) -> bytes | None:
    return json.dumps({"client_id": "demo-client", "client_secret": "demo-secret"}).encode()


async def no_keys(_: str) -> bytes | None:
    return None


async def test_a_variant_is_found_by_words_and_by_its_sku_and_told_alike() -> None:
    async with shop_under_test() as shop:
        await shop.control("POST", "settings", search_lag_s=0)
        variants = [{"sku": "LMP-1", "title": "Tall"}]
        await shop.control("POST", "products", title="Invented lamp", status="DRAFT", variants=variants)
        shops = Shops(shop.client, ShopKeys(shop.client, keys))

        [found] = await shops.search(MAIN, "invented lamp")

        assert (found.shopify_sku, found.title, found.product_title, found.status) == (
            "LMP-1",
            "Tall",
            "Invented lamp",
            "DRAFT",
        )
        assert await shops.with_skus(MAIN, ["LMP-1", "NONE"]) == {"LMP-1": [found], "NONE": []}


async def test_a_shop_without_keys_is_blocked() -> None:
    async with shop_under_test() as shop:
        with pytest.raises(Blocked, match="not set"):
            await Shops(shop.client, ShopKeys(shop.client, no_keys)).search(MAIN, "lamp")
