"""How rounds through a shop's changes follow each other, and what a page changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orderbridge_matcher.domain import keys
from orderbridge_matcher.domain.catalogue import GONE, Entry, changes
from orderbridge_matcher.domain.reading import NO_NEWS, OVERLAP, Progress, advanced, restarted
from tests.support.facts import at

START = Progress("shop.myshopify.com", match_drafts=False)


def entry(variant_id: str = "v1", sku: str | None = "MUG", minutes: float = 0, **more: Any) -> Entry:
    values = {"product_id": "p1", "title": "Mug", "product_title": "Mug", "status": "ACTIVE"} | more
    return Entry(variant_id=variant_id, sku=sku, updated_at=at(minutes), **values)


def test_the_first_round_is_complete_only_after_its_last_page() -> None:
    first = advanced(START, "cursor", at(1), at(60))
    last = advanced(first, None, at(5), at(61))

    assert (first.complete, first.after, first.since) == (False, "cursor", None)
    assert (last.complete, last.after, last.newest) == (True, None, at(5))
    assert last.round_ended


def test_the_next_round_reaches_back_before_the_newest_change() -> None:
    assert advanced(START, None, at(5), at(60)).since == at(5) - OVERLAP


def test_a_rounds_start_stays_the_same_on_all_its_pages() -> None:
    progress = advanced(START, None, at(5), at(60))
    page = advanced(progress, "cursor", at(9), at(61))
    assert page.since == progress.since
    assert not page.round_ended


@pytest.mark.parametrize(("waited", "reaches_back"), [(timedelta(0), True), (NO_NEWS, False)])
def test_rounds_stop_reaching_back_once_there_was_no_news_for_long(waited: timedelta, reaches_back: bool) -> None:
    known = advanced(START, None, at(5), at(60))
    since = advanced(known, None, at(5), at(60) + waited).since
    assert since is not None
    assert (since < at(5)) == reaches_back


def test_news_make_rounds_reach_back_again() -> None:
    quiet = advanced(advanced(START, None, at(5), at(60)), None, None, at(90))
    assert quiet.since is not None
    assert quiet.since > at(5)
    assert advanced(quiet, None, at(80), at(91)).since == at(80) - OVERLAP


def test_a_round_without_anything_keeps_the_newest_change() -> None:
    known = advanced(START, None, at(5), at(60))
    assert advanced(known, None, None, at(61)).newest == at(5)


def test_an_empty_shop_is_complete_and_read_whole_again() -> None:
    done = advanced(START, None, None, at(60))
    assert (done.complete, done.since) == (True, None)


def test_a_restarted_round_begins_with_its_first_page() -> None:
    page = advanced(START, "cursor", at(5), at(60))
    assert restarted(page) == START


# --- what a page changes


BORN = {keys.of_sku("MUG"), keys.of_variant("v1"), keys.of_title("mug")}


@pytest.mark.parametrize(
    ("known", "read", "written", "concerns"),
    [
        (None, entry(), True, BORN),
        (entry(), entry(), False, set()),
        (entry(), entry(minutes=1), True, set()),
        (entry(), entry(minutes=1, title="Cup"), True, set()),
        (entry(), entry(sku="CUP", minutes=1), True, {keys.of_sku("MUG"), keys.of_sku("CUP"), keys.of_variant("v1")}),
        (entry(), entry(sku=None, minutes=1), True, {keys.of_sku("MUG"), keys.of_variant("v1")}),
        (entry(sku=None), entry(minutes=1), True, {keys.of_sku("MUG"), keys.of_variant("v1")}),
        (entry(), entry(status="ARCHIVED", minutes=1), True, BORN),
        (entry(), entry(product_title="Cup", minutes=1), True, {keys.of_title("mug"), keys.of_title("cup")}),
        (entry(), entry(options=(("Size", "L"),), minutes=1), True, {keys.of_title("mug")}),
        (entry(sku="CUP", minutes=2), entry(minutes=1), False, set()),
        (entry(), entry(sku="CUP"), True, {keys.of_sku("MUG"), keys.of_sku("CUP"), keys.of_variant("v1")}),
        (None, entry(sku=None), True, {keys.of_variant("v1"), keys.of_title("mug")}),
        (entry(sku=None, status=GONE), entry(minutes=5), False, set()),
    ],
)
def test_a_variant_that_was_read(known: Entry | None, read: Entry, written: bool, concerns: set[keys.Key]) -> None:
    change = changes({known.variant_id: known} if known else {}, [read])
    assert (change.write == (read,), set(change.concerns)) == (written, concerns)


def test_a_variant_that_is_gone_is_kept_as_such_and_concerns_who_waits_for_it() -> None:
    change = changes({"v1": entry()}, [], ["v1", "v2"])
    assert [(one.variant_id, one.sku, one.status) for one in change.write] == [("v1", None, GONE)]
    assert (set(change.concerns), set(change.altered)) == (BORN, {"v1"})


def test_of_a_variant_that_was_read_twice_the_later_state_counts() -> None:
    change = changes({}, [entry(sku="NEW", minutes=2), entry(sku="OLD", minutes=1)])
    assert [one.sku for one in change.write] == ["NEW"]


def test_two_states_of_the_same_second_are_doubtful_unless_one_was_read_by_its_id() -> None:
    known = {"v1": entry()}
    assert changes(known, [entry(sku="CUP")]).doubtful == {"p1"}
    assert changes(known, [entry(sku="CUP")], certain=True).doubtful == frozenset()
    assert changes(known, [entry(sku="CUP", minutes=1)]).doubtful == frozenset()
    assert changes(known, [entry()]).doubtful == frozenset()


@pytest.mark.parametrize(
    ("read", "altered"),
    [
        (entry(minutes=1), set()),
        (entry(minutes=1, title="Cup"), set()),
        (entry(minutes=1, sku="CUP"), {"v1"}),
        (entry(minutes=1, status="DRAFT"), {"v1"}),
        (entry(minutes=1, limited=False), {"v1"}),
    ],
)
def test_others_are_told_of_a_known_variant_that_orders_may_fare_otherwise_with(read: Entry, altered: set[str]) -> None:
    assert changes({"v1": entry()}, [read]).altered == altered


def test_nobody_is_told_of_a_variant_that_is_new() -> None:
    assert changes({}, [entry()]).altered == frozenset()


def test_the_settings_go_along_from_page_to_page() -> None:
    drafts = replace(START, match_drafts=True)
    assert advanced(drafts, None, at(5), at(60)).match_drafts
