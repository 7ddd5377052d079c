"""A version that somebody asked for: it is always published, and what it lifts and what it must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderbridge.events import OrderImported
from orderbridge.shopify.order_input import PersonalData
from orderbridge_ingestor.adapters.amazon import order_asked_for
from orderbridge_ingestor.adapters.reading import read_order
from orderbridge_ingestor.domain.disposition import Policy
from orderbridge_ingestor.domain.orders import Change, Known, Snapshot, UnreadableOrder
from orderbridge_ingestor.domain.versions import decide_anew, take_named_version, take_version
from tests.support.facts import at
from tests.unit.ingestor.orders import BUYER, HOME, LINE, known, policy, snapshot
from tests.unit.ingestor.test_reading import minimal

OFF = {"import_enabled": False}
LATE = {"import_from": at()}


def before(*, settings: dict[str, Any] | None = None, version: Snapshot | None = None) -> Known:
    """What is known of an order that a poll brought under these settings."""
    change = take_version(known(), version or snapshot(), BUYER, None, policy(**settings or {}), at(1))
    assert change is not None
    return change.known


def refetched(
    order: Known,
    version: Snapshot,
    *,
    personal: PersonalData = BUYER,
    vaulted: PersonalData | None = None,
    settings: Policy | None = None,
    command_id: str | None = "c1",
) -> Change:
    change = take_named_version(order, version, personal, vaulted, settings or policy(), at(5), command_id)
    assert change is not None
    return change


def fact(change: Change) -> OrderImported:
    assert change.fact is not None
    return change.fact


def test_an_unchanged_order_is_published_again_and_names_the_command() -> None:
    order = before()

    change = refetched(order, snapshot(), vaulted=BUYER)

    assert order.fact is not None
    assert fact(change) == order.fact.model_copy(update={"seq": 2, "at": at(5), "command_id": "c1"})
    assert change.known.fact == change.fact
    assert change.personal is None


def test_two_commands_get_a_fact_each() -> None:
    first = refetched(before(), snapshot(), vaulted=BUYER)
    second = refetched(first.known, snapshot(), vaulted=BUYER, command_id="c2")

    assert [(fact(change).seq, fact(change).command_id) for change in (first, second)] == [(2, "c1"), (3, "c2")]


def test_an_order_nobody_knew_is_published_as_number_one() -> None:
    change = refetched(known(), snapshot())

    assert (fact(change).seq, fact(change).command_id, fact(change).disposition.kind) == (1, "c1", "import")
    assert change.personal == BUYER


def test_the_next_revision_names_no_command() -> None:
    order = refetched(before(), snapshot(), vaulted=BUYER).known

    same = take_version(order, snapshot(), BUYER, BUYER, policy(), at(6))
    more = take_version(order, snapshot(at(1)), BUYER, BUYER, policy(), at(6))
    anew = decide_anew(order, policy(**OFF), at(6))

    assert same is None
    assert more is not None
    assert anew is not None
    assert [(fact(change).seq, fact(change).command_id) for change in (more, anew)] == [(3, None), (3, None)]


LIFTED = [
    # Settings when a poll brought it, what Amazon says at the refetch, settings then, disposition, still switched off
    (OFF, {}, {}, "import None", False),
    (OFF, {"status": "PENDING"}, {}, "wait awaiting_payment", False),
    (OFF, {"status": "SHIPPED"}, {}, "skip already_shipped", False),
    (OFF, {"fulfilled_by": "amazon"}, {}, "skip fulfilled_by_amazon", False),
    (OFF, {}, OFF, "skip import_disabled", True),
    (OFF, {"fulfilled_by": "amazon"}, OFF, "skip fulfilled_by_amazon", True),
    (OFF, {}, LATE, "skip before_start_date", False),
    (LATE, {}, LATE, "skip before_start_date", False),
    (LATE, {}, {}, "import None", False),
    ({}, {}, OFF, "skip import_disabled", True),
]


@pytest.mark.parametrize(("then", "amazon", "now", "expected", "switched_off"), LIFTED)
@pytest.mark.parametrize("minutes", [0, 1])
def test_a_refetch_lifts_the_switch_while_import_is_on_and_nothing_else(
    then: dict[str, Any], amazon: dict[str, Any], now: dict[str, Any], expected: str, switched_off: bool, minutes: int
) -> None:
    change = refetched(before(settings=then), snapshot(at(minutes), **amazon), settings=policy(**now))

    decided = fact(change).disposition
    assert f"{decided.kind} {decided.reason}" == expected
    assert (change.known.switched_off, fact(change).command_id) == (switched_off, "c1")


def test_a_lifted_order_stays_lifted() -> None:
    lifted = refetched(before(settings=OFF), snapshot()).known

    again = take_version(lifted, snapshot(at(1)), BUYER, BUYER, policy(), at(6))

    assert again is not None
    assert fact(again).disposition.kind == "import"


def test_a_lifted_order_gets_its_personal_data() -> None:
    change = refetched(before(settings=OFF), snapshot())

    assert change.personal == BUYER
    assert fact(change).personal_data_rev == 1
    assert change.known.personal_until is not None


def test_an_order_of_a_removed_connection_is_answered_and_not_lifted() -> None:
    change = take_named_version(before(settings=OFF), snapshot(), BUYER, None, None, at(5), "c1")

    assert change is not None
    assert fact(change).disposition.reason == "connection_removed"
    assert change.known.switched_off


def test_without_a_command_it_is_lifted_and_published_only_where_it_says_something_new() -> None:
    assert take_named_version(before(), snapshot(), BUYER, BUYER, policy(), at(5), None) is None
    lifted = refetched(before(settings=OFF), snapshot(), command_id=None)
    assert (fact(lifted).seq, fact(lifted).command_id, fact(lifted).disposition.kind) == (2, None, "import")


# --- a role that was granted since


def test_an_address_that_came_since_counts_the_personal_data_up() -> None:
    change = take_version(known(), snapshot(), PersonalData(), None, policy(), at(1))
    assert change is not None

    granted = refetched(change.known, snapshot())

    assert (fact(change).personal_data_rev, fact(granted).personal_data_rev) == (0, 1)
    assert granted.personal == BUYER


def test_an_answer_without_an_address_takes_none_away() -> None:
    change = refetched(before(), snapshot(), personal=PersonalData(), vaulted=BUYER)

    assert change.personal is None
    assert fact(change).personal_data_rev == 1


# --- an older version than the one known

OLDER = replace(
    snapshot(at(-1), lines=(LINE.model_copy(update={"quantity": 9}),), status="PENDING"), deliver_by=at(9000)
)


def test_of_an_older_version_the_known_view_is_published_again() -> None:
    order = before()
    moved = BUYER.model_copy(update={"address": HOME.model_copy(update={"line1": "2 Example Street"})})

    change = refetched(order, OLDER, personal=moved, vaulted=BUYER)

    assert order.fact is not None
    assert fact(change) == order.fact.model_copy(update={"seq": 2, "at": at(5), "command_id": "c1"})
    assert change.personal is None
    assert change.known.personal_until == order.personal_until


def test_an_older_version_lifts_the_switch_and_brings_the_address_that_is_missing() -> None:
    change = refetched(before(settings=OFF), OLDER)

    assert (fact(change).disposition.kind, fact(change).lines[0].quantity) == ("import", 1)
    assert (fact(change).last_updated_at, fact(change).personal_data_rev) == (at(), 1)
    assert change.personal == BUYER
    assert change.known.personal_until is not None


def test_an_older_version_leaves_a_cancellation_and_who_canceled() -> None:
    canceled = take_version(
        before(), snapshot(at(1), status="CANCELLED", canceled_by="buyer"), BUYER, BUYER, policy(), at(2)
    )
    assert canceled is not None

    change = refetched(canceled.known, OLDER, vaulted=BUYER)

    assert fact(change).disposition.reason == "canceled_by_buyer"


# --- whose answer it is


def test_an_answer_is_about_the_order_that_was_asked_for() -> None:
    raw = minimal()
    asked: str = raw["orderId"]
    other = "113-0000000-0000000"

    assert order_asked_for(asked, read_order(raw)) == read_order(raw)
    nameless = order_asked_for(asked, read_order({**raw, "orderId": None}))
    assert isinstance(nameless, UnreadableOrder)
    assert (nameless.amazon_order_id, nameless.why) == (asked, "orderId is missing or of another form")
    strange = order_asked_for(other, read_order(raw))
    assert isinstance(strange, UnreadableOrder)
    assert (strange.amazon_order_id, strange.why) == (other, "the answer is another order than the one asked for")


# --- asked for by a back-fill


def backfilled(order: Known, version: Snapshot, settings: Policy) -> Change | None:
    return take_named_version(order, version, BUYER, None, settings, at(5), None, backfilled=True)


def test_a_back_fill_lifts_the_start_date_for_good() -> None:
    order = before(settings=LATE)

    change = backfilled(order, snapshot(), policy(**LATE))

    assert change is not None
    assert (fact(change).disposition.kind, fact(change).command_id) == ("import", None)
    again = take_version(change.known, snapshot(at(6)), BUYER, BUYER, policy(**LATE), at(7))
    assert again is not None
    assert fact(again).disposition.kind == "import"
    assert decide_anew(change.known, policy(import_from=at(5)), at(8)) is None


def test_a_back_fill_lifts_the_switch_only_while_import_is_on() -> None:
    order = before(settings=OFF)

    off = backfilled(order, snapshot(), policy(**OFF))
    on = backfilled(order, snapshot(), policy())

    assert off is not None
    assert (off.fact, off.known.named, off.known.switched_off) == (None, True, True)
    assert on is not None
    assert fact(on).disposition.kind == "import"


def test_what_a_back_fill_finds_as_it_was_is_not_published_again() -> None:
    order = before()

    change = take_named_version(order, snapshot(), BUYER, BUYER, policy(), at(5), None, backfilled=True)

    assert change is not None
    assert (change.fact, change.known) == (None, replace(order, named=True))
    assert take_named_version(change.known, snapshot(), BUYER, BUYER, policy(), at(6), None, backfilled=True) is None


def test_an_older_version_than_the_one_known_names_the_order_and_changes_nothing_else_of_it() -> None:
    order = before(settings=LATE)

    change = backfilled(order, snapshot(at(-1)), policy(**LATE))

    assert change is not None
    assert fact(change).disposition.kind == "import"
    assert fact(change).last_updated_at == snapshot().last_updated_at
