"""Shopify's search syntax as the stand-in reads it (shopify.dev, API usage, search syntax)."""

from datetime import UTC, datetime

import pytest

from orderbridge_standins.shopify.search import Entry, SearchError, SearchIndex

DAY = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def index() -> SearchIndex:
    index = SearchIndex(("title",), ("id", "sku", "title", "updated_at"))
    for key, sku, title, hour in (
        (1, "ABC 1", "Red Shirt", 1),
        (2, "ABC-1", "Blue Shirt", 2),
        (3, "ABC-12", "Red Mug", 3),
        (4, 'Q"7', "Lamp", 4),
    ):
        entry: Entry = {"id": key, "sku": (sku,), "title": (title,), "updated_at": DAY.replace(hour=hour)}
        index.put(key, entry, 0.0)
    return index


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (None, {1, 2, 3, 4}),
        ("  ", {1, 2, 3, 4}),
        ('sku:"ABC 1"', {1, 2}),
        ("sku:abc-1", {1, 2}),
        ("sku:abc-1*", {1, 2, 3}),
        (r'sku:"Q\"7"', {4}),
        ('sku:""', set()),
        ("red", {1, 3}),
        ("red shirt", {1}),
        ("red AND shirt", {1}),
        ("red OR lamp", {1, 3, 4}),
        ("red -shirt", {3}),
        ("NOT red", {2, 4}),
        ("(red OR blue) shirt", {1, 2}),
        ("id:3", {3}),
        ("id:>=3", {3, 4}),
        ("updated_at:>'2026-11-25T02:00:00Z'", {3, 4}),
        ("updated_at:<=2026-11-25T02:00:00Z", {1, 2}),
        ("updated_at:>'2026-11-25T01:00:00Z' AND red", {3}),
        ("colour:red", {1, 2, 3, 4}),
    ],
)
def test_a_query_finds(index: SearchIndex, query: str | None, found: set[int]) -> None:
    assert index.find(query, 0.0) == found


@pytest.mark.parametrize("query", ["(red", "red OR", 'sku:"open', "metafields.$app.amazon_order_id:1", "red )"])
def test_what_cannot_be_read_is_an_error(index: SearchIndex, query: str) -> None:
    with pytest.raises(SearchError):
        index.find(query, 0.0)


def test_a_change_is_seen_when_its_lag_is_over_and_the_newest_stays(index: SearchIndex) -> None:
    index.put(1, {"id": 1, "sku": ("NEW",), "title": ("Red Shirt",), "updated_at": DAY}, 5.0)
    index.put(2, None, 6.0)

    assert index.find("sku:new", 4.9) == set()
    assert index.find("sku:new", 5.0) == {1}
    assert index.find('sku:"ABC 1"', 5.0) == {2}
    assert index.find('sku:"ABC 1"', 6.0) == set()
