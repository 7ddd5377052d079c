"""What the bench counts, of what, and when it says that a hop is too slow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orderbridge.events import OrderImported
from orderbridge_matcher.domain.order import Import
from orderbridge_matcher.domain.titles import Titled, fit_title
from orderbridge_standins.catalogue import shop_catalogue
from tests.bench import big_shop
from tests.bench.broker import rate, spread
from tests.bench.orders import CATALOGUE_SEED, VARIANTS, imports
from tests.bench.report import Catalogue, Result, Rounds

QUICK = Catalogue(1_000_000, seconds=90.0, peak_mib=180.0, sku_ms=0.9, title_ms=1.4)


def result(
    hop: tuple[float, ...],
    peer: tuple[float, ...] = (500.0,),
    raw: tuple[float, ...] = (30_000.0,),
    catalogue: Catalogue = QUICK,
) -> Result:
    return Result({"cores": 2}, "2026-11-25", {"hop": 50_000}, Rounds(hop, peer, raw), {"matcher": 106.6}, catalogue)


def test_a_rate_counts_arrivals_after_the_first_tenth() -> None:
    slow_start = [0, 5_000]
    steady = [10_000 + 10 * number for number in range(18)]
    assert rate(slow_start + steady) == pytest.approx(100.0)


def test_ends_are_compared_partition_by_partition() -> None:
    assert spread({0: 5, 1: 0}, {0: 7, 1: 3}) == 5


def test_the_median_round_counts() -> None:
    assert result((1_000.0, 9_000.0, 8_000.0)).hop_per_s == 8_000.0


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        (6_000.0, []),
        (5_999.0, ["0.20 of the raw copy"]),
        (3_999.0, ["8.0 times the straightforward consumer", "0.13 of the raw copy"]),
    ],
)
def test_a_hop_below_what_is_promised_is_named(hop: float, words: list[str]) -> None:
    shortfalls = result((hop,)).shortfalls()
    assert len(shortfalls) == len(words)
    assert all(word in shortfall for word, shortfall in zip(words, shortfalls, strict=True))


@pytest.mark.parametrize(
    ("catalogue", "word"),
    [
        (replace(QUICK, title_ms=2.0), "2.00 ms"),
        (replace(QUICK, sku_ms=3.1), "3.10 ms"),
        (replace(QUICK, peak_mib=900.0), "900 MiB"),
    ],
)
def test_a_slow_match_or_a_load_that_grows_is_named(catalogue: Catalogue, word: str) -> None:
    [shortfall] = result((9_000.0,), catalogue=catalogue).shortfalls()
    assert word in shortfall


def test_the_figures_of_the_large_catalogue_are_in_the_file_under_their_promised_names() -> None:
    written = result((9_000.0,)).as_json()
    assert (written["match_median_ms_1m"], written["catalogue_peak_mib"]) == (1.4, 180.0)


def test_a_title_of_the_large_shop_is_one_of_its_variants_alone() -> None:
    variants = [json.loads(line) for line in big_shop.lines(40)]
    titled = [
        Titled(
            one["id"],
            one["product"]["id"],
            one["product"]["title"],
            tuple((option["name"], option["value"]) for option in one["selectedOptions"]),
        )
        for one in variants
    ]
    for number, variant in enumerate(variants):
        assert variant["sku"] == big_shop.sku(number)
        assert [fit.variant_id for fit in fit_title(big_shop.amazon_title(number), titled).fitting] == [variant["id"]]


def test_the_file_has_the_promised_keys(tmp_path: Path) -> None:
    result((9_000.0,)).write(tmp_path / "benchmark.json")
    written = json.loads((tmp_path / "benchmark.json").read_text())
    assert {key: written[key] for key in ("hop_per_s", "hop_ratio_to_peer", "hop_ratio_to_raw", "rss_mib")} == {
        "hop_per_s": 9_000,
        "hop_ratio_to_peer": 18.0,
        "hop_ratio_to_raw": 0.3,
        "rss_mib": {"matcher": 106.6},
    }


def test_the_orders_are_whole_imports_of_skus_that_the_shop_has() -> None:
    shop = {variant.sku for product in shop_catalogue(CATALOGUE_SEED, VARIANTS) for variant in product.variants}
    records = list(imports(999, 3))
    assert records == list(imports(999, 3))
    for record in records:
        order = OrderImported.model_validate_json(record.value or b"")
        assert (order.order_id, len(order.lines)) == (record.key, 3)
        assert {line.amazon_sku for line in order.lines} <= shop
        assert len(record.value or b"") > 1_000
        assert Import.model_validate_json(record.value or b"").lines[0].amazon_sku == order.lines[0].amazon_sku
