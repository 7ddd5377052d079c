"""Reading variants and stock, whatever Shopify's search makes of a SKU."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbridge.http import open_http
from orderbridge.shopify import Shopify, Variant
from orderbridge.shopify.catalogue import PAGE_COST, quoted
from orderbridge.shopify.client import READ_RESERVE

from .shop import BASE, DEMO, Ledger, ShopUnderTest


async def add_product(shop: ShopUnderTest, *skus: str, **more: Any) -> list[str]:
    """A product with a variant per SKU; gives the variants' ids."""
    variants = [{"sku": sku, "title": f"V{number}", "available": 5} for number, sku in enumerate(skus)]
    made = await shop.control("POST", "products", title="Invented lamp", variants=variants, **more)
    return [each["variant_id"] for each in made["variants"]]


async def all_pages(shop: ShopUnderTest, since: datetime | None = None) -> list[Variant]:
    found: list[Variant] = []
    cursor = None
    while True:
        page = await shop.client.variants_page(DEMO, cursor, updated_since=since)
        found += page.variants
        if (cursor := page.next) is None:
            return found


async def test_page_by_page_every_variant_comes_once(shop: ShopUnderTest) -> None:
    found = await all_pages(shop)

    expected = {each["variant_id"] for each in await shop.variants()}
    assert len(found) == len(expected) == 300
    assert {variant.variant_id for variant in found} == expected


async def test_a_variant_is_told_whole(shop: ShopUnderTest) -> None:
    shown = (await shop.variants())[0]
    found = {variant.variant_id: variant for variant in await all_pages(shop)}[shown["variant_id"]]

    assert (found.product_id, found.inventory_item_id) == (shown["product_id"], shown["inventory_item_id"])
    assert (found.sku, found.title, found.product_title) == (shown["sku"], shown["title"], shown["product_title"])
    assert (found.status, found.policy, found.tracked) == ("ACTIVE", "DENY", True)
    assert found.updated_at == datetime.fromisoformat(shown["updated_at"])
    assert " / ".join(value for _, value in found.options) == found.title


async def test_a_product_with_many_variants_is_read_to_its_end(shop: ShopUnderTest) -> None:
    ids = await add_product(shop, *(f"LAMP-{number:03}" for number in range(300)))

    found = [variant for variant in await all_pages(shop) if variant.product_title == "Invented lamp"]

    assert [variant.variant_id for variant in found] == ids


async def test_what_changed_since_comes_alone_and_tells_when(shop: ShopUnderTest) -> None:
    shop.clock.advance(3600)
    [variant_id] = await add_product(shop, "LAMP-1")
    since = shop.clock.now() - timedelta(seconds=60)

    page = await shop.client.variants_page(DEMO, updated_since=since)

    assert [variant.variant_id for variant in page.variants] == [variant_id]
    assert (page.next, page.newest) == (None, shop.clock.now())
    later = await shop.client.variants_page(DEMO, updated_since=shop.clock.now() + timedelta(seconds=60))
    assert (later.variants, later.newest) == ((), None)


def test_a_page_fits_into_the_smallest_bucket_beside_the_reserve() -> None:
    assert 1000 * (1 - READ_RESERVE) >= PAGE_COST


async def test_a_sku_is_found_exactly_though_the_search_finds_its_neighbours(shop: ShopUnderTest) -> None:
    ids = await add_product(shop, "AB-1", "ab-1", "AB-1 ", "AB-1-X", "AB")

    found = await shop.client.find_by_sku(DEMO, ["AB-1", "ab-1", " AB ", "AB-9"])

    by_id = {sku: {variant.variant_id for variant in variants} for sku, variants in found.items()}
    assert by_id == {"AB-1": {ids[0], ids[2]}, "ab-1": {ids[1]}, " AB ": {ids[4]}, "AB-9": set()}


@pytest.mark.parametrize("sku", ['A "quoted" one', "back\\slash", "colon:sku", "(brackets)", "AND", "star*", "ÄÖ 1"])
async def test_a_sku_may_be_any_text(shop: ShopUnderTest, sku: str) -> None:
    [variant_id] = await add_product(shop, sku)

    found = await shop.client.find_by_sku(DEMO, [sku])

    assert [variant.variant_id for variant in found[sku]] == [variant_id]


