"""An order stays bound to the variants it was matched to, and only an operator binds it to others."""

from __future__ import annotations

import pytest

from orderbridge.events import LineMatch
from orderbridge_matcher.domain import keys
from orderbridge_matcher.domain.catalogue import Entry
from orderbridge_matcher.domain.matching import Matched, Unmatched, match_order
from orderbridge_matcher.domain.shelf import Shelf
from tests.unit.matcher.building import entry, mapping, matched_lines, order, shelf, verdict

MUG = entry("v-mug", "MUG", "Mug")
CUP = entry("v-cup", "CUP", "Cup")


def bound(*skus: str, on: Shelf | None = None) -> tuple[LineMatch, ...]:
    return matched_lines(order(*(skus or ("MUG",))), on or shelf([MUG, CUP]))


def renamed(sku: str | None, **more: str) -> Entry:
    return entry("v-mug", sku, "Mug", **more)


def test_a_changed_sku_withdraws_the_match_and_names_the_old_and_the_new_one() -> None:
    decision = match_order(order("MUG", pins=bound()), shelf([renamed("NEW"), CUP]))
    assert isinstance(decision, Unmatched)
    assert decision.reason.code == "sku_changed_after_import"
    assert (decision.reason.details["old_sku"], decision.reason.details["new_sku"]) == ("MUG", "NEW")
    assert "MUG" in decision.reason.message
    assert "NEW" in decision.reason.message


def test_the_withdrawn_order_stays_so_although_another_variant_has_its_sku_now() -> None:
    other = entry("v-other", "MUG", "Other mug")
    assert verdict(match_order(order("MUG", pins=bound()), shelf([renamed("NEW"), other]))) == (
        "sku_changed_after_import: sku_changed_after_import"
    )


def test_a_new_revision_does_not_bind_the_order_anew() -> None:
    revised = order("MUG", pins=bound(), imported_seq=2)
    assert verdict(match_order(revised, shelf([renamed("NEW")]))).startswith("sku_changed_after_import")


def test_renaming_back_lifts_the_block_by_itself() -> None:
    assert match_order(order("MUG", pins=bound()), shelf([MUG])) == Matched(
        bound(), frozenset({keys.of_variant("v-mug"), keys.of_mapping("MUG")})
    )


def test_a_second_variant_with_the_same_sku_does_not_unbind_the_order() -> None:
    twin = entry("v-twin", "MUG", "Twin")
    assert verdict(match_order(order("MUG", pins=bound()), shelf([MUG, twin]))) == "match v-mug"


@pytest.mark.parametrize("status", ["GONE", "ARCHIVED", "DRAFT"])
def test_a_variant_that_is_gone_or_off_sale_withdraws_the_match(status: str) -> None:
    now = renamed(None if status == "GONE" else "MUG", status=status)
    decision = match_order(order("MUG", pins=bound()), shelf([now], missed=("MUG",)))
    assert verdict(decision) == "variant_missing: variant_missing"


def test_a_variant_that_was_never_heard_of_again_withdraws_the_match() -> None:
    decision = match_order(order("MUG", pins=bound()), shelf([CUP], missed=("MUG",)))
    assert verdict(decision) == "variant_missing: variant_missing"


def test_rematch_matches_anew_against_todays_catalogue() -> None:
    now = shelf([renamed("NEW"), entry("v-other", "MUG", "Other mug")])
    assert verdict(match_order(order("MUG", pins=bound()), now, anew=True)) == "match v-other"


def test_rematch_of_a_sku_that_nobody_has_any_more_says_so() -> None:
    now = shelf([renamed("NEW")], missed=("MUG",))
    assert verdict(match_order(order("MUG", pins=bound()), now, anew=True)) == "sku_not_found: sku_not_found"


def test_a_new_mapping_of_the_sku_binds_the_order_to_what_it_names() -> None:
    now = shelf([renamed("NEW"), CUP], [mapping("MUG", ("CUP", 1))])
    assert verdict(match_order(order("MUG", pins=bound()), now)) == "match v-cup"


def test_a_mapping_that_stays_as_it_is_keeps_the_order_bound() -> None:
    known = [mapping("MUG", ("CUP", 1))]
    pins = bound("MUG", on=shelf([MUG, CUP], known))
    now = shelf([entry("v-cup", "BEAKER", "Cup"), entry("v-new", "CUP", "New cup")], known)
    assert verdict(match_order(order("MUG", pins=pins), now)).startswith("sku_changed_after_import")


def test_a_deleted_mapping_leaves_the_line_to_the_other_rules() -> None:
    pins = bound("MUG", on=shelf([MUG, CUP], [mapping("MUG", ("CUP", 1))]))
    assert verdict(match_order(order("MUG", pins=pins), shelf([MUG, CUP]))) == "match v-mug"


def test_one_withdrawn_line_holds_the_whole_order_and_is_its_reason() -> None:
    pins = bound("MUG", "CUP")
    decision = match_order(order("MUG", "CUP", "GONE", pins=pins), shelf([renamed("NEW"), CUP], missed=("GONE",)))
    assert verdict(decision) == "sku_changed_after_import: sku_changed_after_import ok sku_not_found"


def test_a_revision_that_orders_more_of_the_same_takes_more_of_the_same_variant() -> None:
    pins = bound("SET", on=shelf([CUP], [mapping("SET", ("CUP", 2))]))
    decision = match_order(order("SET", pins=pins, quantity=3), shelf([CUP], [mapping("SET", ("CUP", 2))]))
    assert isinstance(decision, Matched)
    assert [target.quantity for target in decision.lines[0].targets] == [6]


def test_a_line_whose_amazon_sku_is_another_now_is_matched_like_a_new_one() -> None:
    assert verdict(match_order(order("CUP", pins=bound("MUG")), shelf([renamed("NEW"), CUP]))) == "match v-cup"


def test_nothing_withdraws_the_match_of_an_order_that_was_created() -> None:
    now = shelf([renamed("NEW")], [mapping("MUG", ("CUP", 1))])
    assert verdict(match_order(order("MUG", pins=bound(), created=True), now)) == "match v-mug"
