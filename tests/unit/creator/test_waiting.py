"""Orders that wait for stock: who is served with what there is, and who waits for more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.events import LineMatch, OrderMatched, Target
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.intake import compare, plan, take_import, take_match
from orderbridge_creator.domain.order import Order
from orderbridge_creator.domain.outcomes import Level, Stock
from orderbridge_creator.domain.waiting import (
    UNLIMITED,
    Need,
    Queue,
    Waiting,
    explained,
    looked_into,
    met,
    needs_of,
    stage,
    waits_of,
)
from tests.support.facts import at, imported, matched, unmatched
from tests.unit.creator.building import CLAIMED, SHOPIFY, order_with, sent

MUG, CUP = "gid://shopify/ProductVariant/1", "gid://shopify/ProductVariant/2"
OUT = reasons.of_stock((), None)


def stock(units: int, sku: str | None = "MUG", *, limited: bool = True, elsewhere: int = 0) -> Stock:
    levels = (Level("Warehouse", True, units), Level("Attic", False, elsewhere))
    return Stock(limited, levels, sku, "gid://shopify/InventoryItem/1", "gid://shopify/Product/1")


def mugs(units: int, name: str = "a", day: int | None = 1, seen: int | None = 0) -> Waiting:
    ship_by = None if day is None else at(day * 1440)
    return Waiting(name, ship_by, (Need(MUG, "MUG", units),), {} if seen is None else {MUG: seen})


def both(name: str = "a", day: int = 1) -> Waiting:
    return Waiting(name, at(day * 1440), (Need(MUG, "MUG", 1), Need(CUP, "CUP", 1)), {MUG: 0, CUP: 0})


def names(waiting: list[Waiting]) -> list[str]:
    return [each.order_id for each in waiting]


def test_the_nearest_ship_by_date_is_served_first_and_one_without_a_date_last() -> None:
    queue = [mugs(1, "undated", None), mugs(1, "later", 9), mugs(1, "sooner", 2), mugs(1, "soonest", 1)]

    assert names(met(queue, {MUG: stock(3)}, {})) == ["soonest", "sooner", "later"]


def test_an_order_that_cannot_be_had_whole_takes_nothing() -> None:
    assert names(met([mugs(5, "large", 1), mugs(2, "small", 2)], {MUG: stock(4)}, {})) == ["small"]
    assert names(met([both("pair", 1), mugs(1, "single", 2)], {MUG: stock(1), CUP: stock(0, "CUP")}, {})) == ["single"]


CASES: dict[str, tuple[Waiting, dict[str, Stock], bool]] = {
    "just enough": (mugs(3), {MUG: stock(3)}, True),
    "one short": (mugs(3), {MUG: stock(2)}, False),
    "enough, but where it cannot be sent from": (mugs(3), {MUG: stock(0, elsewhere=9)}, False),
    "goes on selling, or is not tracked": (mugs(3), {MUG: stock(-4, limited=False)}, True),
    "gone": (mugs(1), {}, False),
    "another SKU": (mugs(1), {MUG: stock(9, "CUP")}, False),
    "another SKU, not tracked": (mugs(1), {MUG: stock(9, "CUP", limited=False)}, False),
    "the SKU with space around it": (mugs(1), {MUG: stock(9, " MUG ")}, True),
    "the SKU taken away": (mugs(1), {MUG: stock(9, None)}, False),
    "one of two": (both(), {MUG: stock(9), CUP: stock(0, "CUP")}, False),
    "both": (both(), {MUG: stock(9), CUP: stock(1, "CUP")}, True),
    "no more than when it was refused": (mugs(3, seen=5), {MUG: stock(5)}, False),
    "more than when it was refused": (mugs(3, seen=5), {MUG: stock(6)}, True),
    "not known how many there were": (mugs(3, seen=None), {MUG: stock(3)}, True),
    "as endless as when it was refused": (mugs(3, seen=UNLIMITED), {MUG: stock(0, limited=False)}, False),
}


@pytest.mark.parametrize(("order", "found", "served"), CASES.values(), ids=list(CASES))
def test_an_order_is_served_when_every_need_is_met_and_there_is_more_than_before(
    order: Waiting, found: dict[str, Stock], served: bool
) -> None:
    assert bool(met([order], found, {})) is served


def test_a_variant_without_a_sku_is_known_by_having_none() -> None:
    nameless = Waiting("a", None, (Need(MUG, None, 1),), {})

    assert met([nameless], {MUG: stock(1, "")}, {}) == [nameless]
    assert met([nameless], {MUG: stock(1, "MUG")}, {}) == []


def test_units_on_their_way_to_others_are_not_handed_out_again() -> None:
    assert names(met([mugs(1, "a", 1), mugs(1, "b", 2)], {MUG: stock(20)}, {MUG: 19})) == ["a"]


@given(
    orders=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), max_size=12),
    units=st.integers(0, 20),
    promised=st.integers(0, 5),
)
def test_never_more_is_handed_out_than_there_is_and_nobody_served_later_could_have_been_served_before(
    orders: list[tuple[int, int]], units: int, promised: int
) -> None:
    queue = [mugs(needed, f"o{n:02}", day) for n, (needed, day) in enumerate(orders)]

    served = met(queue, {MUG: stock(units)}, {MUG: promised})

    left = units - promised
    for order in sorted(queue, key=lambda it: it.urgency):
        fits = units > 0 and left >= order.needs[0].units
        assert (order in served) is fits
        left -= order.needs[0].units if fits else 0


# --- what an order waits for


def refused(match: OrderMatched | None = None) -> Order:
    return phases.failed(sent(order_with(match)), at(), OUT).order


def test_a_refused_order_waits_for_the_units_of_all_its_lines_together() -> None:
    lines = tuple(
        LineMatch(order_item_id=str(n), targets=(Target(variant_id=variant, shopify_sku=sku, quantity=units),))
        for n, (variant, sku, units) in enumerate([(CUP, "CUP", 2), (MUG, "MUG", 1), (CUP, "CUP", 3), (MUG, "MUG", 0)])
    )

    assert needs_of(refused(matched(lines=lines))) == (Need(MUG, "MUG", 1), Need(CUP, "CUP", 5))


NOT_WAITING: dict[str, Order] = {
    "nothing known": Order("main:113-1234567-7654321", "main"),
    "planned": order_with(),
    "sending": sent(order_with()),
    "failed for something else": phases.failed(sent(order_with()), at(), reasons.of_duplicate("1")).order,
    "created": phases.created(sent(order_with()), at(), SHOPIFY, CLAIMED).order,
    "canceled at Amazon": take_import(refused(), imported(2, kind="cancel")),
    "imported anew": take_import(refused(), imported(2)),
    "matched anew": take_match(refused(), matched(2)),
    "unmatched since": take_match(refused(), unmatched(2)),
    "woken": plan(refused(), at()).order,
}


@pytest.mark.parametrize("order", NOT_WAITING.values(), ids=list(NOT_WAITING))
def test_nothing_else_waits(order: Order) -> None:
    assert needs_of(order) == ()
    assert stage(order) != "waiting"


def test_an_order_stays_on_its_way_from_being_woken_to_its_outcome() -> None:
    woken = plan(refused(), at()).order
    again = sent(woken)

    assert [stage(order) for order in (refused(), woken, again)] == ["waiting", "woken", "woken"]
    assert stage(phases.unknown(again, at(), at()).order) == "woken"
    assert stage(phases.created(again, at(), SHOPIFY, CLAIMED).order) == "none"
    assert stage(phases.failed(again, at(), OUT).order) == "waiting"
    assert stage(take_import(woken, imported(2, kind="cancel"))) == "none"


def test_a_woken_order_is_planned_with_the_match_it_has_and_no_command() -> None:
    order = refused(matched(1, command_id="c1", mode="retry"))

    change = plan(order, at())

    [fact] = change.facts
    assert (fact.phase, fact.match_seq, fact.attempts, fact.command_id) == ("planned", 1, 1, None)
    assert change.due
    assert compare(take_match(change.order, matched(1)), at(), None).facts == ()


def test_what_there_was_is_kept_with_what_is_needed() -> None:
    [wait] = waits_of(refused(), {MUG: stock(0)})
    [endless] = waits_of(refused(), {MUG: stock(0, limited=False)})
    [unread] = waits_of(refused(), None)

    assert (wait.inventory_item_id, wait.product_id, wait.available) == (
        "gid://shopify/InventoryItem/1",
        "gid://shopify/Product/1",
        0,
    )
    assert endless.available == UNLIMITED
    assert (unread.inventory_item_id, unread.available) == (None, None)


@pytest.mark.parametrize(
    ("found", "said"),
    [({MUG: stock(0)}, True), ({MUG: stock(5)}, False), ({}, True), (None, True)],
    ids=["short", "enough", "gone", "not read"],
)
def test_a_refusal_is_explained_by_stock_that_is_short(found: dict[str, Stock] | None, said: bool) -> None:
    assert explained(refused(), found) is said


# --- who is looked into


def flagged(*orders: Waiting, among: tuple[Waiting, ...]) -> Queue:
    flags = {(order.order_id, need.variant_id): 1 for order in orders for need in order.needs}
    return Queue(among, {}, flags)


def single(variant: str, name: str, day: int) -> Waiting:
    return Waiting(name, at(day * 1440), (Need(variant, None, 1),), {})


def several(variants: str, name: str, day: int) -> Waiting:
    return Waiting(name, at(day * 1440), tuple(Need(variant, None, 1) for variant in variants), {})


def looked(orders: list[Waiting], most: int, *, unflagged: tuple[Waiting, ...] = ()) -> tuple[list[str], list[str]]:
    first, beside = looked_into(flagged(*orders, among=(*orders, *unflagged)), most)
    return names(first), sorted(names(beside))


def test_all_that_wait_for_a_variant_are_looked_into_together() -> None:
    orders = [single("AB"[n % 2], f"o{n:03}", n) for n in range(200)]

    first, _ = looked(orders, 1)

    assert first == [f"o{n:03}" for n in range(0, 200, 2)]


def test_as_many_variants_are_looked_into_as_fit_the_nearest_dates_first() -> None:
    orders = [single("A", "a", 5), single("B", "b", 1), several("CD", "cd", 2), single("E", "e", 3)]

    assert looked(orders, 1)[0] == ["b"]
    assert looked(orders, 3)[0] == ["b", "cd"]
    assert looked(orders, 9)[0] == ["b", "cd", "e", "a"]


def test_orders_that_compete_through_others_are_not_torn_apart() -> None:
    chain = [several("BC", "bc", 1), single("A", "a", 2), several("AB", "ab", 3), several("CD", "cd", 4)]

    assert looked([*chain, single("E", "e", 1)], 4)[0] == ["bc", "a", "ab", "cd"]


def test_a_chain_that_names_too_many_variants_is_looked_into_from_its_nearest_dates_on() -> None:
    chain = [several("BC", "bc", 1), single("A", "a", 2), several("AB", "ab", 3), several("CD", "cd", 4)]

    assert looked(chain, 3)[0] == ["bc", "a", "ab"]
    assert looked(chain, 1)[0] == ["bc"]


def test_competitors_that_no_word_came_for_are_looked_into_where_they_need_nothing_else() -> None:
    rival, other = single("A", "rival", 3), several("AZ", "other", 2)

    assert looked([single("A", "a", 9)], 9, unflagged=(rival, other)) == (["a"], ["rival"])


@given(
    orders=st.lists(st.sets(st.sampled_from("ABCDEFGH"), min_size=1, max_size=3), min_size=1, max_size=15),
    most=st.integers(1, 8),
)
def test_each_look_gets_on_and_tears_no_competitors_apart_that_fit(orders: list[set[str]], most: int) -> None:
    queue = [several("".join(sorted(variants)), f"o{n:02}", n) for n, variants in enumerate(orders)]

    first, _ = looked(queue, most)

    chosen = [order for order in queue if order.order_id in first]
    variants = {need.variant_id for order in chosen for need in order.needs}
    assert queue[0].order_id in first
    assert len(variants) <= most or len(chosen) == 1
    left = [order for order in queue if order.order_id not in first]
    shared = [order for order in left if variants & {need.variant_id for need in order.needs}]
    # Whoever is left out of a group is to be shipped after all of it.
    assert all(order.urgency > max(each.urgency for each in chosen if _touch(each, order)) for order in shared)


def _touch(one: Waiting, other: Waiting) -> bool:
    """Whether they share a variant."""
    return bool({need.variant_id for need in one.needs} & {need.variant_id for need in other.needs})
