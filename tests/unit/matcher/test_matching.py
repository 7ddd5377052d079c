"""The rule ``sku``: which variant a line is, or why none."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.events import OrderMatched, OrderUnmatched
from orderbridge_matcher.domain.matching import (
    PRIORITY,
    LookUp,
    Matched,
    Unmatched,
    Variant,
    fact_of,
    is_said,
    key_of,
    match_lines,
)
from orderbridge_matcher.domain.order import Line
from tests.support.facts import matched, unmatched

Shelf = dict[str, list[Variant]]

CATALOGUE: Shelf = {
    "MUG": [Variant("v-mug", "MUG", "Mug", "ACTIVE")],
    "mug": [Variant("v-small-mug", "mug", "Small mug", "ACTIVE")],
    "TEE XL": [Variant("v-tee", "TEE XL", "Tee", "ACTIVE")],
    "TWIN": [Variant("v-2", "TWIN", "Second", "ACTIVE"), Variant("v-1", "TWIN", "First", "ACTIVE")],
    "TRIPLE": [Variant(f"v-t{n}", "TRIPLE", f"Triple {n}", "ACTIVE") for n in range(3)],
    "DRAFT": [Variant("v-draft", "DRAFT", "Draft", "DRAFT")],
    "OLD": [Variant("v-old", "OLD", "Old", "ARCHIVED")],
    "ODD": [Variant("v-odd", "ODD", "Odd", "SUSPENDED")],
    "REBORN": [Variant("v-past", "REBORN", "Past", "ARCHIVED"), Variant("v-now", "REBORN", "Now", "ACTIVE")],
    "NEXT": [Variant("v-next", "NEXT", "Next", "DRAFT"), Variant("v-this", "NEXT", "This", "ACTIVE")],
    "DRAFTS": [Variant("v-d1", "DRAFTS", "One", "DRAFT"), Variant("v-d2", "DRAFTS", "Two", "DRAFT")],
    "DOT.1/2": [Variant("v-dot", "DOT.1/2", "Dot", "ACTIVE")],
    "Größe-Ü": [Variant("v-umlaut", "Größe-Ü", "Umlaut", "ACTIVE")],
    "0012": [Variant("v-12", "0012", "Twelve", "ACTIVE")],
}
MISSED = frozenset({"GONE", "GONE 2", "OLD", "DRAFT", "ODD", "DRAFTS", "12", "Mug", "TEE  XL"})


def lines(*skus: str | None) -> list[Line]:
    return [Line(str(n), 1, sku) for n, sku in enumerate(skus, start=1)]


def verdict(skus: Sequence[str | None], *, drafts: bool = False) -> str:
    """``match v-1 v-2``, ``look up A B``, or the order's reason with those of its lines."""
    decision = match_lines(lines(*skus), CATALOGUE, MISSED, drafts=drafts)
    match decision:
        case Matched(found):
            return " ".join(["match", *(line.targets[0].variant_id for line in found)])
        case LookUp(unknown):
            return " ".join(["look up", *sorted(unknown)])
        case Unmatched(found, reason):
            each = [line.reason.code if line.reason else "ok" for line in found]
            return f"{reason.code}: {' '.join(each)}"


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
    assert verdict(skus) == expected


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
    assert verdict(skus, drafts=True) == expected


def test_a_line_takes_as_many_units_as_were_ordered() -> None:
    decision = match_lines([Line("7", 3, " MUG ")], CATALOGUE)
    assert isinstance(decision, Matched)
    [line] = decision.lines
    assert (line.order_item_id, line.amazon_sku, line.rule) == ("7", " MUG ", "sku")
    assert [(target.shopify_sku, target.quantity) for target in line.targets] == [("MUG", 3)]


def test_the_candidates_of_an_ambiguous_sku_are_the_variants_that_have_it() -> None:
    decision = match_lines(lines("TWIN"), CATALOGUE)
    assert isinstance(decision, Unmatched)
    assert [one.variant_id for one in decision.lines[0].candidates] == ["v-1", "v-2"]
    assert decision.skus == {"TWIN"}


def test_the_message_names_the_sku_in_one_sentence() -> None:
    for sku in ("TWIN", "GONE"):
        decision = match_lines(lines("MUG", sku), CATALOGUE, MISSED)
        assert isinstance(decision, Unmatched)
        assert sku in decision.reason.message
        assert decision.reason.message.endswith(".")
        assert ". " not in decision.reason.message


def test_every_reason_has_its_place_in_the_order_of_priority() -> None:
    assert list(PRIORITY).index("ambiguous_sku") < list(PRIORITY).index("sku_not_found")


SKUS = st.sampled_from([*CATALOGUE, "GONE", "NEW", " MUG ", ""])
STATUS = st.sampled_from(["ACTIVE", "DRAFT", "ARCHIVED"])


@given(st.lists(SKUS, max_size=5), st.lists(st.tuples(st.text(max_size=8), STATUS), max_size=6), st.booleans())
def test_variants_of_other_skus_never_change_a_match(
    skus: list[str], others: list[tuple[str, str]], drafts: bool
) -> None:
    wanted = {key_of(sku) for sku in skus}
    more = {key_of(sku): [Variant(f"v-{n}", key_of(sku), "Other", status)] for n, (sku, status) in enumerate(others)}
    larger = CATALOGUE | {sku: variants for sku, variants in more.items() if sku not in wanted}

    assert match_lines(lines(*skus), larger, MISSED, drafts=drafts) == match_lines(
        lines(*skus), CATALOGUE, MISSED, drafts=drafts
    )


@given(st.lists(SKUS, max_size=5), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_catalogue_never_changes_a_match(skus: list[str], chance: random.Random, drafts: bool) -> None:
    shuffled = [(sku, chance.sample(variants, len(variants))) for sku, variants in CATALOGUE.items()]
    chance.shuffle(shuffled)

    assert match_lines(lines(*skus), dict(shuffled), MISSED, drafts=drafts) == match_lines(
        lines(*skus), CATALOGUE, MISSED, drafts=drafts
    )


@given(st.lists(SKUS, max_size=6))
def test_a_match_has_a_target_for_every_line_or_a_reason_for_the_order(skus: list[str]) -> None:
    decision = match_lines(lines(*skus), CATALOGUE, MISSED)
    match decision:
        case Matched(found):
            assert [line.order_item_id for line in found] == [line.order_item_id for line in lines(*skus)]
            assert all(len(line.targets) == 1 and line.reason is None for line in found)
        case Unmatched(found, reason):
            assert len(found) == len(skus)
            assert all((line.reason is None) == bool(line.targets) for line in found)
            assert reason.code in {line.reason.code for line in found if line.reason}
        case LookUp(unknown):
            assert unknown == {"NEW"}


def test_a_view_is_unchanged_only_with_the_same_lines_reason_and_import() -> None:
    said = match_lines(lines("MUG"), CATALOGUE)
    held = match_lines(lines("GONE"), CATALOGUE, MISSED)
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
