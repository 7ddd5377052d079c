"""Looking for a variant by what a person types, whatever that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.shopify.search import search_query
from orderbridge_standins.shopify.search import parse

from .shop import DEMO, ShopUnderTest


async def add_lamp(shop: ShopUnderTest, sku: str, title: str = "Invented lamp", variant: str = "Small") -> str:
    made = await shop.control("POST", "products", title=title, variants=[{"sku": sku, "title": variant}])
    variant_id: str = made["variants"][0]["variant_id"]
    return variant_id


async def skus(shop: ShopUnderTest, text: str, first: int = 20) -> list[str | None]:
    return [variant.sku for variant in await shop.client.search_variants(DEMO, text, first)]


@pytest.mark.parametrize(
    "typed",
    ["invented lamp", "LAMP", "  lam   inv ", "tall", "LMP-01", "lmp-0", "LMP", "01", "lamp tall", "lamp, tall"],
)
async def test_a_variant_is_found_by_words_of_its_titles_and_by_its_sku_or_their_beginnings(
    shop: ShopUnderTest, typed: str
) -> None:
    await add_lamp(shop, "LMP-01", "Invented lamp", "Tall")

    assert "LMP-01" in await skus(shop, typed)


async def test_all_words_must_be_there(shop: ShopUnderTest) -> None:
    await add_lamp(shop, "LMP-01")

    assert await skus(shop, "invented teapot-of-nobody") == []


async def test_the_variant_with_just_that_sku_comes_first(shop: ShopUnderTest) -> None:
    for sku in ("LMP-1-A", "LMP-1-B", "LMP-1"):
        await add_lamp(shop, sku)

    assert await skus(shop, " LMP-1 ") == ["LMP-1", "LMP-1-A", "LMP-1-B"]


async def test_no_more_are_given_than_asked_for(shop: ShopUnderTest) -> None:
    for number in range(4):
        await add_lamp(shop, f"LMP-{number}")

    assert len(await skus(shop, "invented lamp", first=3)) == 3


@pytest.mark.parametrize(
    "sku",
    ['A "quoted" one', "back\\slash", "colon:sku", "(brackets)", "AND", "NOT 1", "star*", "ÄÖ 1", "-minus", "a OR b"],
)
async def test_any_sku_is_found_and_nothing_typed_acts_as_syntax(shop: ShopUnderTest, sku: str) -> None:
    await add_lamp(shop, sku)

    assert (await skus(shop, sku))[0] == sku


@pytest.mark.parametrize("typed", ["", "  ", "-", '"', "* ( ) :"])
async def test_a_text_without_a_letter_or_digit_finds_nothing_and_asks_nobody(shop: ShopUnderTest, typed: str) -> None:
    assert await skus(shop, typed) == []
    assert shop.asked == []


async def test_signs_cannot_turn_a_search_into_one_for_everything(shop: ShopUnderTest) -> None:
    for typed in ("vendor:*", "x) OR (id:>0", 'x" OR id:>0 OR "', "vendor:zzz OR -nothing"):
        assert await skus(shop, typed) == []


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("LMP_0", 'sku:"LMP_0" OR sku:LMP_0* OR (LMP* 0*)'),
        ("tall  lamp", 'sku:"tall lamp" OR (tall* lamp*)'),
        ('5" (OR)', 'sku:"5\\" (OR)" OR (5* OR*)'),
        ("-x", 'sku:"-x" OR (x*)'),
    ],
)
def test_a_text_is_looked_for_as_a_sku_as_its_beginning_and_as_words(typed: str, query: str) -> None:
    assert search_query(typed) == query


@given(st.text(max_size=30))
def test_whatever_is_typed_makes_a_query_that_can_be_read(typed: str) -> None:
    query = search_query(typed)
    if query is not None:
        parse(query)
