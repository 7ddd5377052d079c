"""The status table of the contract, line by line, and that the order of arrival decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from orderbridge.events import CreationFact, Fact, MatchFact, OrderImported
from orderbridge.status import Standing, standing
from tests.support.facts import created, failed, imported, matched, progress, unmatched

TABLE = [
    # creation beats a cancellation only while it is sending, unknown or created
    ("canceled", imported(kind="cancel", reason="canceled_by_buyer"), None, None, False),
    ("canceled", imported(2, kind="cancel", reason="canceled_by_buyer"), matched(), failed(), False),
    ("canceled", imported(), matched(), progress("canceled"), False),
    ("creating", imported(2, kind="cancel", reason="canceled_by_buyer"), matched(), progress("sending"), False),
    ("creating", imported(2, kind="cancel", reason="canceled_by_buyer"), matched(), progress("unknown"), False),
    ("created", imported(2, kind="cancel", reason="canceled_by_buyer"), matched(), created(), False),
    # created is final
    ("created", imported(), matched(), created(), False),
    ("created", imported(2), unmatched(2, 2), created(), True),
    ("created", imported(2, kind="skip", reason="already_shipped"), matched(), created(), False),
    ("creating", imported(2, kind="skip", reason="already_shipped"), matched(), progress("sending"), False),
    # skipped
    ("skipped", imported(), matched(), progress("resolved"), False),
    ("skipped", imported(kind="skip", reason="fulfilled_by_amazon"), None, None, False),
    ("skipped", imported(kind="skip", reason="fulfilled_by_amazon"), None, None, True),
    # failed: parked, or the newest match failed
    ("failed", imported(), matched(), None, True),
    ("failed", None, None, None, True),
    ("failed", imported(), matched(), failed(), False),
    ("matched", imported(), matched(2), failed(match_seq=1), False),
    ("unmatched", imported(), unmatched(2), failed(match_seq=1), False),
    # waiting
    ("pending", imported(kind="wait", reason="awaiting_payment"), matched(), None, False),
    ("failed", imported(2, kind="wait", reason="awaiting_payment"), matched(), failed(), False),
    # the match must answer the newest import
    ("matched", imported(), matched(), None, False),
    ("matched", imported(), matched(), progress("planned"), False),
    ("unmatched", imported(), unmatched(), None, False),
    ("imported", imported(2), matched(imported_seq=1), None, False),
    ("imported", imported(), None, None, False),
    ("imported", None, matched(), None, False),
]


@pytest.mark.parametrize(("status", "i", "m", "c", "parked"), TABLE)
def test_the_first_line_that_holds_is_the_status(
    status: str, i: OrderImported | None, m: MatchFact | None, c: CreationFact | None, parked: bool
) -> None:
    assert standing(i, m, c, parked=parked).status == status


def test_a_reason_of_the_contract_comes_with_one_plain_sentence() -> None:
    skipped = standing(imported(kind="skip", reason="fulfilled_by_amazon"), None, None)

    assert skipped.reason is not None
    assert skipped.reason.code == "fulfilled_by_amazon"
    assert skipped.reason.message.endswith(".")


def newest(facts: Iterable[Fact]) -> Standing:
    """What a reader does: keep the newest fact per source, then ask the function."""
    held: dict[str, Fact] = {}
    for fact in facts:
        if fact.source not in held or held[fact.source].seq < fact.seq:
            held[fact.source] = fact
    i, m, c = (held.get(source) for source in ("ingestor", "matcher", "creator"))
    assert i is None or isinstance(i, OrderImported)
    assert m is None or isinstance(m, MatchFact)
    assert c is None or isinstance(c, CreationFact)
    return standing(i, m, c)


HISTORY: list[Fact] = [
    imported(1, kind="wait", reason="awaiting_payment"),
    imported(2),
    unmatched(1, 1),
    matched(2, 2),
    progress("planned", 1, 2, 2),
    progress("sending", 2, 2, 2),
    created(3, 2),
]


def test_every_permutation_of_a_history_ends_in_the_same_status() -> None:
    for length in range(1, len(HISTORY) + 1):
        part = HISTORY[:length]
        expected = newest(part)

        assert all(newest(arrival) == expected for arrival in itertools.permutations(part))


def test_a_doubled_history_ends_in_the_same_status() -> None:
    assert newest([*HISTORY, *reversed(HISTORY)]) == newest(HISTORY)
