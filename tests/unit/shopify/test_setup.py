"""Whether a shop is ready, and the definition that we make there."""

from __future__ import annotations

import json

import pytest

from orderbridge.errors import Blocked
from orderbridge.shopify import FULFILLMENTS_SCOPE
from orderbridge.shopify.answers import DEFINITION

from .shop import BASE, DEMO, ShopUnderTest


async def remake(shop: ShopUnderTest, *scopes: str) -> None:
    """The demo shop anew, with these scopes alone."""
    body = {
        "shop": DEMO.domain,
        "client_id": DEMO.client_id,
        "client_secret": DEMO.client_secret,
        "scopes": list(scopes),
        "variants": 1,
    }
    headers = {"Content-Type": "application/json"}
    answer = await shop.http.send("POST", f"{BASE}/_control/shops", headers=headers, content=json.dumps(body).encode())
    assert answer.status == 201, answer.body


async def test_a_new_shop_lacks_the_definition_and_then_nothing(shop: ShopUnderTest) -> None:
    assert await shop.client.check(DEMO) == [DEFINITION]

    await shop.client.ensure_definition(DEMO)

    assert await shop.client.check(DEMO) == []


async def test_a_definition_that_is_there_is_accepted(shop: ShopUnderTest) -> None:
    await shop.client.ensure_definition(DEMO)
    await shop.client.ensure_definition(DEMO)

    assert (await shop.calls())["metafieldDefinitionCreate"] == 1


async def test_a_definition_that_somebody_made_just_before_is_accepted(shop: ShopUnderTest) -> None:
    await shop.client.ensure_definition(DEMO)

    await shop.client._create_definition(DEMO)

    assert await shop.client.check(DEMO) == []


async def test_a_refused_definition_is_misconfigured_and_named(shop: ShopUnderTest) -> None:
    await shop.control("POST", "settings", definition_allowed=False)

    with pytest.raises(Blocked) as caught:
        await shop.client.ensure_definition(DEMO)

    assert caught.value.state == "misconfigured"
    assert DEFINITION in caught.value.missing


async def test_each_missing_scope_is_named(shop: ShopUnderTest) -> None:
    await remake(shop, "write_orders", "read_orders", "read_products")
    await shop.client.ensure_definition(DEMO)

    assert await shop.client.check(DEMO) == ["scope read_inventory", "scope read_locations"]


async def test_a_scope_that_a_setting_needs_is_asked_for_with_that_setting_only(shop: ShopUnderTest) -> None:
    await remake(shop, "write_orders", "read_products", "read_inventory", "read_locations")
    await shop.client.ensure_definition(DEMO)

    assert await shop.client.check(DEMO) == []
    assert await shop.client.check(DEMO, also=(FULFILLMENTS_SCOPE,)) == [f"scope {FULFILLMENTS_SCOPE}"]


async def test_a_definition_of_another_type_is_misconfigured(shop: ShopUnderTest) -> None:
    definition = {
        "name": "Mine",
        "namespace": "$app",
        "key": "amazon_order_id",
        "type": "single_line_text_field",
        "ownerType": "ORDER",
    }
    await shop.client.execute(DEMO, "metafield_definition_create", {"definition": definition}, cost=10)

    with pytest.raises(Blocked, match="another type"):
        await shop.client.ensure_definition(DEMO)
    assert await shop.client.check(DEMO) == [DEFINITION]
