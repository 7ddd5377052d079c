"""The rule ``sku``: which variant a line is, or why none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.events import OrderMatched, OrderUnmatched
from orderbridge_matcher.domain import keys
from orderbridge_matcher.domain.matching import PRIORITY, LookUp, Matched, Unmatched, fact_of, is_said, match_order
from orderbridge_matcher.domain.order import Line
from orderbridge_matcher.domain.rules import sku_of
from tests.support.facts import matched, unmatched
from tests.unit.matcher.building import entry, lines, order, shelf, verdict

CATALOGUE = [
    entry("v-mug", "MUG", "Mug"),
    entry("v-small-mug", "mug", "Small mug"),
    entry("v-tee", "TEE XL", "Tee"),
    entry("v-2", "TWIN", "Second"),
    entry("v-1", "TWIN", "First"),
    *(entry(f"v-t{n}", "TRIPLE", f"Triple {n}") for n in range(3)),
    entry("v-draft", "DRAFT", "Draft", "DRAFT"),
    entry("v-old", "OLD", "Old", "ARCHIVED"),
    entry("v-odd", "ODD", "Odd", "SUSPENDED"),
    entry("v-past", "REBORN", "Past", "ARCHIVED"),
    entry("v-now", "REBORN", "Now"),
    entry("v-next", "NEXT", "Next", "DRAFT"),
    entry("v-this", "NEXT", "This"),
    entry("v-d1", "DRAFTS", "One", "DRAFT"),
    entry("v-d2", "DRAFTS", "Two", "DRAFT"),
    entry("v-dot", "DOT.1/2", "Dot"),
    entry("v-umlaut", "Größe-Ü", "Umlaut"),
    entry("v-12", "0012", "Twelve"),
]
MISSED = frozenset({"GONE", "GONE 2", "OLD", "DRAFT", "ODD", "DRAFTS", "12", "Mug", "TEE  XL"})


def decided(*skus: str | None, drafts: bool = False) -> Matched | Unmatched | LookUp:
    return match_order(order(*skus), shelf(CATALOGUE, missed=MISSED, drafts=drafts))


@pytest.mark.parametrize(
    ("skus", "expected"),
    [
        (["MUG"], "match v-mug"),
        (["mug"], "match v-small-mug"),
        (["MUG", "mug"], "match v-mug v-small-mug"),
        (["MUG", "MUG"], "match v-mug v-mug"),
        ([" MUG"], "match v-mug"),
        (["MUG "], "match v-mug"),
        (["\tMUG\n"], "match v-mug"),
        (["\u00a0MUG"], "match v-mug"),
        (["TEE XL"], "match v-tee"),
        (["DOT.1/2"], "match v-dot"),
        (["Größe-Ü"], "match v-umlaut"),
        (["0012"], "match v-12"),
        (["REBORN"], "match v-now"),
        (["NEXT"], "match v-this"),
        ([], "match"),
        # case and inner space are kept, nothing is folded
        (["Mug"], "sku_not_found: sku_not_found"),
        (["TEE  XL"], "sku_not_found: sku_not_found"),
        (["12"], "sku_not_found: sku_not_found"),
        # an empty SKU matches nothing, and there is nothing to look up
        ([None], "sku_not_found: sku_not_found"),
        ([""], "sku_not_found: sku_not_found"),
        (["   "], "sku_not_found: sku_not_found"),
        (["MUG", None], "sku_not_found: ok sku_not_found"),
        # Shopify was asked lately
        (["GONE"], "sku_not_found: sku_not_found"),
        (["GONE", "MUG"], "sku_not_found: sku_not_found ok"),
        (["GONE", "GONE 2"], "sku_not_found: sku_not_found sku_not_found"),
        (["OLD"], "sku_not_found: sku_not_found"),
        (["DRAFT"], "sku_not_found: sku_not_found"),
        (["ODD"], "sku_not_found: sku_not_found"),
        (["DRAFTS"], "sku_not_found: sku_not_found"),
        # two or more are never narrowed down to the first
        (["TWIN"], "ambiguous_sku: ambiguous_sku"),
        (["TRIPLE"], "ambiguous_sku: ambiguous_sku"),
        ([" TWIN "], "ambiguous_sku: ambiguous_sku"),
        (["MUG", "TWIN"], "ambiguous_sku: ok ambiguous_sku"),
        # the order's reason is the first by priority, each line keeps its own
        (["GONE", "TWIN"], "ambiguous_sku: sku_not_found ambiguous_sku"),
        (["TWIN", "GONE"], "ambiguous_sku: ambiguous_sku sku_not_found"),
        (["TWIN", "GONE", "MUG"], "ambiguous_sku: ambiguous_sku sku_not_found ok"),
        ([None, "TRIPLE"], "ambiguous_sku: sku_not_found ambiguous_sku"),
        # what was not asked for is looked up before anything is said
        (["NEW"], "look up NEW"),
        ([" NEW "], "look up NEW"),
        (["NEW", "NEW"], "look up NEW"),
        (["NEW 2", "NEW 1"], "look up NEW 1 NEW 2"),
        (["MUG", "NEW"], "look up NEW"),
        (["TWIN", "NEW"], "look up NEW"),
        (["GONE", "NEW"], "look up NEW"),
        ([None, "NEW"], "look up NEW"),
    ],
)
def test_the_rule_sku(skus: list[str | None], expected: str) -> None:
    assert verdict(decided(*skus)) == expected


@pytest.mark.parametrize(
    ("skus", "expected"),
    [
        (["DRAFT"], "match v-draft"),
        (["MUG", "DRAFT"], "match v-mug v-draft"),
        (["NEXT"], "ambiguous_sku: ambiguous_sku"),
        (["DRAFTS"], "ambiguous_sku: ambiguous_sku"),
        (["OLD"], "sku_not_found: sku_not_found"),
        (["ODD"], "sku_not_found: sku_not_found"),
        (["REBORN"], "match v-now"),
    ],
)
def test_drafts_match_by_setting_archived_variants_never(skus: list[str | None], expected: str) -> None:
    assert verdict(decided(*skus, drafts=True)) == expected


def test_a_line_takes_as_many_units_as_were_ordered() -> None:
    decision = match_order(order(lines=(Line("7", 3, " MUG "),)), shelf(CATALOGUE))
    assert isinstance(decision, Matched)
    [line] = decision.lines
    assert (line.order_item_id, line.amazon_sku, line.rule) == ("7", " MUG ", "sku")
    assert [(target.shopify_sku, target.quantity) for target in line.targets] == [("MUG", 3)]


def test_the_candidates_of_an_ambiguous_sku_are_the_variants_that_have_it() -> None:
    decision = decided("TWIN")
    assert isinstance(decision, Unmatched)
    assert [one.variant_id for one in decision.lines[0].candidates] == ["v-1", "v-2"]
    assert keys.of_sku("TWIN") in decision.concerns


def test_the_message_names_the_sku_in_one_sentence() -> None:
    for sku in ("TWIN", "GONE"):
        decision = decided("MUG", sku)
        assert isinstance(decision, Unmatched)
        assert sku in decision.reason.message
        assert decision.reason.message.endswith(".")
        assert ". " not in decision.reason.message


def test_every_reason_has_its_place_in_the_order_of_priority() -> None:
    assert list(PRIORITY).index("ambiguous_sku") < list(PRIORITY).index("sku_not_found")


SKUS = st.sampled_from([*sorted({one.sku or "" for one in CATALOGUE}), "GONE", "NEW", " MUG ", ""])
STATUS = st.sampled_from(["ACTIVE", "DRAFT", "ARCHIVED"])


@given(st.lists(SKUS, max_size=5), st.lists(st.tuples(st.text(max_size=8), STATUS), max_size=6), st.booleans())
def test_variants_of_other_skus_never_change_a_match(
    skus: list[str], others: list[tuple[str, str]], drafts: bool
) -> None:
    wanted = {sku.strip() for sku in skus}
    more = [
        entry(f"v-{n}", sku.strip(), "Some other", status)
        for n, (sku, status) in enumerate(others)
        if sku.strip() not in wanted
    ]
    larger = shelf([*CATALOGUE, *more], missed=MISSED, drafts=drafts)

    assert match_order(order(*skus), larger) == decided(*skus, drafts=drafts)


@given(st.lists(SKUS, max_size=5), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_catalogue_never_changes_a_match(skus: list[str], chance: random.Random, drafts: bool) -> None:
    shuffled = shelf(chance.sample(CATALOGUE, len(CATALOGUE)), missed=MISSED, drafts=drafts)

    assert match_order(order(*skus), shuffled) == decided(*skus, drafts=drafts)


@given(st.lists(SKUS, max_size=6))
def test_a_match_has_a_target_for_every_line_or_a_reason_for_the_order(skus: list[str]) -> None:
    match decided(*skus):
        case Matched(found):
            assert [line.order_item_id for line in found] == [line.order_item_id for line in lines(*skus)]
            assert all(len(line.targets) == 1 and line.reason is None for line in found)
        case Unmatched(found, reason):
            assert len(found) == len(skus)
            assert all((line.reason is None) == bool(line.targets) for line in found)
            assert reason.code in {line.reason.code for line in found if line.reason}
        case LookUp(unknown):
            assert unknown == {"NEW"}


def test_what_is_compared_of_a_sku_is_trimmed_and_keeps_its_case() -> None:
    assert [sku_of(Line("1", 1, sku)) for sku in (" Mug ", None, "  ")] == ["Mug", "", ""]


def test_a_view_is_unchanged_only_with_the_same_lines_reason_and_import() -> None:
    said, held = decided("MUG"), decided("GONE")
    assert isinstance(said, Matched)
    assert isinstance(held, Unmatched)
    fact = matched(seq=4, imported_seq=2, lines=said.lines).model_dump_json()

    assert is_said(fact, said, 2)
    assert not is_said(fact, said, 3)
    assert not is_said(fact, held, 2)
    assert not is_said(None, said, 2)


def test_a_stored_match_is_read_as_what_it_was_published() -> None:
    assert isinstance(fact_of(matched().model_dump_json()), OrderMatched)
    assert isinstance(fact_of(unmatched().model_dump_json()), OrderUnmatched)
