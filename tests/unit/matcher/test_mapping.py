"""The rule ``mapping``: an operator's word on what an Amazon SKU is, and when it holds."""

from __future__ import annotations

from datetime import datetime

import pytest

from orderbridge_matcher.domain import keys
from orderbridge_matcher.domain.matching import Matched, Unmatched, match_order
from tests.support.facts import at
from tests.unit.matcher.building import entry, mapping, order, shelf, verdict

CATALOGUE = [
    entry("v-mug", "MUG", "Mug"),
    entry("v-cup", "CUP", "Cup"),
    entry("v-lid", "LID", "Lid"),
    entry("v-1", "TWIN", "First"),
    entry("v-2", "TWIN", "Second"),
    entry("v-old", "OLD", "Old", "ARCHIVED"),
]


def test_a_mapping_beats_the_equal_sku() -> None:
    decision = match_order(order("MUG"), shelf(CATALOGUE, [mapping("MUG", ("CUP", 1))]))
    assert verdict(decision) == "match v-cup"


def test_a_kit_takes_each_of_its_parts_as_often_as_it_was_ordered() -> None:
    decision = match_order(order("SET", quantity=3), shelf(CATALOGUE, [mapping("SET", ("CUP", 1), ("LID", 2), rev=4)]))
    assert isinstance(decision, Matched)
    [line] = decision.lines
    assert [(one.shopify_sku, one.quantity) for one in line.targets] == [("CUP", 3), ("LID", 6)]
    assert (line.rule, line.mapping_rev) == ("mapping", 4)


def test_the_path_says_which_rule_won_and_what_was_compared() -> None:
    decision = match_order(order("SET"), shelf(CATALOGUE, [mapping("SET", ("CUP", 2), rev=4)]))
    assert isinstance(decision, Matched)
    [step] = decision.lines[0].path
    assert (step.rule, step.looked_for, step.won) == ("mapping", "SET", True)
    assert step.why == "Mapped to 2 x CUP (revision 4)."


def test_the_path_of_a_line_without_a_mapping_says_why_the_mapping_lost() -> None:
    decision = match_order(order("MUG"), shelf(CATALOGUE))
    assert isinstance(decision, Matched)
    assert [(step.rule, step.won) for step in decision.lines[0].path] == [("mapping", False), ("sku", True)]


@pytest.mark.parametrize(
    ("target", "missed", "expected"),
    [
        ("GONE", ("GONE",), "mapping_target_missing: mapping_target_missing"),
        ("GONE", (), "look up GONE"),
        ("OLD", ("OLD",), "mapping_target_missing: mapping_target_missing"),
        ("TWIN", (), "ambiguous_sku: ambiguous_sku"),
    ],
)
def test_a_mapping_that_leads_to_no_single_variant_holds_the_line_although_its_own_sku_is_there(
    target: str, missed: tuple[str, ...], expected: str
) -> None:
    decision = match_order(order("MUG"), shelf(CATALOGUE, [mapping("MUG", (target, 1))], missed))
    assert verdict(decision) == expected


def test_one_missing_part_of_a_kit_holds_it_and_is_named() -> None:
    decision = match_order(order("SET"), shelf(CATALOGUE, [mapping("SET", ("CUP", 1), ("GONE", 1))], ("GONE",)))
    assert isinstance(decision, Unmatched)
    assert decision.reason.details == {"sku": "SET", "shopify_sku": "GONE", "skus": ["SET"]}
    assert keys.of_sku("GONE") in decision.concerns
    assert keys.of_mapping("SET") in decision.concerns


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "purchased_at", "holds"),
    [
        (None, None, at(), True),
        (at(), None, at(), True),
        (at(1), None, at(), False),
        (None, at(1), at(), True),
        (None, at(), at(), False),
        (at(-1), at(1), at(), True),
        (at(1), at(2), None, True),
    ],
)
def test_a_mapping_holds_for_orders_purchased_within_its_dates(
    valid_from: datetime | None, valid_until: datetime | None, purchased_at: datetime | None, holds: bool
) -> None:
    known = [mapping("MUG", ("CUP", 1), valid_from=valid_from, valid_until=valid_until)]
    decision = match_order(order("MUG", purchased_at=purchased_at), shelf(CATALOGUE, known))
    assert verdict(decision) == ("match v-cup" if holds else "match v-mug")


def test_a_deleted_mapping_holds_for_nothing() -> None:
    assert verdict(match_order(order("MUG"), shelf(CATALOGUE, [mapping("MUG")]))) == "match v-mug"


def test_every_line_with_a_sku_depends_on_the_mapping_of_it() -> None:
    decision = match_order(order(" MUG ", "CUP"), shelf(CATALOGUE))
    assert isinstance(decision, Matched)
    assert {
        keys.of_mapping("MUG"),
        keys.of_mapping("CUP"),
        keys.of_variant("v-mug"),
        keys.of_variant("v-cup"),
    } == decision.concerns
