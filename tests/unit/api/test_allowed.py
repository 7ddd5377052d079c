"""What an operator may do: the table of the contract, over all statuses, reasons and modes."""

from __future__ import annotations

from typing import get_args

import pytest

from orderbridge.events import Mode
from orderbridge.status import STATUSES, Status
from orderbridge_api.domain.allowed import MODES, OrderMode, Verdict, allowed

# As the contract has it, one line a row: status | reasons | retry rematch force refetch resolve cancel.
# `-` is no reason; a word in a cell is the code of a 409; `reason` is the order's own reason code.
CONTRACT = """
skipped | fulfilled_by_amazon import_disabled connection_removed marketplace_not_selected not_sold_on_amazon
          before_start_date already_shipped canceled_before_import unfulfillable_at_amazon
                                                             | reason reason reason yes reason reason
skipped | resolved_by_operator                               | reason reason reason yes reason reason
pending | awaiting_payment unknown_amazon_status             | reason reason reason yes yes reason
imported | -                                                 | in_progress in_progress in_progress yes yes in_progress
matched | -                                                  | in_progress in_progress in_progress yes yes in_progress
creating | - outcome_unknown
                         | in_progress in_progress in_progress in_progress in_progress in_progress
unmatched | sku_not_found ambiguous_sku ambiguous_title mapping_target_missing
                                                             | yes yes stock_only yes yes reason
unmatched | sku_changed_after_import variant_missing         | reason yes reason yes yes reason
failed | unable_to_reserve_inventory                         | yes yes yes yes yes reason
failed | money_mismatch address_missing shopify_refused duplicate_suspected
                                                             | yes yes stock_only yes yes reason
failed | connection_unauthorized connection_misconfigured    | yes yes reason yes yes reason
failed | message_parked                                      | reason reason reason yes yes reason
created | -
                         | already_created already_created already_created yes already_created yes
canceled | canceled_by_amazon canceled_by_buyer canceled_by_merchant canceled_by_operator
                                                             | reason reason reason yes reason reason
"""
COLUMNS: tuple[OrderMode, ...] = ("retry", "rematch", "force", "refetch", "resolve", "cancel")


def cases() -> list[tuple[Status, str | None, OrderMode, str]]:
    """Every status, reason and mode of the table, with ``yes`` or the code of the 409."""
    found: list[tuple[Status, str | None, OrderMode, str]] = []
    words = CONTRACT.replace("\n ", " ").strip().splitlines()
    for row in words:
        said, reasons, cells = (part.strip() for part in row.split("|"))
        [status] = [status for status in STATUSES if status == said]
        for code in reasons.split():
            reason = None if code == "-" else code
            for mode, cell in zip(COLUMNS, cells.split(), strict=True):
                found.append((status, reason, mode, code if cell == "reason" else cell))
    return found


CASES = cases()
REASONS = sorted({reason for _, reason, *_ in CASES if reason})


@pytest.mark.parametrize(("status", "reason", "mode", "wanted"), CASES)
def test_the_table_of_the_contract_decides(status: Status, reason: str | None, mode: OrderMode, wanted: str) -> None:
    verdict = allowed(status, reason, mode)
    assert (verdict.allowed, verdict.code) == ((True, None) if wanted == "yes" else (False, wanted))


def test_the_table_names_every_status_and_every_mode() -> None:
    assert {status for status, *_ in CASES} == set(STATUSES)
    assert {mode for _, _, mode, _ in CASES} == set(MODES) == {*get_args(Mode), "resolve", "cancel"}
    assert len(CASES) == len(set(CASES)) == 6 * 35


@pytest.mark.parametrize(("status", "code"), [("skipped", "not_applicable"), ("canceled", "not_applicable")])
def test_a_bare_refusal_without_a_reason_is_not_applicable(status: Status, code: str) -> None:
    assert allowed(status, None, "retry").code == code


@pytest.mark.parametrize(
    ("status", "mode", "wanted"),
    [("unmatched", "retry", True), ("unmatched", "force", "stock_only"), ("failed", "rematch", True)],
)
def test_a_reason_that_is_not_known_yet_is_treated_as_others_of_its_status(
    status: Status, mode: OrderMode, wanted: bool | str
) -> None:
    verdict = allowed(status, "a_reason_of_the_future", mode)
    assert (verdict.code or verdict.allowed) == wanted


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_refusal_has_a_code_and_every_remedy_is_one_sentence(status: Status, reason: str) -> None:
    for mode in MODES:
        verdict = allowed(status, reason, mode)
        assert (verdict.code is None) == verdict.allowed
        assert verdict.remedy is None or (verdict.remedy.endswith(".") and ". " not in verdict.remedy)
        if mode == "force" and verdict.allowed:
            assert (status, reason) == ("failed", "unable_to_reserve_inventory")


@pytest.mark.parametrize(
    ("status", "reason"), sorted({(case[0], case[1]) for case in CASES if case[3] != "yes"}, key=str)
)
def test_what_is_refused_names_what_mends_it_where_something_does(status: Status, reason: str | None) -> None:
    nothing_mends = {
        "connection_removed",
        "not_sold_on_amazon",
        "already_shipped",
        "canceled_before_import",
        "unfulfillable_at_amazon",
        "resolved_by_operator",
    }
    if status in ("canceled", "created") or reason in nothing_mends:
        return
    assert allowed(status, reason, "cancel").remedy


@pytest.mark.parametrize("mode", ["retry", "force"])
@pytest.mark.parametrize("reason", ["sku_changed_after_import", "variant_missing"])
def test_a_withdrawn_match_is_rematched(reason: str, mode: OrderMode) -> None:
    verdict = allowed("unmatched", reason, mode)
    assert verdict.code == reason
    assert "Rematch" in (verdict.remedy or "")


def test_a_missing_sku_is_mapped_or_put_on_the_product() -> None:
    assert allowed("unmatched", "sku_not_found", "force").remedy == "Map the SKU, or put it on the product."


def test_a_created_order_is_refused_with_its_link() -> None:
    link = "https://shop.example/orders/1"
    assert allowed("created", None, "retry", link) == Verdict(
        False, "already_created", f"Open the order in Shopify: {link}"
    )