async def test_an_empty_sku_matches_nothing_and_asks_nobody(shop: ShopUnderTest) -> None:
    await add_product(shop, "")

    assert await shop.client.find_by_sku(DEMO, ["", "  "]) == {"": [], "  ": []}
    assert shop.asked == []


async def test_a_search_is_read_to_its_end(shop: ShopUnderTest) -> None:
    ids = await add_product(shop, *["SAME-1"] * 40)

    found = await shop.client.find_by_sku(DEMO, ["SAME-1"])

    assert {variant.variant_id for variant in found["SAME-1"]} == set(ids)
    assert len(shop.asked) > 1


async def test_a_search_takes_fifty_skus_at_most(shop: ShopUnderTest) -> None:
    with pytest.raises(ValueError, match="at most 50"):
        await shop.client.find_by_sku(DEMO, [str(number) for number in range(51)])


def test_quotes_and_backslashes_are_escaped() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'


async def test_variants_are_read_by_id_and_one_that_is_gone_is_absent(shop: ShopUnderTest) -> None:
    kept, gone = await add_product(shop, "LAMP-1", "LAMP-2")
    await shop.control("DELETE", "variants/LAMP-2")
    await shop.control("PATCH", "variants/LAMP-1", sku="LAMP-9", status="ARCHIVED")

    found = await shop.client.variants_by_id(DEMO, [kept, gone, kept])

    assert {each.variant_id: (each.sku, each.status) for each in found.values()} == {kept: ("LAMP-9", "ARCHIVED")}


async def test_more_ids_than_one_call_takes_are_several_calls(shop: ShopUnderTest) -> None:
    ids = [each["variant_id"] for each in await shop.variants()]

    assert len(await shop.client.variants_by_id(DEMO, ids)) == 300
    assert len(shop.asked) == 2


async def test_stock_is_told_by_location(shop: ShopUnderTest) -> None:
    [variant_id] = await add_product(shop, "LAMP-1")
    await shop.control("PATCH", "variants/LAMP-1", policy="CONTINUE", tracked=False)
    await shop.control("POST", "stock", sku="LAMP-1", available=3)

    stock = (await shop.client.stock_of(DEMO, [variant_id]))[variant_id]

    [shown] = [each for each in await shop.variants() if each["sku"] == "LAMP-1"]
    assert (stock.tracked, stock.policy, stock.inventory_item_id) == (False, "CONTINUE", shown["inventory_item_id"])
    assert (stock.sku, stock.product_id) == ("LAMP-1", shown["product_id"])
    assert {level.location: level.available for level in stock.levels} == {
        level["location"]: level["available"] for level in shown["levels"]
    }
    serving = [level.available for level in stock.levels if level.active and level.fulfils_online]
    assert stock.available == sum(serving) == 3


async def test_stock_of_many_is_several_calls_and_one_that_is_gone_is_absent(shop: ShopUnderTest) -> None:
    ids = [each["variant_id"] for each in await shop.variants()][:20]

    stock = await shop.client.stock_of(DEMO, [*ids, "gid://shopify/ProductVariant/1"])

    assert set(stock) == set(ids)
    assert len(shop.asked) == 2


async def test_words_that_shopify_adds_and_fields_that_it_leaves_out_raise_nothing() -> None:
    node = '{"id": "gid://shopify/ProductVariant/1", "sku": null, "inventoryPolicy": "SOMETIMES", "updatedAt": "?"}'
    answer = (
        '{"access_token": "t", "data": {"productVariants": null, "products": null, "nodes": [null, {}, ' + node + "]}}"
    ).encode()

    async def app(scope: object, receive: object, send: Any) -> None:
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async with open_http(asgi=app) as http:
        client = Shopify(http, Ledger(), base_url=BASE)
        [variant] = (await client.variants_by_id(DEMO, ["1"])).values()
        [stock] = (await client.stock_of(DEMO, ["1"])).values()
        page = await client.variants_page(DEMO)
        found = await client.find_by_sku(DEMO, ["A"])

    assert (variant.sku, variant.policy, variant.status) == (None, "SOMETIMES", "")
    assert variant.updated_at == datetime.min.replace(tzinfo=UTC)
    assert (stock.policy, stock.levels) == ("SOMETIMES", ())
    assert (page.variants, page.next, found) == ((), None, {"A": []})
