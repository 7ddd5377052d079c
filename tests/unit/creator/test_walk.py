"""Whatever dies, and whenever, and whatever Shopify does: one order, or one reason; every command ends once."""

from __future__ import annotations

import random

import pytest

from orderbridge_creator.domain.order import Order
from tests.support.facts import matched
from tests.unit.creator.building import order_with
from tests.unit.creator.simulation import Database, Shop, live

SCRIPTS = {
    "accepted": ["accept"],
    "answer lost": ["answer lost"],
    "request lost": ["request lost"],
    "late": ["late"],
    "lost twice": ["request lost", "answer lost"],
    "throttled": ["throttled"],
    "throttled, but done": ["throttled, but done"],
    "throttled, then late": ["throttled", "late"],
    "no stock": ["no stock"],
    "lost, then no stock": ["request lost", "no stock"],
}


def commanded() -> Order:
    return order_with(matched(1, command_id="c1", mode="retry"))


def check(database: Database, shop: Shop) -> None:
    facts = database.facts
    assert [fact.seq for fact in facts] == list(range(1, len(facts) + 1))
    assert len(shop.orders) + len(shop.coming) == (1 if facts[-1].phase == "created" else 0)
    assert facts[-1].phase in ("created", "failed")
    assert [ended.command_id for ended in database.ended] == ["c1"]
    assert len(database.attempts) == facts[-1].attempts >= shop.calls
    assert None not in database.attempts.values()


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_an_order_comes_to_one_end(script: list[str]) -> None:
    database, shop, _ = live(commanded(), script, lambda _: False)

    check(database, shop)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_a_death_at_any_point_costs_no_order_and_makes_none_twice(script: list[str]) -> None:
    _, _, points = live(commanded(), script, lambda _: False)
    assert points > 10

    for point in range(1, points + 1):
        database, shop, _ = live(commanded(), script, lambda n, point=point: n == point)  # type: ignore[misc]
        check(database, shop)


@pytest.mark.parametrize("seed", range(60))
def test_deaths_again_and_again_cost_no_order_and_make_none_twice(seed: int) -> None:
    chance = random.Random(seed)
    script = [
        chance.choice(("accept", "answer lost", "request lost", "late", "throttled", "throttled, but done"))
        for _ in range(5)
    ]
    fates = random.Random(seed + 1000)

    database, shop, _ = live(commanded(), script, lambda n: n < 200 and fates.random() < 0.1)

    check(database, shop)
