"""What the demo prints, and what it expects of each order."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from deploy.local.accounting import Account, Books, settle
from deploy.local.demo_progress import Progress
from deploy.local.demo_report import last_line, report
from deploy.local.demo_story import expectations

EMPTY = settle(Books(amazon=[], calls=[], ours=[], attempts=[], shopify=[], creates=[]))
CONTRACT_KEYS = [
    "broker",
    "imported",
    "created",
    "skipped",
    "pending",
    "unmatched",
    "failed",
    "canceled",
    "forced",
    "lost",
    "doubled",
    "amazon_calls",
    "order_creates_accepted",
    "order_creates_refused",
    "order_creates_cut_off",
    "seconds",
]


def test_the_last_line_is_one_json_object_with_the_keys_of_the_contract() -> None:
    line = last_line(EMPTY, "Apache Kafka 4.4.0", 61.04)
    assert "\n" not in line
    said = json.loads(line)
    assert list(said) == CONTRACT_KEYS
    assert (said["broker"], said["seconds"]) == ("Apache Kafka 4.4.0", 61.0)


def test_each_status_lands_under_its_own_key() -> None:
    account = replace(EMPTY, by_status={"created": 5, "failed": 1}, lost=("A",), doubled=("B", "C"), refused=2)
    said = json.loads(last_line(account, "", 0))
    assert (said["created"], said["failed"], said["canceled"]) == (5, 1, 0)
    assert (said["lost"], said["doubled"], said["order_creates_refused"]) == (1, 2, 2)


def test_every_fault_is_one_line_and_very_many_are_counted() -> None:
    few = _lines(replace(EMPTY, faults=("one", "two")))
    assert [line for line in few if line.startswith("WRONG")] == ["WRONG: one", "WRONG: two"]
    many = _lines(replace(EMPTY, faults=tuple(map(str, range(30)))))
    assert many[-1] == "WRONG: and 10 more"
    assert sum(line.startswith("WRONG") for line in many) == 21


def _lines(account: Account) -> list[str]:
    return list(report(account, {"total": 0, "by_status": {}, "by_reason": {}}))


def test_what_must_become_of_an_order_follows_from_its_story() -> None:
    expected = expectations({"unshipped": ["A"], "pending": ["B"], "sku": {"MUG": ["C"], "CUP": ["D"]}})
    assert expected == {
        "A": ("created", None),
        "B": ("pending", "awaiting_payment"),
        "C": ("failed", "unable_to_reserve_inventory"),
        "D": ("failed", "unable_to_reserve_inventory"),
    }


def test_without_a_terminal_progress_is_a_line_and_only_when_something_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("deploy.local.demo_progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.show({"total": 2, "by_status": {"imported": 2}})
        now = 5.0
        progress.show({"total": 2, "by_status": {"imported": 2}})
        progress.show({"total": 2, "by_status": {"imported": 1, "created": 1}})
        now = 6.0
        progress.show({"total": 2, "by_status": {"created": 2}})
        now = 7.0
        progress.show({"total": 2, "by_status": {"created": 2}})
    assert [line.partition("s  ")[2].strip() for line in stream.getvalue().splitlines()] == [
        "2 orders: 2 imported",
        "2 orders: 1 imported, 1 created",
        "2 orders: 2 created",
    ]
