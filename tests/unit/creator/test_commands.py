"""Every mode of a command, in every state an order can be in: how it ends, or that it waits for an attempt."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import Event, MatchFact, Mode, OrderImported
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.intake import block, compare, take_import, take_match
from orderbridge_creator.domain.order import Asked, Order
from orderbridge_creator.domain.remedies import ask, decide_alone
from tests.support.facts import ORDER, at, imported, matched, unmatched
from tests.unit.creator.building import CLAIMED, SHOPIFY, command, ends, order_with, sent

MODES: tuple[Mode, ...] = ("retry", "rematch", "force", "refetch")
EMPTY = Order(ORDER, "main")
UNAUTHORIZED = reasons.of_connection(Blocked("unauthorized", "the shop refused the secret"))
WAITS = None


def created() -> Order:
    return phases.created(sent(order_with()), at(), SHOPIFY, CLAIMED).order


def resolved() -> Order:
    order = ask(order_with(), command("c0", "resolve"))
    change = decide_alone(order, order.remedies[0], at())
    assert change is not None
    return change.order


def of(*events: Event) -> Order:
    order = EMPTY
    for event in events:
        if isinstance(event, OrderImported):
            order = take_import(order, event)
        else:
            assert isinstance(event, MatchFact)
            order = take_match(order, event)
    return order


# By the order's state: the order, and how a retry, a rematch, a force and a refetch end that come upon it.
STATES: dict[str, tuple[Order, tuple[object, object, object, object]]] = {
    "nothing known": (EMPTY, (WAITS, WAITS, WAITS, WAITS)),
    "no match yet": (of(imported()), (WAITS, WAITS, WAITS, WAITS)),
    "matched before the newest import": (of(imported(2), matched()), (WAITS, WAITS, WAITS, WAITS)),
    "sending": (sent(order_with()), (WAITS, WAITS, WAITS, WAITS)),
    "unknown": (phases.unknown(sent(order_with()), at(), at()).order, (WAITS, WAITS, WAITS, WAITS)),
    "skipped": (
        of(imported(kind="skip", reason="already_shipped"), matched()),
        ("already_shipped", "already_shipped", "already_shipped", "skipped"),
    ),
    "pending": (
        of(imported(kind="wait", reason="awaiting_payment"), matched()),
        ("awaiting_payment", "awaiting_payment", "awaiting_payment", "pending"),
    ),
    "canceled at Amazon": (
        of(imported(kind="cancel", reason="canceled_by_buyer"), matched()),
        ("canceled_by_buyer", "canceled_by_buyer", "canceled_by_buyer", "canceled"),
    ),
    "unmatched": (of(imported(), unmatched()), ("unmatched", "unmatched", "stock_only", "unmatched")),
    "ambiguous": (
        of(imported(), unmatched(code="ambiguous_title")),
        ("unmatched", "unmatched", "stock_only", "unmatched"),
    ),
    "SKU changed": (
        of(imported(), unmatched(code="sku_changed_after_import")),
        ("sku_changed_after_import", "unmatched", "sku_changed_after_import", "unmatched"),
    ),
    "variant missing": (
        of(imported(), unmatched(code="variant_missing")),
        ("variant_missing", "unmatched", "variant_missing", "unmatched"),
    ),
    "created": (created(), ("already_created", "already_created", "already_created", "created")),
    "created, then canceled at Amazon": (
        take_import(created(), imported(2, kind="cancel", reason="canceled_by_buyer")),
        ("already_created", "already_created", "already_created", "created"),
    ),
    "resolved": (resolved(), ("resolved_by_operator", "resolved_by_operator", "resolved_by_operator", "skipped")),
    "resolved, then imported anew": (
        take_match(take_import(resolved(), imported(2)), matched(2, 2)),
        ("resolved_by_operator", "resolved_by_operator", "resolved_by_operator", "skipped"),
    ),
}
DONE = ("skipped", "pending", "canceled", "unmatched", "created")


@pytest.mark.parametrize(("state", "mode"), list(product(STATES, MODES)), ids=str)
def test_a_command_ends_as_its_mode_and_the_order_say(state: str, mode: Mode) -> None:
    order, expected = STATES[state]
    word = expected[MODES.index(mode)]

    change = compare(_asked(order, mode), at(), None)

    if word is WAITS:
        assert ends(change) == {}
        assert [one.command_id for one in change.order.waiting] == ["c1"]
    else:
        assert ends(change) == {"c1": ("done" if word in DONE else "rejected", word)}
        assert change.facts == ()


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_an_attempt_of_what_is_matched(mode: Mode) -> None:
    failed = phases.failed(sent(order_with()), at(), reasons.of_stock((), None)).order

    change = compare(take_match(failed, matched(2, command_id="c1", mode=mode)), at(), None)

    assert [(fact.phase, fact.command_id, fact.mode) for fact in change.facts] == [("planned", "c1", mode)]
    assert ends(phases.created(sent(change.order), at(), SHOPIFY, CLAIMED)) == {"c1": ("done", "created")}
    assert ends(phases.failed(sent(change.order), at(), UNAUTHORIZED)) == {"c1": ("done", "failed")}


@pytest.mark.parametrize("state", ["nothing known", "no match yet", "matched before the newest import"])
@pytest.mark.parametrize("mode", MODES)
def test_no_command_waits_for_a_match_while_the_connection_is_blocked(state: str, mode: Mode) -> None:
    order = _asked(STATES[state][0], mode)

    assert ends(compare(order, at(), UNAUTHORIZED)) == {"c1": ("rejected", "connection_unauthorized")}
    assert ends(block(order, at(), UNAUTHORIZED)) == {"c1": ("rejected", "connection_unauthorized")}


def test_a_connection_that_breaks_leaves_what_was_sent_to_its_outcome() -> None:
    order = _asked(sent(_asked(order_with(), "retry", "c1")), "force", "c2")

    assert ends(block(order, at(), UNAUTHORIZED)) == {"c2": ("rejected", "connection_unauthorized")}


def test_a_parked_message_ends_what_waits_and_leaves_what_was_sent() -> None:
    order = _asked(sent(_asked(order_with(), "retry", "c1")), "force", "c2")

    assert ends(phases.held_back(order, at())) == {"c2": ("rejected", "message_parked")}
    assert ends(phases.held_back(_asked(of(imported()), "refetch"), at())) == {"c1": ("rejected", "message_parked")}


def test_a_refetch_comes_with_its_import_and_waits_for_the_match_that_answers_it() -> None:
    order = of(imported(), unmatched())

    asked = compare(take_import(order, imported(2, command_id="c1")), at(), None)
    answered = compare(take_match(asked.order, unmatched(2, 2, command_id="c1", mode="refetch")), at(), None)

    assert ends(asked) == {}
    assert ends(answered) == {"c1": ("done", "unmatched")}


def test_a_refetch_that_comes_with_an_older_import_is_answered_by_the_newest() -> None:
    order = of(imported(3, kind="skip", reason="already_shipped"))

    assert ends(compare(take_import(order, imported(2, command_id="c1")), at(), None)) == {"c1": ("done", "skipped")}


def test_a_refetch_and_a_retry_that_come_while_it_is_sent_are_told_apart_once_it_is_created() -> None:
    order = take_import(sent(order_with()), imported(2, command_id="c1"))
    order = take_match(order, matched(2, 2, command_id="c2", mode="rematch"))

    assert ends(phases.created(order, at(), SHOPIFY, CLAIMED)) == {
        "c1": ("done", "created"),
        "c2": ("rejected", "already_created"),
    }


def test_the_rejection_of_what_is_created_says_where_the_order_is() -> None:
    [ended] = compare(_asked(created(), "retry"), at(), None).ended

    assert ended.reason is not None
    assert ended.reason.details["shopify_order_id"] == SHOPIFY.order_id


def test_the_rejection_of_what_only_a_rematch_mends_tells_both_skus() -> None:
    withdrawn = unmatched(code="sku_changed_after_import")
    told = withdrawn.reason.model_copy(update={"details": {"old_sku": "MUG", "new_sku": "CUP"}})
    order = of(imported(), withdrawn.model_copy(update={"reason": told}))

    [ended] = compare(_asked(order, "force"), at(), None).ended

    assert ended.reason == told


def _asked(order: Order, mode: Mode, command_id: str = "c1") -> Order:
    return replace(order, asked=(*order.asked, Asked(command_id, mode)))
