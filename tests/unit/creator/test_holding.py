"""Holding stock for orders that wait: when, how much and where; and whatever happens, every unit is accounted for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.events import LineMatch, Mode, OrderMatched, Reservation, ReservedLine, Target
from orderbridge_creator.domain import holding, phases
from orderbridge_creator.domain.hold import Hold, Move
from orderbridge_creator.domain.intake import compare, plan, take_import, take_match
from orderbridge_creator.domain.order import Change, Order
from orderbridge_creator.domain.outcomes import Level, Stock
from orderbridge_creator.domain.remedies import ask, decide_alone
from tests.support.facts import ORDER, at, imported, matched, unmatched
from tests.unit.creator.building import CLAIMED, SHOPIFY, command
from tests.unit.creator.test_interleaving import Choose, Creator, check

MUG = "gid://shopify/ProductVariant/1"
CUP = "gid://shopify/ProductVariant/2"


def match_of(*targets: tuple[str, int], seq: int = 1, imported_seq: int = 1, **more: Any) -> OrderMatched:
    chosen = tuple(Target(variant_id=variant, shopify_sku="S", quantity=units) for variant, units in targets)
    return matched(seq, imported_seq, lines=(LineMatch(order_item_id="1", targets=chosen),), **more)


def waiting(*targets: tuple[str, int], **more: Any) -> Order:
    """An order that waits at Amazon, matched."""
    order = take_import(Order(ORDER, "main"), imported(kind="wait", reason="awaiting_payment", **more))
    return take_match(order, match_of(*(targets or ((MUG, 2),))))


def lines_of(order: Order) -> tuple[ReservedLine, ...]:
    todo = holding.todo(order, on=True)
    assert isinstance(todo, holding.Take)
    return todo.lines


def taking(order: Order) -> Order:
    lines = lines_of(order)
    moves = tuple(Move(line.variant_id, "S", "item", "place", line.quantity, 9) for line in lines)
    return holding.taking(order, lines, moves, at())


def held(order: Order | None = None) -> Order:
    order = taking(order or waiting())
    assert order.hold is not None
    return holding.taken(order, order.hold, at()).order


def resolved() -> Order:
    order = ask(waiting(), command("c", "resolve"))
    change = decide_alone(order, order.remedies[0], at())
    assert change is not None
    return change.order


def payable(order: Order, *targets: tuple[str, int]) -> Order:
    order = take_match(take_import(order, imported(2)), match_of(*(targets or ((MUG, 2),)), seq=2, imported_seq=2))
    return compare(order, at(), None).order


# --- when


def test_an_order_that_waits_with_its_match_is_to_hold_what_that_asks_for() -> None:
    assert [(line.variant_id, line.quantity) for line in lines_of(waiting((MUG, 2), (CUP, 0)))] == [(MUG, 2)]
    assert holding.todo(waiting(), on=False) is None


@pytest.mark.parametrize(
    "order",
    [
        Order(ORDER, "main"),
        take_match(Order(ORDER, "main"), matched()),
        take_import(waiting(), imported(2, kind="wait")),
        take_match(waiting(), unmatched(2)),
        take_import(Order(ORDER, "main"), imported(kind="wait")),
        waiting(fulfilled_by="amazon"),
        waiting(fulfilled_by="unknown"),
        payable(waiting()),
        resolved(),
    ],
    ids=["unknown", "no import", "match is old", "unmatched", "no match", "Amazon's", "whose", "payable", "resolved"],
)
def test_nothing_is_taken_for_any_other(order: Order) -> None:
    assert holding.todo(order, on=True) is None


OVER = {
    "canceled": take_import(held(), imported(2, kind="cancel", reason="canceled_by_buyer")),
    "skipped": take_import(held(), imported(2, kind="skip", reason="already_shipped")),
    "unmatched": take_match(held(), unmatched(2)),
    "other units": take_match(held(), match_of((MUG, 1), seq=2)),
    "another variant": take_match(held(), match_of((CUP, 2), seq=2)),
    "payable, other units": payable(held(), (MUG, 3)),
    "created": phases.created(phases.sending(payable(held()), at()).order, at(), SHOPIFY, CLAIMED).order,
}


@pytest.mark.parametrize("order", OVER.values(), ids=list(OVER))
@pytest.mark.parametrize("on", [True, False])
def test_a_hold_that_is_over_is_given_back(order: Order, on: bool) -> None:
    assert isinstance(holding.todo(order, on=on), holding.Release)


STAYS = {
    "undecided": take_import(held(), imported(2)),
    "a match of an import to come": take_match(held(), match_of((CUP, 2), seq=2, imported_seq=2)),
    "a failure of an import to come": take_match(held(), unmatched(2, 2)),
    "payable": payable(held()),
    "planned after throttling": replace(payable(held()), look_up_first=True),
    "in other lines": take_match(held(waiting((MUG, 1), (MUG, 1))), match_of((MUG, 2), seq=2)),
    "sending, then canceled": take_import(phases.sending(payable(held()), at()).order, imported(3, kind="cancel")),
    "unknown, then canceled": take_import(
        phases.unknown(phases.sending(payable(held()), at()).order, at(), at()).order, imported(3, kind="cancel")
    ),
    "unknown, then other units": take_match(
        phases.unknown(phases.sending(payable(held()), at()).order, at(), at()).order,
        match_of((CUP, 2), seq=3, imported_seq=2),
    ),
}


@pytest.mark.parametrize("order", STAYS.values(), ids=list(STAYS))
def test_a_hold_stays_while_it_is_wanted_or_open_what_becomes_of_it(order: Order) -> None:
    assert holding.todo(order, on=True) is None


def test_switched_off_it_goes_from_what_waits_and_stays_with_what_is_payable() -> None:
    assert isinstance(holding.todo(held(), on=False), holding.Release)
    assert holding.todo(payable(held()), on=False) is None


def test_a_call_that_was_begun_comes_before_all_else() -> None:
    order = take_import(taking(waiting()), imported(2, kind="cancel"))
    assert order.hold is not None

    assert holding.todo(order, on=False) == holding.Repeat(order.hold)


def test_nothing_is_sent_until_the_units_are_settled() -> None:
    cases = {
        "being taken": (payable(taking(waiting())), phases.Reserving()),
        "others held": (payable(held(), (MUG, 3)), phases.Reserving()),
        "held": (payable(held()), phases.Send(match_of((MUG, 2), seq=2, imported_seq=2))),
    }
    order = payable(held())
    assert order.hold is not None
    cases["given back"] = (holding.releasing(order, order.hold, at())[0], phases.Reserving())

    for order, step in cases.values():
        assert phases.next_step(order, at(), 1.0, parked=False) == step


# --- what is said


def test_what_is_held_is_shown_until_the_order_is_created() -> None:
    order = held()
    assert (order.newest.phase, order.newest.reservation) == ("holding", order.held)
    for later in (payable(order), phases.sending(payable(order), at()).order):
        assert later.newest.reservation is not None
        assert later.newest.reservation.state == "held"


def test_a_match_that_overtook_its_import_is_attempted_though_the_hold_was_told_with_it() -> None:
    order = take_match(taking(waiting()), match_of((MUG, 2), seq=2, imported_seq=2))
    assert order.hold is not None
    order = holding.taken(order, order.hold, at()).order
    assert (order.newest.phase, order.newest.match_seq) == ("holding", 2)

    change = compare(take_import(order, imported(2)), at(), None)

    assert [fact.phase for fact in change.facts] == ["planned"]
    assert change.order.due


def test_a_release_leaves_a_promised_attempt_promised() -> None:
    order = payable(held(), (MUG, 3))
    assert order.hold is not None
    order, begun = holding.releasing(order, order.hold, at())

    order = holding.released(order, begun, at()).order

    assert (order.newest.phase, order.due) == ("planned", True)
    assert order.newest.reservation is not None
    assert order.newest.reservation.state == "released"


# --- how much, and where


def stock(*levels: int, limited: bool = True, item: str | None = "item") -> Stock:
    places = tuple(Level(f"L{n}", units >= 0, abs(units), f"L{n}") for n, units in enumerate(levels, 1))
    return Stock(limited, places, "S", item)


def line(units: int, variant_id: str = MUG) -> ReservedLine:
    return ReservedLine(order_item_id="1", variant_id=variant_id, shopify_sku="S", quantity=units)


@pytest.mark.parametrize(
    ("lines", "found", "places"),
    [
        ([line(2)], {MUG: stock(5)}, {"L1": 2}),
        ([line(2)], {MUG: stock(1, 2)}, {"L2": 2}),
        ([line(2), line(3)], {MUG: stock(4, 9)}, {"L2": 5}),
        ([line(6)], {MUG: stock(3, 4)}, {"L2": 4, "L1": 2}),
        ([line(6)], {MUG: stock(3, 2)}, None),
        ([line(6)], {MUG: stock(3, -9)}, None),
        ([line(1)], {}, None),
        ([line(1)], {MUG: stock(3, item=None)}, None),
        ([line(9)], {MUG: stock(0, limited=False)}, {}),
        ([line(1), line(1, CUP)], {MUG: stock(9), CUP: stock(0)}, None),
        ([line(300)], {MUG: stock(*[1] * 300)}, None),
    ],
    ids=["one", "whole first", "summed", "split", "short", "not online", "gone", "no item", "free", "all", "too many"],
)
def test_where_the_units_are_taken_from(
    lines: list[ReservedLine], found: dict[str, Stock], places: dict[str, int] | None
) -> None:
    moves = holding.allot(lines, found)

    assert (None if moves is None else {move.location_id: move.units for move in moves}) == places


def test_the_location_that_the_connection_names_comes_first() -> None:
    moves = holding.allot([line(2)], {MUG: stock(5, 5)}, "L2")

    assert moves is not None
    assert [move.location_id for move in moves] == ["L2"]


def test_units_that_another_location_owes_are_not_there() -> None:
    owing = Stock(True, (Level("L1", True, 3, "L1"), Level("L2", True, -2, "L2")), "S", "item")

    assert holding.allot([line(2)], {MUG: owing}) is None
    assert holding.allot([line(1)], {MUG: owing}) is not None


def test_a_call_is_the_same_call_until_it_is_answered_and_no_other_is() -> None:
    order = taking(waiting())
    again = taking(replace(order, hold=None))
    assert order.hold is not None
    assert again.hold is not None

    assert order.hold.key(ORDER) == replace(order.hold).key(ORDER)
    later = replace(again.hold, since=at(1))
    others = {again.hold.key(ORDER), later.key(ORDER), order.hold.key("main:113-0000000-0000001")}
    assert len(others | {order.hold.key(ORDER)}) == 4


def test_a_release_that_failed_is_made_anew_by_another_call() -> None:
    order = held()
    assert order.hold is not None
    order, first = holding.releasing(order, order.hold, at())
    order = holding.not_released(order, first, at()).order
    assert order.hold is not None

    assert holding.releasing(order, order.hold, at())[1].key(ORDER) != first.key(ORDER)


def test_a_call_is_given_up_before_shopify_forgets_its_key() -> None:
    hold = taking(waiting()).hold
    assert hold is not None

    assert not holding.expired(hold, at() + timedelta(hours=23))
    assert holding.expired(hold, at() + timedelta(hours=23, seconds=1))
    assert not holding.expired(replace(hold, state="held"), at() + timedelta(days=9))


def test_what_is_gone_of_what_is_left_is_not_asked_for_again() -> None:
    moves = tuple(Move(name, "S", name, "L1", 1, 1) for name in ("a", "b", "c"))
    hold = Hold("releasing", (), moves, 1, at()).without([1]).without([1])

    assert [move.variant_id for move in hold.open_moves] == ["a"]


# --- whatever happens


class Keeper(Creator):
    """An order whose stock is held, at a shop with three mugs that answers, or does not."""

    def __init__(self, choose: Choose) -> None:
        super().__init__(choose)
        self.available, self.reserved = 3, 0
        self.results: dict[str, bool] = {}
        self.sold = 0
        self.on = True
        self.calm = False

    def happen(self) -> None:
        (super().happen, super().happen, self.hold, self.hold, self.switch, self.sell)[self.choose(6)]()

    def switch(self) -> None:
        self.on = not self.on

    def take_match(self, kind: str, imported_seq: int, mode: Mode | None) -> None:
        if kind != "matched" or self.choose(2):
            super().take_match(kind, imported_seq, mode)
            return
        self.numbers["match"] += 1
        asked = self.name(mode) if mode else None
        event = match_of((MUG, 2), seq=self.numbers["match"], imported_seq=imported_seq, command_id=asked, mode=mode)
        self.record(compare(take_match(self.order, event), at(), self.why))

    def record(self, change: Change) -> None:
        before = self.order
        super().record(change)
        fact, hold = self.order.fact, self.order.hold
        if fact is not None and fact.phase in ("planned", "sending", "unknown", "holding"):
            shown = fact.reservation is not None and fact.reservation.state == "held"
            assert shown is (self.order.held is not None)
        if self.order.open_outcome:
            assert hold == before.hold, "what is held stays as it is while an outcome is open"
        if self.order.phase == "sending" and before.phase != "sending" and hold is not None:
            assert hold.state == "held"
            assert self.order.match is not None
            assert holding.covers(hold, self.order.match)

    def hold(self) -> None:
        match holding.todo(self.order, on=self.on):
            case holding.Take(lines):
                there = {MUG: Stock(True, (Level("L1", True, self.available, "L1"),), "S", "item")}
                if moves := holding.allot(lines, there):
                    self.record(Change(holding.taking(self.order, lines, moves, at())))
            case holding.Release(hold):
                order, begun = holding.releasing(self.order, hold, at())
                self.record(Change(order))
                self.call(begun)
            case holding.Repeat(hold):
                self.call(hold)

    def call(self, hold: Hold) -> None:
        """It is answered, or its answer is lost, or it never came."""
        came = 0 if self.calm else self.choose(3)
        if came == 2:
            return
        key = hold.key(ORDER)
        if key not in self.results:
            self.results[key] = self.move(hold)
        if came == 1:
            return
        if hold.state == "taking":
            answered = holding.taken(self.order, hold, at()) if self.results[key] else holding.not_taken(self.order)
        else:
            answered = holding.released(self.order, hold, at())
        self.record(answered)

    def move(self, hold: Hold) -> bool:
        units = sum(move.units for move in hold.open_moves)
        if hold.state == "taking" and any(move.available != self.available for move in hold.open_moves):
            return False
        sign = 1 if hold.state == "taking" else -1
        self.available -= sign * units
        self.reserved += sign * units
        return True

    def sell(self) -> None:
        """Somebody buys a mug in the shop meanwhile."""
        self.available -= 1
        self.sold += 1

    def answer(self) -> None:
        super().answer()
        if self.calm:
            self.hold()

    def come_to_rest(self) -> None:
        self.calm = True
        super().come_to_rest()
        while holding.todo(self.order, on=self.on) is not None:
            before = self.order
            self.hold()
            if self.order == before:
                return


@given(data=st.data())
def test_every_unit_is_accounted_for_whatever_happens(data: st.DataObject) -> None:
    keeper = Keeper(lambda n: data.draw(st.integers(0, n - 1)))
    for _ in range(data.draw(st.integers(1, 40))):
        keeper.happen()
    keeper.come_to_rest()

    check(keeper)
    hold = keeper.order.hold
    assert keeper.reserved == (sum(move.units for move in hold.moves) if hold else 0)
    assert keeper.available + keeper.reserved + keeper.sold == 3
    if keeper.order.phase in holding.CLOSED:
        assert hold is None


def test_a_reservation_is_shown_as_it_was_booked() -> None:
    order = held(waiting((MUG, 2), (CUP, 1)))
    assert order.hold is not None
    assert order.held == Reservation(state="held", lines=lines_of(waiting((MUG, 2), (CUP, 1))), at=at())
    assert same(plan(payable(order), at()))


def same(change: Change) -> bool:
    """A plan that says nothing new is not said again."""
    return change.facts == ()
