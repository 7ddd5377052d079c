"""The disposition table: each line, and who comes first where two hold."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.events import Disposition
from orderbridge_ingestor.domain.disposition import dispose
from tests.support.facts import at
from tests.unit.ingestor.orders import US, known, policy, told

NO_POLICY: dict[str, Any] = {}
OPEN = {"ever_open": True}
NAMED = {"named": True}
OFF = {"import_enabled": False}
ELSEWHERE = {"marketplaces": frozenset({"A1F83G8C2ARO7P"})}
LATE = {"import_from": at()}
FBA = {"import_fulfilled_by_amazon": True}

LINES = [
    # Amazon says, history, settings, disposition
    ({"status": "INVOICE_UNCONFIRMED"}, {}, {}, "wait unknown_amazon_status"),
    ({"status": None}, {}, {}, "wait unknown_amazon_status"),
    ({"status": "CANCELLED"}, {}, {}, "skip canceled_before_import"),
    ({"status": "CANCELLED", "canceled_by": "buyer"}, {}, {}, "skip canceled_before_import"),
    ({"status": "CANCELLED", "canceled_by": "buyer"}, OPEN, {}, "cancel canceled_by_buyer"),
    ({"status": "CANCELLED", "canceled_by": "merchant"}, OPEN, {}, "cancel canceled_by_merchant"),
    ({"status": "CANCELLED", "canceled_by": "amazon"}, OPEN, {}, "cancel canceled_by_amazon"),
    ({"status": "CANCELLED", "canceled_by": None}, OPEN, {}, "cancel canceled_by_amazon"),
    ({"status": "UNFULFILLABLE", "fulfilled_by": "amazon"}, {}, {}, "skip unfulfillable_at_amazon"),
    ({}, {}, ELSEWHERE, "skip marketplace_not_selected"),
    ({"marketplace_id": None}, {}, ELSEWHERE, "skip marketplace_not_selected"),
    ({"marketplace_id": None}, {}, {}, "import None"),
    ({}, {}, {"marketplaces": frozenset({US})}, "import None"),
    ({"sales_channel": "NON_AMAZON"}, {}, {}, "skip not_sold_on_amazon"),
    ({"fulfilled_by": "unknown"}, {}, {}, "wait unknown_amazon_status"),
    ({"fulfilled_by": "amazon"}, {}, {}, "skip fulfilled_by_amazon"),
    ({"fulfilled_by": "amazon"}, {}, FBA, "import None"),
    ({"fulfilled_by": "amazon", "status": "SHIPPED"}, {}, FBA, "import None"),
    ({"fulfilled_by": "amazon", "status": "PENDING"}, {}, FBA, "wait awaiting_payment"),
    ({}, {}, OFF, "skip import_disabled"),
    ({}, {"switched_off": True}, {}, "skip import_disabled"),
    ({}, {}, LATE, "skip before_start_date"),
    ({"purchased_at": at()}, {}, LATE, "import None"),
    ({}, NAMED, LATE, "import None"),
    ({"purchased_at": None}, NAMED, {}, "import None"),
    ({"status": "SHIPPED"}, NAMED, LATE, "skip already_shipped"),
    ({"status": "PENDING"}, NAMED, LATE, "wait awaiting_payment"),
    ({}, NAMED, OFF | LATE, "skip import_disabled"),
    ({}, NAMED | {"switched_off": True}, LATE, "skip import_disabled"),
    ({}, NAMED, ELSEWHERE, "skip marketplace_not_selected"),
    ({"status": "SHIPPED"}, {}, {}, "skip already_shipped"),
    ({"status": "SHIPPED"}, OPEN, {}, "skip already_shipped"),
    ({"status": "PENDING"}, {}, {}, "wait awaiting_payment"),
    ({"status": "PENDING_AVAILABILITY"}, {}, {}, "wait awaiting_payment"),
    ({"status": "UNSHIPPED"}, {}, {}, "import None"),
    ({"status": "PARTIALLY_SHIPPED"}, {}, {}, "import None"),
    # Who comes first
    ({"status": "NEW_WORD"}, {}, ELSEWHERE | OFF, "wait unknown_amazon_status"),
    ({"status": "CANCELLED", "fulfilled_by": "amazon"}, {}, {}, "skip canceled_before_import"),
    ({"status": "CANCELLED", "sales_channel": "NON_AMAZON"}, OPEN, OFF, "cancel canceled_by_amazon"),
    ({"status": "CANCELLED"}, {"switched_off": True}, {}, "skip canceled_before_import"),
    ({"status": "CANCELLED"}, OPEN | {"switched_off": True}, {}, "cancel canceled_by_amazon"),
    ({"status": "UNFULFILLABLE"}, {}, ELSEWHERE, "skip unfulfillable_at_amazon"),
    ({"sales_channel": "NON_AMAZON"}, {}, ELSEWHERE, "skip marketplace_not_selected"),
    ({"fulfilled_by": "unknown", "sales_channel": "NON_AMAZON"}, {}, {}, "skip not_sold_on_amazon"),
    ({"fulfilled_by": "unknown"}, {}, OFF, "wait unknown_amazon_status"),
    ({"fulfilled_by": "amazon"}, {}, OFF, "skip fulfilled_by_amazon"),
    ({"fulfilled_by": "amazon"}, {}, OFF | FBA, "skip import_disabled"),
    ({}, {}, OFF | LATE, "skip import_disabled"),
    ({"status": "SHIPPED"}, {}, OFF, "skip import_disabled"),
    ({"status": "SHIPPED"}, {}, LATE, "skip before_start_date"),
    ({"status": "PENDING"}, {}, OFF, "skip import_disabled"),
    ({"status": "PENDING"}, {}, LATE, "skip before_start_date"),
]


@pytest.mark.parametrize(("amazon", "history", "settings", "expected"), LINES)
def test_the_first_line_that_holds_decides(
    amazon: dict[str, Any], history: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    kind, reason = expected.split()

    decided = dispose(told(**amazon), known(**history), policy(**settings))

    assert decided == Disposition.model_validate({"kind": kind, "reason": None if reason == "None" else reason})


@pytest.mark.parametrize(
    ("amazon", "history", "reason"),
    [
        ({}, {}, "connection_removed"),
        ({"status": "SHIPPED"}, {}, "connection_removed"),
        ({"sales_channel": "NON_AMAZON"}, {}, "not_sold_on_amazon"),
        ({"status": "CANCELLED"}, OPEN, "canceled_by_amazon"),
    ],
)
def test_an_order_of_a_removed_connection_is_skipped(
    amazon: dict[str, Any], history: dict[str, Any], reason: str
) -> None:
    assert dispose(told(**amazon), known(**history), None).reason == reason
