"""The named phases of one Shopify write: what is next in each, and what each outcome leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import ReservedLine
from orderbridge.money import Money
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.intake import compare, take_import, take_match
from orderbridge_creator.domain.order import Order, Remedy
from orderbridge_creator.domain.outcomes import Accepted, Level, Stock
from orderbridge_creator.domain.remedies import ask, decide_alone
from tests.support.facts import ORDER, at, imported, matched, unmatched, usd
from tests.unit.creator.building import CLAIMED, SHOPIFY, command, ends, order_with, sent

SETTLE_S = 120.0
REFUSED = reasons.of_refusal([("INVALID", "order", "Too odd.")])
VARIANT = "gid://shopify/ProductVariant/1"


def unknown(minutes: float = 0) -> Order:
    return phases.unknown(sent(order_with()), at(), at(minutes)).order


def disconnected() -> Order:
    why = reasons.of_connection(Blocked("misconfigured", "no definition", missing=("definition",)))
    return phases.disconnected(sent(order_with()), at(), why).order


def resolving() -> tuple[Order, Remedy]:
    order = ask(order_with(), command("c1", "resolve"))
    return order, order.remedies[0]


CASES = {
    "nothing known": (Order(ORDER, "main"), 0.0, phases.Nothing()),
    "planned": (order_with(), 0.0, phases.Send(matched())),
    "planned, then canceled": (take_import(order_with(), imported(2, kind="cancel")), 0.0, phases.Nothing()),
    "planned, then unmatched": (take_match(order_with(), unmatched(2)), 0.0, phases.Nothing()),
    "planned, then imported anew": (take_import(order_with(), imported(2)), 0.0, phases.Nothing()),
    "planned after throttling": (replace(order_with(), look_up_first=True), 0.0, phases.LookUp()),
    "sending": (sent(order_with()), 0.0, phases.TakeOver()),
    "sending, then canceled": (take_import(sent(order_with()), imported(2, kind="cancel")), 0.0, phases.TakeOver()),
    "unknown": (unknown(), 0.0, phases.Settle(120.0)),
    "unknown, partly settled": (unknown(), 119.0, phases.Settle(1.0)),
    "unknown, settled": (unknown(), 120.0, phases.LookUp()),
    "unknown, settled, then canceled": (take_import(unknown(), imported(2, kind="cancel")), 120.0, phases.LookUp()),
    "created": (phases.created(sent(order_with()), at(), SHOPIFY, CLAIMED).order, 0.0, phases.Nothing()),
    "resolved": (decide_alone(*resolving(), at()).order, 0.0, phases.Nothing()),  # type: ignore[union-attr]
    "failed": (phases.failed(sent(order_with()), at(), REFUSED).order, 0.0, phases.Nothing()),
    "failed with its connection": (disconnected(), 0.0, phases.Send(matched())),
    "failed with its connection, then canceled": (
        take_import(disconnected(), imported(2, kind="cancel")),
        0.0,
        phases.Nothing(),
    ),
}


@pytest.mark.parametrize(("order", "seconds", "step"), CASES.values(), ids=list(CASES))
def test_the_next_step(order: Order, seconds: float, step: phases.Step) -> None:
    assert phases.next_step(order, at() + timedelta(seconds=seconds), SETTLE_S, parked=False) == step


@pytest.mark.parametrize(
    ("order", "step"),
    [
        (order_with(), phases.Held()),
        (disconnected(), phases.Held()),
        (sent(order_with()), phases.TakeOver()),
        (unknown(-10), phases.LookUp()),
    ],
    ids=["planned", "failed with its connection", "sending", "unknown"],
)
def test_a_parked_message_holds_back_what_would_be_sent_but_not_the_look_up(order: Order, step: phases.Step) -> None:
    assert phases.next_step(order, at(), SETTLE_S, parked=True) == step


def test_a_command_that_was_sent_in_vain_does_not_wait_for_what_is_parked() -> None:
    order = phases.unknown(sent(order_with(matched(1, command_id="c1", mode="force"))), at(), at()).order
    order = phases.looked_up_in_vain(take_import(order, imported(2)), at()).order

    assert phases.next_step(order, at(), SETTLE_S, parked=False) == phases.Nothing()
    assert phases.next_step(order, at(), SETTLE_S, parked=True) == phases.Held()
    assert ends(phases.held(order, at())) == {"c1": ("rejected", "message_parked")}


def test_numbers_are_dense_and_attempts_count_what_was_sent() -> None:
    order = order_with()
    change = phases.sending(order, at())
    change = change.then(lambda it: phases.unknown(it, at(), at()))
    change = change.then(lambda it: phases.not_created(it, at()))
    change = change.then(lambda it: phases.sending(it, at()))
    change = change.then(lambda it: phases.created(it, at(), SHOPIFY, CLAIMED))

    assert [fact.seq for fact in change.facts] == [2, 3, 4, 5, 6]
    assert [fact.attempts for fact in change.facts] == [1, 1, 1, 2, 2]


def test_a_created_order_ends_its_own_command_and_rejects_the_one_that_came_later() -> None:
    order = sent(order_with(matched(1, command_id="c1", mode="retry")))
    order = take_match(order, matched(2, command_id="c2", mode="force"))

    change = phases.created(order, at(), SHOPIFY, CLAIMED)

    assert ends(change) == {"c1": ("done", "created"), "c2": ("rejected", "already_created")}
    assert (change.facts[0].command_id, change.facts[0].mode) == ("c1", "retry")


def test_a_failed_order_leaves_the_command_that_came_later_to_its_own_attempt() -> None:
    order = sent(order_with(matched(1, command_id="c1", mode="retry")))
    order = take_match(order, matched(2, command_id="c2", mode="force"))

    change = phases.failed(order, at(), REFUSED).then(lambda it: compare(it, at(), None))

    assert ends(change) == {"c1": ("done", "failed")}
    assert [fact.phase for fact in change.facts] == ["failed", "planned"]
    assert (change.facts[1].command_id, change.facts[1].mode) == ("c2", "force")
    assert change.due


def test_a_command_rides_on_through_an_attempt_that_came_to_nothing() -> None:
    order = sent(order_with(matched(1, command_id="c1", mode="force")))
    change = phases.unknown(order, at(), at()).then(lambda it: phases.not_created(it, at()))

    assert change.ended == ()
    assert phases.forced(change.order)
    assert change.facts[-1].command_id == "c1"


def test_an_identity_that_is_taken_and_not_found_is_a_suspected_duplicate() -> None:
    order = phases.unknown(sent(order_with()), at(), at(), identity_taken=True).order

    [fact] = phases.looked_up_in_vain(order, at()).facts

    assert fact.phase == "failed"
    assert fact.model_dump()["reason"]["code"] == "duplicate_suspected"


def test_an_order_canceled_while_its_outcome_was_open_is_not_sent_again() -> None:
    order = take_import(unknown(), imported(2, kind="cancel", reason="canceled_by_buyer"))

    change = phases.looked_up_in_vain(order, at()).then(lambda it: compare(it, at(), None))

    assert [fact.phase for fact in change.facts] == ["planned"]
    assert phases.next_step(change.order, at(), SETTLE_S, parked=False) == phases.Nothing()


def test_an_order_that_waits_again_at_amazon_is_not_sent_again_though_its_match_is_the_newest() -> None:
    waiting = imported(2, kind="wait", reason="awaiting_payment")
    order = take_match(take_import(unknown(), waiting), matched(2, imported_seq=2))

    change = phases.looked_up_in_vain(order, at()).then(lambda it: compare(it, at(), None))

    assert phases.next_step(change.order, at(), SETTLE_S, parked=False) == phases.Nothing()


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        (Accepted(SHOPIFY, (VARIANT,), usd("10.0")), ()),
        (Accepted(SHOPIFY), ()),
        (Accepted(SHOPIFY, (VARIANT,), usd("9.99")), ("total 9.99 USD instead of 10.00 USD",)),
        (
            Accepted(SHOPIFY, (VARIANT,), Money(amount=Decimal("10.00"), currency="CAD")),
            ("total 10.00 CAD instead of 10.00 USD",),
        ),
        (Accepted(SHOPIFY, (None,)), ("a line without a variant was not asked for", f"{VARIANT} is missing")),
        (Accepted(SHOPIFY, (VARIANT, "gid://x")), ("gid://x was not asked for",)),
    ],
    ids=["as asked", "unreadable", "total", "currency", "custom line", "foreign variant"],
)
def test_what_shopify_made_otherwise_is_told(accepted: Accepted, found: tuple[str, ...]) -> None:
    assert phases.differences(accepted, matched(), usd("10.00")) == found


# --- the words for missing stock


def line(quantity: int, variant_id: str = VARIANT, sku: str | None = "MUG") -> ReservedLine:
    return ReservedLine(order_item_id="1", variant_id=variant_id, shopify_sku=sku, quantity=quantity)


def test_the_message_names_each_variant_that_is_short() -> None:
    stock = {
        VARIANT: Stock(True, (Level("Warehouse", True, 1), Level("Attic", False, 9))),
        "gid://2": Stock(True, (Level("Warehouse", True, 5),)),
        "gid://3": Stock(False),
    }

    reason = reasons.of_stock([line(1), line(2), line(5, "gid://2", "CUP"), line(7, "gid://3", "TEE")], stock)

    assert reason.message == "Unable to reserve inventory: MUG needs 3, 1 available."
    [first, *_] = reason.details["lines"]
    assert first["not_for_online_orders"] == [{"location": "Attic", "available": 9}]
    assert [each["available"] for each in reason.details["lines"]] == [1, 1, 5, 0]


@pytest.mark.parametrize("stock", [None, {}, {VARIANT: Stock(True, (Level("Warehouse", True, 9),))}])
def test_a_refusal_that_the_stock_does_not_explain_is_still_said(stock: dict[str, Stock] | None) -> None:
    reason = reasons.of_stock([line(1)], stock)

    assert reason.code == "unable_to_reserve_inventory"
    assert reason.message.startswith("Unable to reserve inventory")
