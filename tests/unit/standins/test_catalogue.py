"""The catalogue that both stand-ins share."""

from decimal import Decimal

import pytest

from orderbridge_standins.catalogue import SeedVariant, shop_catalogue


def variants_of(seed: int, variants: int) -> list[SeedVariant]:
    return [variant for product in shop_catalogue(seed, variants) for variant in product.variants]


@pytest.mark.parametrize("count", [0, 1, 13, 300, 5000])
def test_a_catalogue_has_exactly_the_variants_asked_for(count: int) -> None:
    assert len(variants_of(1, count)) == count


def test_skus_and_ids_are_unique_whatever_the_case() -> None:
    variants = variants_of(3, 5000)

    assert len({variant.sku.casefold() for variant in variants}) == 5000
    assert len({variant.variant_id for variant in variants}) == 5000
    assert len({variant.inventory_item_id for variant in variants}) == 5000


def test_the_same_seed_makes_the_same_catalogue_and_another_seed_another() -> None:
    assert shop_catalogue(7, 300) == shop_catalogue(7, 300)
    assert shop_catalogue(7, 300) != shop_catalogue(8, 300)


def test_a_larger_catalogue_begins_with_the_smaller_one() -> None:
    assert variants_of(1, 900)[:300] == variants_of(1, 300)


def test_every_variant_is_generously_in_stock_and_has_a_price_in_cents() -> None:
    for variant in variants_of(1, 300):
        assert variant.available >= 500
        assert Decimal(variant.price).as_tuple().exponent == -2
        assert Decimal(variant.price) > 0


def test_there_are_neighbours_that_a_careless_match_would_mix_up() -> None:
    titles = {variant.title for variant in variants_of(1, 300)}

    assert {"M6", "M16"} <= titles
    assert {"XL / Black", "L / Black"} <= titles


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 variants"):
        shop_catalogue(1, -1)
