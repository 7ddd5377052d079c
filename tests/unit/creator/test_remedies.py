"""Closing an order by hand: when it may be, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import Reservation, ReservedLine, ShopifyOrder
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.intake import block, compare, take_import, take_match
from orderbridge_creator.domain.order import Change, Order, Remedy
from orderbridge_creator.domain.remedies import (
    AtShopify,
    ask,
    asked_shopify,
    canceled,
    decide_alone,
    give_up,
    given_job,
    link,
    overdue,
)
from tests.support.facts import ORDER, at, imported, matched, unmatched
from tests.unit.creator.building import SHOPIFY, command, ends, order_with, sent

EMPTY = Order(ORDER, "main")
GID = "gid://shopify/Order/77"
BY_HAND = ShopifyOrder(order_id=GID, name="#1077")
REFUSED = reasons.of_stock((), None)
LINES = (ReservedLine(variant_id="gid://shopify/ProductVariant/1", quantity=1),)
CLAIMED = Reservation(state="claimed", lines=LINES, at=at())


def imported_only(kind: str = "import", reason: str | None = None) -> Order:
    return take_import(EMPTY, imported(kind=kind, reason=reason))


def failed() -> Order:
    return phases.failed(sent(order_with()), at(), REFUSED).order


def created() -> Order:
    return phases.created(sent(order_with()), at(), SHOPIFY, CLAIMED).order


def asked(order: Order, command_id: str = "c1", mode: str = "resolve", **more: object) -> tuple[Order, Remedy]:
    order = ask(order, command(command_id, mode, **more))  # type: ignore[arg-type]
    return order, order.remedies[-1]


def resolve(order: Order) -> Change:
    order, remedy = asked(order)
    change = decide_alone(order, remedy, at())
    assert change is not None
    return change


def cancel(order: Order, *, restock: bool = True) -> Change:
    order, remedy = asked(order, "c9", "cancel", restock=restock)
    order = asked_shopify(order, remedy, at()).order
    return canceled(order, order.remedies[-1], at(1))


# What stands in the way of a resolve, and of a cancel; None: nothing does.
STATES: dict[str, tuple[Order, str | None, str | None]] = {
    "nothing known": (EMPTY, None, "in_progress"),
    "imported": (imported_only(), None, "in_progress"),
    "pending": (imported_only("wait", "awaiting_payment"), None, "awaiting_payment"),
    "matched": (order_with(), None, "in_progress"),
    "unmatched": (take_match(imported_only(), unmatched()), None, "sku_not_found"),
    "failed": (failed(), None, "unable_to_reserve_inventory"),
    "sending": (sent(order_with()), "in_progress", "in_progress"),
    "unknown": (phases.unknown(sent(order_with()), at(), at()).order, "in_progress", "in_progress"),
    "skipped": (imported_only("skip", "fulfilled_by_amazon"), "fulfilled_by_amazon", "fulfilled_by_amazon"),
    "canceled at Amazon": (
        take_import(order_with(), imported(2, kind="cancel", reason="canceled_by_buyer")),
        "canceled_by_buyer",
        "canceled_by_buyer",
    ),
    "created": (created(), "already_created", None),
    "resolved": (resolve(order_with()).order, "resolved_by_operator", "resolved_by_operator"),
    "canceled": (cancel(created()).order, "canceled_by_operator", "canceled_by_operator"),
}


@pytest.mark.parametrize("state", STATES)
def test_an_order_is_resolved_unless_it_is_closed_or_on_its_way(state: str) -> None:
    order, why_not, _ = STATES[state]

    change = resolve(order)

    if why_not is None:
        [fact] = change.facts
        assert (fact.phase, fact.seq, fact.attempts, fact.command_id) == (
            "resolved",
            order.seq + 1,
            order.attempts,
            "c1",
        )
        assert ends(change) == {"c1": ("done", "skipped")}
    else:
        assert (change.facts, ends(change)) == ((), {"c1": ("rejected", why_not)})
    assert change.order.remedies == ()


@pytest.mark.parametrize("state", STATES)
def test_only_what_is_created_is_canceled(state: str) -> None:
    order, _, why_not = STATES[state]
    order, remedy = asked(order, mode="cancel")

    change = decide_alone(order, remedy, at())

    if why_not is None:
        assert change is None
    else:
        assert change is not None
        assert (change.facts, ends(change)) == ((), {"c1": ("rejected", why_not)})


def test_a_resolve_to_a_shopify_order_needs_its_word() -> None:
    order, remedy = asked(order_with(), shopify_order_id=GID)

    assert decide_alone(order, remedy, at()) is None


@pytest.mark.parametrize("gid", ["", "77", "gid://shopify/Product/77", "gid://shopify/Order/77x", "gid://x/Order/77"])
def test_what_is_no_id_of_a_shopify_order_is_none_of_ours(gid: str) -> None:
    order, remedy = asked(order_with(), shopify_order_id=gid)

    change = decide_alone(order, remedy, at())

    assert change is not None
    assert ends(change) == {"c1": ("rejected", "shopify_order_not_found")}


@pytest.mark.parametrize(
    ("found", "rival", "code", "says"),
    [
        (None, None, "shopify_order_not_found", GID),
        (AtShopify(BY_HAND, canceled=True), None, "shopify_order_canceled", "#1077"),
        (AtShopify(BY_HAND), "main:999-0000000-0000009", "already_linked", "999-0000000-0000009"),
        (AtShopify(BY_HAND, False, "999-0000000-0000009"), None, "already_linked", "999-0000000-0000009"),
    ],
    ids=["missing", "canceled", "linked to another of ours", "made from another Amazon order"],
)
def test_an_order_is_not_linked_to_what_is_not_its_own(
    found: AtShopify | None, rival: str | None, code: str, says: str
) -> None:
    order, remedy = asked(failed(), shopify_order_id=GID)

    change = link(order, remedy, found, rival, at())

    assert (change.facts, ends(change)) == ((), {"c1": ("rejected", code)})
    [ended] = change.ended
    assert ended.reason is not None
    assert says in ended.reason.message


@pytest.mark.parametrize("says", [None, "113-1234567-7654321"], ids=["made by hand", "made from this Amazon order"])
def test_a_linked_order_is_created_and_no_attempt_is_counted(says: str | None) -> None:
    before, remedy = asked(failed(), shopify_order_id=GID)

    change = link(before, remedy, AtShopify(BY_HAND, False, says), None, at())

    [fact] = change.facts
    assert (fact.phase, fact.shopify, fact.attempts, fact.reservation) == ("created", BY_HAND, 1, None)
    assert ends(change) == {"c1": ("done", "created")}


def test_whatever_arrives_a_resolved_order_takes_no_further_attempt() -> None:
    order = resolve(order_with()).order

    for event in (imported(2), imported(3, kind="wait", reason="awaiting_payment"), imported(4)):
        order = take_import(order, event)
        change = compare(take_match(order, matched(event.seq, event.seq)), at(), None)
        assert (change.facts, change.due, change.order.due) == ((), False, False)


def test_the_commands_that_wait_end_with_the_order() -> None:
    order = take_match(imported_only(), matched(1, command_id="c2", mode="force"))
    order = take_import(order, imported(2, command_id="c3"))

    change = resolve(order).then(lambda it: compare(it, at(), None))

    assert ends(change) == {
        "c1": ("done", "skipped"),
        "c2": ("rejected", "resolved_by_operator"),
        "c3": ("done", "skipped"),
    }


@pytest.mark.parametrize("restock", [True, False])
def test_a_canceled_order_keeps_its_shopify_order_and_releases_what_went_back(restock: bool) -> None:
    change = cancel(created(), restock=restock)

    [fact] = change.facts
    assert (fact.phase, fact.shopify, fact.match_seq, fact.command_id) == ("canceled", SHOPIFY, 1, "c9")
    assert fact.reservation is not None
    assert (fact.reservation.state, fact.reservation.lines) == ("released" if restock else "claimed", LINES)
    assert ends(change) == {"c9": ("done", "canceled")}


def test_what_amazon_ships_never_came_from_the_shops_stock() -> None:
    order = replace(sent(order_with()), imported=imported(fulfilled_by="amazon"))
    assert phases.claimed(order, at()) is None
    order = phases.created(order, at(), SHOPIFY, None).order

    [fact] = cancel(order, restock=True).facts

    assert fact.reservation is None
    assert asked(order, "c9", "cancel", restock=True)[1].restock is False


def test_what_was_canceled_by_another_hand_releases_nothing_that_we_know_of() -> None:
    order, remedy = asked(created(), mode="cancel")

    [fact] = canceled(order, remedy, at()).facts

    assert fact.reservation == CLAIMED


def test_a_connection_that_breaks_ends_what_is_under_way() -> None:
    why = reasons.of_connection(Blocked("unauthorized", "the shop refused the secret"))
    order, _ = asked(failed(), shopify_order_id=GID)

    change = block(order, at(), why)

    assert ends(change) == {"c1": ("rejected", "connection_unauthorized")}
    assert change.order.remedies == ()


def test_what_came_of_a_cancellation_that_was_sent_is_learnt_though_its_command_has_ended() -> None:
    order, remedy = asked(created(), mode="cancel")
    order = asked_shopify(order, remedy, at()).order
    order = given_job(order, order.remedies[0], "gid://shopify/Job/1").order

    ended = give_up(order, at(), reasons.MESSAGE_PARKED)
    assert ends(ended) == {"c1": ("rejected", "message_parked")}
    assert not ended.order.awaited
    again = give_up(ended.order, at(), reasons.MESSAGE_PARKED)
    assert again.ended == ()

    learnt = canceled(again.order, again.order.remedies[0], at())
    assert ([fact.phase for fact in learnt.facts], learnt.ended) == (["canceled"], ())


def test_a_cancellation_that_shopify_does_not_carry_out_is_overdue_at_last() -> None:
    order, remedy = asked(created(), mode="cancel")
    sent_remedy = asked_shopify(order, remedy, at()).order.remedies[0]

    assert not overdue(remedy, at(1000))
    assert not overdue(sent_remedy, at() + timedelta(seconds=600))
    assert overdue(sent_remedy, at() + timedelta(seconds=601))
