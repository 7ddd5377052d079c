"""Whatever dies, and whenever, and whatever Shopify does: units are moved once, and given back once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from orderbridge.connections import ConnectionSettings
from orderbridge.errors import Permanent, Throttled, Transient, Unavailable
from orderbridge.events import ConnectionChanged
from orderbridge.step.unit import DueRow
from orderbridge_creator.domain.hold import Hold
from orderbridge_creator.domain.intake import take_import
from orderbridge_creator.domain.order import Order
from orderbridge_creator.domain.outcomes import Level, MoveOutcome, MoveRefused, MoveStale, Stock, UnitsGone, UnitsMoved
from orderbridge_creator.steps.holding import Holding
from tests.support.facts import ORDER, imported
from tests.unit.creator.simulation import CONNECTION, REREAD_S, Database, Died, Locks, Process, Store
from tests.unit.creator.test_holding import MUG, held, waiting

ON = CONNECTION.model_copy(update={"settings": ConnectionSettings(hold_stock_while_pending=True)})
REFUSED = MoveRefused((("INVALID_REASON", "input.reason", "No."),))
SCRIPTS = {
    "answered": [],
    "answer lost": ["answer lost"],
    "request lost": ["request lost"],
    "late": ["late"],
    "lost, then late": ["request lost", "late", "answer lost"],
    "throttled": ["throttled"],
    "sold meanwhile": ["stale"],
    "answer lost, then sold": ["answer lost", "stale"],
    "an earlier try failed": ["failed"],
}


@dataclass
class Shop:
    """Three mugs; takes the next of ``script`` for each call, answers when that is used up."""

    database: Database
    script: list[str]
    available: int = 3
    reserved: int = 0
    sold: int = 0
    results: dict[str, MoveOutcome] = field(default_factory=dict)
    coming: list[tuple[str, Hold]] = field(default_factory=list)
    process: Process | None = None

    async def stock(
        self, connection: ConnectionChanged, variant_ids: Iterable[str], *, urgent: bool = True
    ) -> Mapping[str, Stock]:
        self._point()
        return {MUG: Stock(True, (Level("L1", True, self.available, "L1"),), "S", "item")}

    async def move(self, connection: ConnectionChanged, order_id: str, hold: Hold) -> MoveOutcome:
        self._point()
        key = hold.key(order_id)
        assert self.database.orders[ORDER].hold == hold, "the intent is committed before the call"
        match self.script.pop(0) if self.script else "answer":
            case "request lost":
                raise Unavailable("no answer")
            case "late":
                self.coming.append((key, hold))
                raise Unavailable("no answer")
            case "throttled":
                raise Throttled("slower", retry_after_s=1.0)
            case "answer lost":
                self._run(key, hold)
                self._point()
                raise Unavailable("no answer")
            case "stale" if hold.state == "taking" and key not in self.results:
                self.available -= 1
                self.sold += 1
            case "failed":
                self.results.setdefault(key, MoveStale())
        outcome = self._run(key, hold)
        self._point()
        return outcome

    def arrive(self) -> None:
        """What was late takes effect, or finds its result there."""
        for key, hold in self.coming:
            self._run(key, hold)
        self.coming.clear()

    def _run(self, key: str, hold: Hold) -> MoveOutcome:
        if key not in self.results:
            self.results[key] = self._moved(hold)
        return self.results[key]

    def _moved(self, hold: Hold) -> MoveOutcome:
        sign = 1 if hold.state == "taking" else -1
        if sign == 1 and any(move.available != self.available for move in hold.open_moves):
            return MoveStale()
        for move in hold.open_moves:
            self.available -= sign * move.units
            self.reserved += sign * move.units
        return UnitsMoved()

    def _point(self) -> None:
        assert self.process is not None
        self.process.point()


def live(order: Order, script: list[str], dies: Callable[[int], bool]) -> tuple[Database, Shop, int]:
    """Work until nothing is due, with a new process for each that dies; how many points were passed."""
    database = Database(orders={order.order_id: order}, connection=ON)
    database.facts += [order.fact] if order.fact else []
    database.make_due()
    shop = Shop(database, list(script))
    if order.hold is not None:
        shop.available, shop.reserved = 1, 2
    return database, shop, asyncio.run(_live(database, shop, dies))


async def _live(database: Database, shop: Shop, dies: Callable[[int], bool]) -> int:
    points = 0
    for _ in range(300):
        if ORDER not in database.due:
            shop.arrive()
            return points
        row = database.due[ORDER]
        database.clock = max(database.clock, row.run_at)
        process = Process(lambda n, before=points: dies(before + n))  # type: ignore[misc]
        shop.process = process
        taken = DueRow(1, row.version, "hold", ORDER, "main", {}, None, "matcher", 1, None, 0, row.waits)
        try:
            await Holding(Store(database, process), Locks(database, process), shop, REREAD_S).hold(taken)
        except Died:
            database.locks.clear()
        except Transient as error:
            row.run_at = database.clock + timedelta(seconds=error.retry_after_s or 1.0)
        points += process.points
        database.clock += timedelta(seconds=1)
    raise AssertionError("the hold never came to rest")


def canceled() -> Order:
    return take_import(held(), imported(2, kind="cancel", reason="canceled_by_buyer"))


def check(database: Database, shop: Shop, units: int) -> None:
    """So many are held in the end."""
    assert (shop.reserved, shop.available) == (units, 3 - units - shop.sold)
    assert (database.orders[ORDER].hold is None) is (units == 0)
    assert database.booked == (["held"] if units else ["released"])
    assert [fact.seq for fact in database.facts] == list(range(1, len(database.facts) + 1))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
@pytest.mark.parametrize("units", [2, 0], ids=["taken", "given back"])
def test_a_death_at_any_point_moves_the_units_once(script: list[str], units: int) -> None:
    order = waiting() if units else canceled()
    _, _, points = live(order, script, lambda _: False)
    assert points > 5

    for point in range(points + 1):
        database, shop, _ = live(order, script, lambda n, point=point: n == point)  # type: ignore[misc]
        check(database, shop, units)


@pytest.mark.parametrize("seed", range(60))
def test_deaths_again_and_again_move_the_units_once(seed: int) -> None:
    chance = random.Random(seed)
    script = [chance.choice(("answer", "answer lost", "request lost", "late", "throttled", "failed")) for _ in range(6)]
    units = 2 if seed % 2 else 0

    database, shop, _ = live(waiting() if units else canceled(), script, lambda _: chance.random() < 0.1)

    check(database, shop, units)


@dataclass
class Stubborn(Shop):
    """Answers every call with the same."""

    says: MoveOutcome = REFUSED

    async def move(self, connection: ConnectionChanged, order_id: str, hold: Hold) -> MoveOutcome:
        return self.says


def work_once(order: Order, says: MoveOutcome) -> Database:
    database = Database(orders={order.order_id: order}, connection=ON)
    database.make_due()
    process = Process(lambda _: False)
    shop = Stubborn(database, [], process=process, says=says)
    row = DueRow(1, 1, "hold", ORDER, "main", {}, None, "matcher", 1, None, 0, 0)
    asyncio.run(Holding(Store(database, process), Locks(database, process), shop, REREAD_S).hold(row))
    return database


@pytest.mark.parametrize("says", [REFUSED, UnitsGone(frozenset({0}))], ids=["refused", "gone"])
def test_an_order_whose_units_cannot_be_held_goes_on_waiting_without(says: MoveOutcome) -> None:
    database = work_once(waiting(), says)

    assert (database.orders[ORDER].hold, database.facts, database.booked) == (None, [], [])
    assert database.due[ORDER].run_at - database.clock == timedelta(seconds=REREAD_S)


def test_a_release_that_is_refused_is_a_persons_and_the_next_try_is_another_call() -> None:
    with pytest.raises(Permanent, match="does not move 2 of S back to available: No"):
        work_once(canceled(), REFUSED)
