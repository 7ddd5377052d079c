"""Mappings: what may be written, what counts as a change, what the shop's answer means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orderbridge.events import LineMatch, MappingTarget, Reason
from orderbridge_api.domain.mappings import (
    MappingBody,
    StoredMapping,
    Wanted,
    freed_by,
    held_skus,
    removed,
    revised,
    saved,
    shown,
    sku_mistake,
    utc_time,
    verdict_on,
)
from orderbridge_api.domain.projection import OrderState, resource_of
from orderbridge_api.domain.variants import Checked, FoundVariant
from tests.support.facts import at, failed, imported, matched, unmatched

MUG = MappingTarget(shopify_sku="MUG", units=1)
LID = MappingTarget(shopify_sku="LID", units=2)


def stored(*targets: MappingTarget, rev: int = 1, **more: Any) -> StoredMapping:
    wanted = Wanted("A-1", targets, **more)
    before = None
    for _ in range(rev):
        before = revised(wanted, before, "main", "Ada", at())
    assert before is not None
    return before


def variant(sku: str, status: str = "ACTIVE", number: int = 1) -> FoundVariant:
    return FoundVariant(
        variant_id=f"gid://shopify/ProductVariant/{number}",
        product_id="gid://shopify/Product/1",
        shopify_sku=sku,
        title="Default Title",
        product_title="Invented mug",
        status=status,
    )


# --- what may be written


@pytest.mark.parametrize(
    "sku", ["A", "a b", "ÄÖ-1/2", "商品-1", "=SUM(A1)", "-5", "x" * 255, "👍🏽", "%20", "a'b\"c\\d"]
)
def test_a_sku_may_be_any_text_of_255_characters(sku: str) -> None:
    assert sku_mistake(sku) is None


@pytest.mark.parametrize("sku", ["", "x" * 256, "a\0b", "a\nb", "a\tb", "a\x7fb", "a\u2028b", "\ud800", "a\ufffdb"])
def test_a_sku_is_no_control_character_and_nothing_broken(sku: str) -> None:
    assert sku_mistake(sku)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00+00:00"),
        ("2026-11-20t13:30:00.25+01:30", "2026-11-20T12:00:00.250000+00:00"),
        ("2026-11-20 12:00:00-00:00", "2026-11-20T12:00:00+00:00"),
    ],
)
def test_a_time_has_a_zone_and_becomes_utc(written: str, utc: str) -> None:
    assert utc_time(written).isoformat() == utc


@pytest.mark.parametrize(
    "written",
    [
        *("2026-11-20", "2026-11-20T12:00:00", "20.11.2026", "1700000000", 1700000000, True, "now", ""),
        *("2026-02-30T12:00:00Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "٢٠٢٦-11-20T12:00:00Z"),
    ],
)
def test_a_time_without_a_zone_or_that_is_none_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="with its zone"):
        utc_time(written)


TARGET = {"shopify_sku": "MUG", "units": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"targets": []}, "targets"),
        ({}, "targets"),
        ({"targets": [TARGET] * 2}, "targets"),
        ({"targets": [TARGET, {"shopify_sku": " MUG ", "units": 2}]}, "targets"),
        ({"targets": [{"shopify_sku": f"S{n}", "units": 1} for n in range(51)]}, "targets"),
        *(
            ({"targets": [TARGET | {"units": units}]}, "targets.0.units")
            for units in (0, -1, 10_000, 1.0, 1.5, "1", True)
        ),
        ({"targets": [TARGET | {"units": None}]}, "targets.0.units"),
        ({"targets": [TARGET | {"shopify_sku": "  "}]}, "targets.0.shopify_sku"),
        ({"targets": [TARGET | {"shopify_sku": 5}]}, "targets.0.shopify_sku"),
        ({"targets": [TARGET | {"title": "Mug"}]}, "targets.0.title"),
        ({"targets": [TARGET], "valid_from": "2026-11-20"}, "valid_from"),
        (
            {"targets": [TARGET], "valid_from": "2026-11-20T12:00:00Z", "valid_until": "2026-11-20T13:00:00+01:00"},
            "valid_until",
        ),
        ({"targets": [TARGET], "amazon_sku": "A"}, "amazon_sku"),
    ],
)
def test_a_body_that_makes_no_sense_names_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        MappingBody.model_validate(body)
    assert [".".join(map(str, error["loc"])) for error in raised.value.errors()] == [field]


def test_skus_are_trimmed_and_keep_their_case() -> None:
    body = MappingBody.model_validate({"targets": [{"shopify_sku": " mUg\u00a0", "units": 3}]})
    assert body.wanted("A").targets == (MappingTarget(shopify_sku="mUg", units=3),)


# --- what counts as a change


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        (None, "new"),
        (removed(stored(MUG), "Ada", at()), "new"),
        (stored(MUG, LID), "unchanged"),
        (stored(LID, MUG), "unchanged"),
        (stored(MUG), "changed"),
        (stored(MUG, LID.model_copy(update={"units": 3})), "changed"),
        (stored(MUG, LID, valid_from=at()), "changed"),
        (stored(MUG, LID, valid_until=at()), "changed"),
    ],
)
def test_the_same_targets_and_times_in_any_order_are_no_change(before: StoredMapping | None, verdict: str) -> None:
    assert verdict_on(Wanted("A-1", (MUG, LID)), before) == verdict


def test_revisions_go_on_counting_after_a_deletion() -> None:
    gone = removed(stored(MUG, rev=2), "Ada", at(1))
    again = revised(Wanted("A-1", (LID,)), gone, "main", "Bob", at(2))
    assert (gone.mapping.rev, gone.deleted, again.mapping.rev, again.deleted) == (3, True, 4, False)
    assert (shown(again).updated_by, shown(again).updated_at) == ("Bob", at(2))


def test_a_saved_mapping_is_its_resource_with_what_it_does() -> None:
    answer = saved(stored(MUG, valid_from=at()), 3, []).model_dump()
    assert answer == shown(stored(MUG, valid_from=at())).model_dump() | {"waiting_orders": 3, "warnings": ()}


# --- which orders wait


def reason(code: str = "sku_not_found") -> Reason:
    return Reason(code=code, message="No variant has it.")


def held_by(*skus: str | None, **more: Any) -> OrderState:
    """An order with a matched line and one without a match for each of these SKUs."""
    first = imported().lines[0]
    lines = [first.model_copy(update={"order_item_id": str(n), "amazon_sku": sku}) for n, sku in enumerate(skus, 2)]
    matches = [LineMatch(order_item_id=str(n), amazon_sku=sku, reason=reason()) for n, sku in enumerate(skus, 2)]
    state = OrderState(
        "main:113-1234567-7654321",
        imported(lines=(first, *lines)),
        unmatched(lines=(*matched().lines, *matches)),
    )
    return OrderState(state.order_id, state.imported, state.match, **more)


def test_an_unmatched_order_is_held_by_the_skus_of_its_lines_with_a_reason() -> None:
    assert held_skus(resource_of(held_by(" B ", "A", "B"))) == ["A", "B"]


def test_a_line_without_a_sku_holds_its_order_for_every_mapping() -> None:
    assert held_skus(resource_of(held_by("A", None))) == ["", "A"]


def test_an_order_that_is_not_unmatched_is_held_by_no_sku() -> None:
    bare = OrderState("main:113-1234567-7654321", imported())
    assert held_skus(resource_of(bare)) is None
    assert held_skus(resource_of(held_by("A", creation=failed()))) is None
    newer = held_by("A")
    assert held_skus(resource_of(OrderState(newer.order_id, imported(2), newer.match))) is None


# --- what the shop says


@pytest.mark.parametrize(
    ("statuses", "drafts", "code"),
    [
        ([], False, "mapping_target_missing"),
        (["ACTIVE"], False, None),
        (["ACTIVE", "ARCHIVED"], False, None),
        (["ACTIVE", "DRAFT"], False, None),
        (["ACTIVE", "DRAFT"], True, "ambiguous_sku"),
        (["ACTIVE", "ACTIVE"], False, "ambiguous_sku"),
        (["ARCHIVED"], True, "mapping_target_archived"),
        (["A NEW WORD"], False, "mapping_target_archived"),
        (["DRAFT"], False, "mapping_target_draft"),
        (["DRAFT"], True, None),
    ],
)
def test_a_target_is_one_variant_on_sale_as_the_matcher_sees_it(
    statuses: list[str], drafts: bool, code: str | None
) -> None:
    checked = Checked({"MUG": [variant("MUG", status, n) for n, status in enumerate(statuses)]}, drafts)
    assert [warning.code for warning in checked.warnings(["MUG"])] == ([code] if code else [])
    assert freed_by([Wanted("A", (MUG,))], checked) == ([Wanted("A", (MUG,))] if code is None else [])


def test_a_kit_with_one_missing_part_frees_nothing() -> None:
    checked = Checked({"MUG": [variant("MUG")], "LID": []}, drafts=False)
    assert freed_by([Wanted("A", (MUG, LID)), Wanted("B", (MUG,))], checked) == [Wanted("B", (MUG,))]


def test_what_was_not_asked_for_is_said_once_and_frees_nothing() -> None:
    checked = Checked({"MUG": [variant("MUG")]}, drafts=False, unchecked="the shop does not answer now")
    [warning] = checked.warnings(["MUG", "LID", "LID", "CAP"])
    assert (warning.code, warning.shopify_sku) == ("not_checked", None)
    assert "2 SKUs" in warning.message
    assert "the shop does not answer now" in warning.message
    assert freed_by([Wanted("A", (LID,))], checked) == []
    assert [each.shopify_sku for each in checked.warnings(["LID"])] == ["LID"]
