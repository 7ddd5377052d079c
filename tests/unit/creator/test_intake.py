"""What an order's newest facts ask for, whatever order they come in."""

from __future__ import annotations

from itertools import permutations

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import Event, OrderImported, OrderMatched, OrderUnmatched
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.intake import block, compare, take_import, take_match
from orderbridge_creator.domain.order import Change, Order
from tests.support.facts import ORDER, at, imported, matched, unmatched
from tests.unit.creator.building import CLAIMED, SHOPIFY, ends, order_with, sent

UNAUTHORIZED = reasons.of_connection(Blocked("unauthorized", "the shop refused the secret"))


def arrive(order: Order, *events: Event) -> Change:
    """Each event compared as it arrives."""
    change = Change(order)
    for event in events:
        change = change.then(lambda it, event=event: compare(_take(it, event), at(), None))  # type: ignore[misc]
    return change


def _take(order: Order, event: Event) -> Order:
    if isinstance(event, OrderImported):
        return take_import(order, event)
    assert isinstance(event, OrderMatched | OrderUnmatched)
    return take_match(order, event)


EMPTY = Order(ORDER, "main")


def test_a_match_of_the_newest_import_is_planned() -> None:
    change = arrive(EMPTY, imported(), matched())

    [fact] = change.facts
    assert (fact.phase, fact.seq, fact.imported_seq, fact.match_seq) == ("planned", 1, 1, 1)
    assert change.due


@pytest.mark.parametrize(
    "events",
    [
        [imported()],
        [matched()],
        [imported(2), matched(1, imported_seq=1)],
        [imported(1), matched(1, imported_seq=2)],
        [imported(kind="skip", reason="already_shipped"), matched()],
        [imported(kind="cancel", reason="canceled_by_buyer"), matched()],
        [imported(kind="wait", reason="awaiting_payment"), matched()],
        [imported(), unmatched()],
        [imported(), unmatched(2), matched(1)],
    ],
    ids=["no match", "no import", "older import", "newer import", "skip", "cancel", "wait", "unmatched", "old match"],
)
def test_an_order_that_is_not_asked_for_is_not_planned(events: list[Event]) -> None:
    change = arrive(EMPTY, *events)

    assert (change.facts, change.due) == ((), False)


def test_every_order_of_arrival_comes_to_the_same_plan() -> None:
    events = [
        imported(1),
        imported(2),
        matched(1, imported_seq=1),
        matched(2, imported_seq=2),
        unmatched(3, 2),
        matched(4, 2),
    ]
    ended = {
        (it.order.fact.match_seq, it.order.fact.imported_seq, it.order.due)
        for order in permutations(events)
        if (it := arrive(EMPTY, *order)).order.fact is not None
    }

    assert ended == {(4, 2, True)}


def test_a_fact_that_arrives_again_says_nothing_new() -> None:
    planned = arrive(EMPTY, imported(), matched()).order

    again = arrive(planned, imported(), matched())

    assert again.facts == ()
    # Its work may have been dropped while something of the order was parked.
    assert again.due


def test_every_new_match_is_one_attempt_whatever_failed_before() -> None:
    failed = phases.failed(sent(order_with()), at(), reasons.of_stock((), None)).order

    change = arrive(failed, matched(2))

    assert [fact.phase for fact in change.facts] == ["planned"]
    assert change.due


def test_what_failed_is_not_planned_again_without_a_new_match() -> None:
    failed = phases.failed(sent(order_with()), at(), reasons.of_stock((), None)).order

    change = arrive(failed, matched(1), imported(1))

    assert (change.facts, change.due) == ((), False)


def test_a_command_with_an_older_match_counts_for_the_newest() -> None:
    planned = arrive(EMPTY, imported(), matched(3)).order

    change = arrive(planned, matched(2, command_id="c1", mode="force"))

    [fact] = change.facts
    assert (fact.match_seq, fact.command_id, fact.mode) == (3, "c1", "force")
    assert phases.forced(change.order)


def test_a_force_leads_where_two_commands_wait() -> None:
    change = arrive(
        EMPTY, imported(), matched(1, command_id="c1", mode="force"), matched(2, command_id="c2", mode="retry")
    )

    assert (change.facts[-1].command_id, change.facts[-1].mode) == ("c1", "force")


@pytest.mark.parametrize("phase", ["sending", "unknown"])
def test_what_arrives_while_the_outcome_is_open_is_only_kept(phase: str) -> None:
    order = sent(order_with())
    if phase == "unknown":
        order = phases.unknown(order, at(), at()).order

    change = arrive(order, matched(2, command_id="c1", mode="retry"), imported(2, kind="cancel"))

    assert (change.facts, change.ended) == ((), ())
    assert change.order.match_seq == 2


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([imported(2, kind="skip", reason="already_shipped")], ("rejected", "already_shipped")),
        ([imported(2, kind="cancel", reason="canceled_by_amazon")], ("rejected", "canceled_by_amazon")),
        ([imported(2, kind="wait", reason="unknown_amazon_status")], ("rejected", "unknown_amazon_status")),
        ([unmatched(3)], ("done", "unmatched")),
    ],
    ids=["skip", "cancel", "wait", "unmatched"],
)
def test_a_retry_ends_as_soon_as_it_can_lead_to_nothing(events: list[Event], expected: tuple[str, str]) -> None:
    planned = arrive(EMPTY, imported(), matched(2, command_id="c1", mode="retry")).order

    assert ends(arrive(planned, *events)) == {"c1": expected}


def test_a_force_of_an_unmatched_order_is_rejected() -> None:
    change = arrive(EMPTY, imported(), unmatched(1, command_id="c1", mode="force"))

    assert ends(change) == {"c1": ("rejected", "stock_only")}


def test_a_command_waits_for_the_match_that_answers_a_newer_import() -> None:
    change = arrive(EMPTY, imported(2), matched(1, imported_seq=1, command_id="c1", mode="retry"))
    assert (change.ended, change.facts) == ((), ())

    after = arrive(change.order, matched(2, imported_seq=2))

    assert after.facts[0].command_id == "c1"


def test_a_command_ends_once() -> None:
    created = phases.created(sent(order_with(matched(1, command_id="c1", mode="retry"))), at(), SHOPIFY, CLAIMED)
    assert ends(created) == {"c1": ("done", "created")}

    assert arrive(created.order, matched(1, command_id="c1", mode="retry")).ended == ()


def test_a_new_match_of_a_blocked_connection_fails_at_once_and_stays_due() -> None:
    order = take_match(take_import(EMPTY, imported()), matched(1, command_id="c1", mode="force"))

    change = compare(order, at(), UNAUTHORIZED)

    [fact] = change.facts
    assert (fact.phase, fact.match_seq) == ("failed", 1)
    assert ends(change) == {"c1": ("rejected", "connection_unauthorized")}
    assert change.due
    assert change.order.due
    assert not phases.forced(change.order)


def test_a_connection_that_breaks_fails_what_is_planned_once() -> None:
    planned = arrive(EMPTY, imported(), matched(1, command_id="c1", mode="retry")).order

    change = block(planned, at(), UNAUTHORIZED)

    assert [fact.phase for fact in change.facts] == ["failed"]
    assert ends(change) == {"c1": ("rejected", "connection_unauthorized")}
    assert block(change.order, at(), UNAUTHORIZED).facts == ()


def test_a_connection_that_breaks_leaves_alone_what_is_not_planned() -> None:
    canceled = arrive(EMPTY, imported(), matched(), imported(2, kind="cancel")).order

    for order in (EMPTY, canceled, sent(order_with())):
        assert block(order, at(), UNAUTHORIZED).facts == ()
