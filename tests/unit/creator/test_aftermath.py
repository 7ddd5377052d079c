"""What becomes of an order that is created: what Amazon changes is shown once, and a cancellation takes effect once."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import ImportedLine, ShopifyOrder
from orderbridge.money import Money
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.aftermath import OnCancel, aftermath, in_shopify
from orderbridge_creator.domain.intake import block, compare, take_import, take_match
from orderbridge_creator.domain.order import Change, Order
from orderbridge_creator.domain.outcomes import Problem
from orderbridge_creator.domain.remedies import (
    AtShopify,
    ask,
    asked_shopify,
    canceled,
    decide_alone,
    give_up,
    link,
    reject,
    under_way,
)
from tests.support.facts import ORDER, at, imported, matched, usd
from tests.unit.creator.building import CLAIMED, SHOPIFY, command, ends, order_with, sent

PREFIX = "Changed at Amazon after the order was created in Shopify: "
FULFILLED: Problem = ("INVALID", "orderId", "Cannot cancel a fulfilled order")
BY_HAND = ShopifyOrder(order_id="gid://shopify/Order/77", name="#1077")


def line(item: str, sku: str | None, quantity: int) -> ImportedLine:
    return ImportedLine(order_item_id=item, amazon_sku=sku, title="A gift for Ada", quantity=quantity)


def created(**more: Any) -> Order:
    """Of an import with these values."""
    order = take_match(take_import(Order(ORDER, "main"), imported(**more)), matched())
    return phases.created(sent(compare(order, at(), None).order), at(), SHOPIFY, CLAIMED).order


def then(order: Order, seq: int = 2, on_cancel: OnCancel = "flag", minute: float = 10, **more: Any) -> Change:
    """What an import that comes later makes of it."""
    return aftermath(take_import(order, imported(seq, **more)), on_cancel, at(minute))


def canceled_at_amazon(order: Order, on_cancel: OnCancel = "flag", seq: int = 2, who: str = "buyer") -> Change:
    return then(order, seq, on_cancel, kind="cancel", reason=f"canceled_by_{who}")


def said(order: Order) -> dict[str, str]:
    return {one.code: one.message for one in order.newest.attention}


TWO: dict[str, Any] = {
    "lines": (line("1", "MUG", 2), line("2", None, 1)),
    "total": usd("30.00"),
    "personal_data_rev": 1,
}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"amazon_status": "SHIPPED", "kind": "skip", "reason": "already_shipped", "ship_by": at(1)}, None),
        ({"lines": (line("2", None, 1), line("1", "MUG", 2))}, None),
        ({"lines": (line("1", "MUG", 1), line("2", None, 1))}, "MUG 1 instead of 2."),
        ({"lines": (line("1", "MUG", 2), line("2", None, 0))}, "order item 2 is not ordered any more (was 1)."),
        ({"lines": (line("1", "MUG", 2),)}, "order item 2 is not ordered any more (was 1)."),
        ({"lines": (*TWO["lines"], line("3", "CUP", 4))}, "CUP is new (4)."),
        ({"lines": (*TWO["lines"], line("3", "CUP", 0))}, None),
        ({"total": usd("20.00")}, "the total 20.00 USD instead of 30.00 USD."),
        ({"total": Money(amount=usd("30.00").amount, currency="EUR")}, "the total 30.00 EUR instead of 30.00 USD."),
        ({"total": usd("30.000")}, None),
        ({"total": None}, None),
        ({"personal_data_rev": 2}, "the buyer or the address."),
        (
            {"lines": (line("1", "MUG", 3), line("2", None, 1)), "total": usd("40.00"), "personal_data_rev": 2},
            "MUG 3 instead of 2; the total 40.00 USD instead of 30.00 USD; the buyer or the address.",
        ),
    ],
)
def test_each_difference_is_named_with_old_and_new_figures(changed: dict[str, Any], words: str | None) -> None:
    order = then(created(**TWO), **(TWO | changed)).order

    assert said(order) == ({"changed_at_amazon_after_creation": PREFIX + words} if words else {})


def test_of_many_differences_the_first_are_named() -> None:
    lines = tuple(line(str(n), f"SKU-{n}", 1) for n in range(15))
    order = then(created(lines=lines), lines=()).order

    sentence = said(order)["changed_at_amazon_after_creation"]
    assert sentence.count("not ordered any more") == 10
    assert sentence.endswith("; 5 more.")


def test_a_change_is_published_once_and_keeps_its_time_while_it_is_said() -> None:
    first = then(created(), total=usd("5.00"))
    again = then(first.order, 3, minute=20, total=usd("5.00"), amazon_status="SHIPPED")
    other = then(first.order, 3, minute=20, total=usd("4.00"))

    [fact] = first.facts
    assert (fact.seq, fact.phase, fact.shopify, fact.reservation) == (4, "created", SHOPIFY, CLAIMED)
    assert (again.facts, again.order.newest.attention[0].since) == ((), at(10))
    assert other.order.newest.attention[0].since == at(20)


def test_a_change_that_is_taken_back_is_shown_no_more() -> None:
    order = then(created(), total=usd("5.00")).order

    back = then(order, 3)

    assert [fact.attention for fact in back.facts] == [()]


def test_what_was_known_less_of_when_the_order_was_linked_did_not_change() -> None:
    order = take_import(Order(ORDER, "main"), imported(total=None))
    order = ask(order, command("c1", "resolve", shopify_order_id=BY_HAND.order_id))
    order = link(order, order.remedies[0], AtShopify(BY_HAND), None, at()).order

    assert said(then(order, personal_data_rev=1).order) == {}
    assert said(then(order, lines=()).order) == {
        "changed_at_amazon_after_creation": PREFIX + "MUG is not ordered any more (was 1)."
    }


def test_the_fact_of_an_attention_names_no_command() -> None:
    order = take_match(take_import(Order(ORDER, "main"), imported()), matched(command_id="c1", mode="force"))
    order = phases.created(sent(compare(order, at(), None).order), at(), SHOPIFY, CLAIMED).order
    assert (order.newest.command_id, order.newest.mode) == ("c1", "force")

    [fact] = then(order, total=usd("5.00")).facts

    assert (fact.command_id, fact.mode) == (None, None)


# --- what it was made of


def test_the_order_is_made_of_the_import_that_was_sent_whatever_comes_meanwhile() -> None:
    order = sent(order_with())
    order = compare(take_import(order, imported(2, total=usd("5.00"))), at(), None).order

    order = phases.unknown(order, at(), at()).order
    order = phases.created(order, at(), SHOPIFY, CLAIMED).order

    assert order.made_of is not None
    assert order.made_of.total == usd("10.00")
    assert set(said(aftermath(order, "flag", at()).order)) == {"changed_at_amazon_after_creation"}


def test_an_order_that_a_throttled_call_made_after_all_is_made_of_what_was_sent() -> None:
    order = phases.not_created(sent(order_with()), at(), look_up_first=True).order
    order = compare(take_import(order, imported(2, total=usd("5.00"))), at(), None).order
    order = compare(take_match(order, matched(2, 2)), at(), None).order

    order = phases.created(order, at(), SHOPIFY, CLAIMED).order

    assert order.made_of is not None
    assert order.made_of.total == usd("10.00")


@pytest.mark.parametrize("kind", ["import", "wait", "skip"])
def test_an_order_that_does_not_exist_in_shopify_has_no_aftermath(kind: str) -> None:
    for order in (Order(ORDER, "main"), order_with(), sent(order_with())):
        assert then(order, kind=kind, total=usd("5.00")).facts == ()
        assert canceled_at_amazon(order, "cancel_and_restock").order.remedies == ()


# --- canceled at Amazon


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("buyer", "The buyer canceled the order at Amazon after it was created in Shopify."),
        ("merchant", "The merchant canceled the order at Amazon after it was created in Shopify."),
        ("amazon", "Amazon canceled the order after it was created in Shopify."),
    ],
)
def test_a_cancellation_is_flagged_and_the_order_stays(who: str, words: str) -> None:
    order = then(created(), total=usd("5.00")).order

    change = canceled_at_amazon(order, seq=3, who=who)

    assert said(change.order) == {"canceled_at_amazon_after_creation": words}
    assert (change.order.phase, change.order.remedies) == ("created", ())
    assert canceled_at_amazon(change.order, seq=4).facts == ()
    # What was flagged is a person's, whatever the setting says later.
    assert canceled_at_amazon(change.order, "cancel_and_restock", seq=4).order.remedies == ()


def test_a_cancellation_that_amazon_takes_back_is_flagged_no_more() -> None:
    order = canceled_at_amazon(created()).order

    assert said(then(order, 3).order) == {}


def own(**more: Any) -> Order:
    """Created, then canceled at Amazon where the setting says to cancel it in Shopify."""
    return canceled_at_amazon(created(**more), "cancel_and_restock").order


@pytest.mark.parametrize(("by", "restock"), [("merchant", True), ("amazon", False)])
def test_only_what_came_out_of_the_shops_stock_goes_back_there(by: str, restock: bool) -> None:
    change = then(created(fulfilled_by=by), 2, "cancel_and_restock", kind="cancel", fulfilled_by=by)
    assert [one.restock for one in change.order.remedies] == [restock]


def test_a_cancellation_is_asked_for_once_and_awaited_by_no_command() -> None:
    order = own()

    [remedy] = order.remedies
    assert (remedy.command_id, remedy.mode, remedy.restock, order.awaited) == (None, "cancel", True, False)
    assert canceled_at_amazon(order, "cancel_and_restock", seq=3).order.remedies == order.remedies
    assert decide_alone(order, remedy, at()) is None


def test_what_is_canceled_has_amazons_reason_gives_its_units_back_and_ends_no_command() -> None:
    order = asked_shopify(own(), own().remedies[0], at()).order

    change = canceled(order, order.remedies[0], at())

    [fact] = change.facts
    assert (fact.phase, fact.command_id, fact.shopify, fact.attention) == ("canceled", None, SHOPIFY, ())
    assert fact.reservation is not None
    assert (fact.reservation.state, change.ended, change.order.remedies) == ("released", (), ())


def test_what_shopify_does_not_cancel_is_flagged_with_its_words() -> None:
    order = own()

    change = reject(order, order.remedies[0], reasons.of_cancellation((FULFILLED,)), at())

    assert change.ended == ()
    assert said(change.order) == {
        "canceled_at_amazon_after_creation": "The buyer canceled the order at Amazon after it was created in Shopify, "
        "where it could not be canceled: Shopify refused to cancel the order: Cannot cancel a fulfilled order."
    }
    assert canceled_at_amazon(change.order, "cancel_and_restock", seq=3).order.remedies == ()


def test_a_cancellation_that_amazon_takes_back_is_dropped_unless_shopify_was_asked_already() -> None:
    assert then(own(), 3, "cancel_and_restock").order.remedies == ()

    order = asked_shopify(own(), own().remedies[0], at()).order
    order = then(order, 3, "cancel_and_restock").order
    [remedy] = order.remedies
    assert said(reject(order, remedy, reasons.not_canceled(), at()).order) == {}


@pytest.mark.parametrize("first", ["operator", "amazon"])
def test_an_operators_cancel_at_the_same_time_cancels_once(first: str) -> None:
    order = created()
    if first == "operator":
        order = canceled_at_amazon(ask(order, command("c1", "cancel")), "cancel_and_restock").order
    else:
        order = ask(own(), command("c1", "cancel"))
    order = asked_shopify(order, order.remedies[0], at()).order

    change = canceled(order, order.remedies[0], at())
    [other] = change.order.remedies
    end = decide_alone(change.order, other, at())

    assert end is not None
    assert (len(change.facts), end.facts, end.order.remedies) == (1, (), ())
    by = ("done", "canceled") if first == "operator" else ("rejected", "canceled_by_buyer")
    assert ends(change.then(lambda _: end)) == {"c1": by}


def test_a_blocked_connection_holds_the_cancellation_up_and_does_not_end_it() -> None:
    order = own()

    change = block(order, at(), reasons.of_connection(Blocked("unauthorized", "the shop refused the secret")))

    assert (change.facts, change.order.remedies) == ((), order.remedies)


def test_a_cancellation_whose_work_is_parked_is_flagged_and_done_when_that_is_replayed() -> None:
    change = give_up(own(), at(), reasons.MESSAGE_PARKED)

    assert "could not be canceled" in said(change.order)["canceled_at_amazon_after_creation"]
    [remedy] = change.order.remedies
    assert (remedy.command_id, remedy.ended) == (None, False)
    assert decide_alone(change.order, remedy, at()) is None


# --- by hand in Shopify


def test_what_somebody_did_in_shopify_is_shown_beside_what_amazon_says() -> None:
    order = in_shopify(created(), "canceled", at()).order
    assert said(order) == {"canceled_in_shopify": "The order #1001 was canceled in Shopify."}
    assert in_shopify(order, "canceled", at(5)).facts == ()

    order = then(in_shopify(order, "deleted", at()).order, total=usd("5.00")).order
    assert list(said(order)) == ["changed_at_amazon_after_creation", "canceled_in_shopify"]
    assert said(order)["canceled_in_shopify"] == "The order #1001 was deleted in Shopify."
    assert in_shopify(created(), "open", at()).facts == ()


def test_a_cancellation_is_under_way_from_when_it_was_sent_until_it_is_given_up() -> None:
    order = own()
    assert not under_way(order, at())

    order = asked_shopify(order, order.remedies[0], at()).order
    assert under_way(order, at(10))
    assert not under_way(order, at(11))
