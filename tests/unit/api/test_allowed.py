"""What an operator may do: the table of the contract, over all statuses, reasons and modes."""

from __future__ import annotations

import pytest

from orderbridge.status import STATUSES, Status
from orderbridge_api.domain.allowed import MODES, Verdict, allowed

# status, reason, retry (True or the 409's code), force (the same)
TABLE: list[tuple[Status, str | None, bool | str, bool | str]] = [
    *(
        ("skipped", reason, reason, reason)
        for reason in (
            "fulfilled_by_amazon",
            "import_disabled",
            "connection_removed",
            "marketplace_not_selected",
            "not_sold_on_amazon",
            "before_start_date",
            "already_shipped",
            "canceled_before_import",
            "unfulfillable_at_amazon",
            "resolved_by_operator",
        )
    ),
    ("skipped", None, "not_applicable", "not_applicable"),
    ("pending", "awaiting_payment", "awaiting_payment", "awaiting_payment"),
    ("pending", "unknown_amazon_status", "unknown_amazon_status", "unknown_amazon_status"),
    ("imported", None, "in_progress", "in_progress"),
    ("matched", None, "in_progress", "in_progress"),
    ("creating", None, "in_progress", "in_progress"),
    ("creating", "outcome_unknown", "in_progress", "in_progress"),
    *(
        ("unmatched", reason, True, "stock_only")
        for reason in ("sku_not_found", "ambiguous_sku", "ambiguous_title", "mapping_target_missing")
    ),
    ("unmatched", "sku_changed_after_import", "sku_changed_after_import", "sku_changed_after_import"),
    ("unmatched", "variant_missing", "variant_missing", "variant_missing"),
    ("failed", "unable_to_reserve_inventory", True, True),
    *(
        ("failed", reason, True, "stock_only")
        for reason in ("money_mismatch", "address_missing", "shopify_refused", "duplicate_suspected")
    ),
    ("failed", "connection_unauthorized", True, "connection_unauthorized"),
    ("failed", "connection_misconfigured", True, "connection_misconfigured"),
    ("failed", "message_parked", "message_parked", "message_parked"),
    ("created", None, "already_created", "already_created"),
    *(
        ("canceled", reason, reason, reason)
        for reason in ("canceled_by_amazon", "canceled_by_buyer", "canceled_by_merchant", "canceled_by_operator")
    ),
]


@pytest.mark.parametrize(("status", "reason", "retry", "force"), TABLE)
def test_the_table_of_the_contract_decides(
    status: Status, reason: str | None, retry: bool | str, force: bool | str
) -> None:
    for mode, wanted in zip(MODES, (retry, force), strict=True):
        verdict = allowed(status, reason, mode)
        assert (verdict.allowed, verdict.code) == ((True, None) if wanted is True else (False, wanted))


def test_the_table_names_every_status() -> None:
    assert {status for status, *_ in TABLE} == set(STATUSES)


@pytest.mark.parametrize("reason", sorted({reason for _, reason, *_ in TABLE if reason}))
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("mode", MODES)
def test_every_refusal_has_a_code_and_every_remedy_is_one_sentence(status: Status, reason: str, mode: str) -> None:
    verdict = allowed(status, reason, "retry" if mode == "retry" else "force")
    assert (verdict.code is None) == verdict.allowed
    assert verdict.remedy is None or (verdict.remedy.endswith(".") and ". " not in verdict.remedy)
    if mode == "force" and verdict.allowed:
        assert (status, reason) == ("failed", "unable_to_reserve_inventory")


def test_a_created_order_is_refused_with_its_link() -> None:
    link = "https://shop.example/orders/1"
    assert allowed("created", None, "retry", link) == Verdict(
        False, "already_created", f"Open the order in Shopify: {link}"
    )
