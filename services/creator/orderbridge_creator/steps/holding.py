"""Holding an order's units at the shop, and giving them back: each an intent, then the call, then what it came to.

Under the order's lock, so that none of it runs beside the order's creation. A call that was not answered is made again
under its key with the same arguments, so the units are moved once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import structlog

from orderbridge.errors import Permanent
from orderbridge.events import ConnectionChanged
from orderbridge.step.unit import DueRow

from ..domain import holding
from ..domain.hold import Hold, units_of
from ..domain.order import Change, Order
from ..domain.outcomes import MoveOutcome, MoveRefused, MoveStale, Stock, UnitsGone, UnitsMoved
from ..ports import Locks, ShopifyStock, Transactions, Unit
from .connections import REMOVED_S, why_blocked
from .intake import record_and_schedule
from .locking import alone

log = structlog.get_logger(__name__)

UNCHECKED_S = 0.5
"""How soon to look again whether the shop was tried, and works."""
AGAIN_S = 1.0
"""How soon to try anew what an earlier try of failed at Shopify."""


@dataclass(frozen=True)
class _Read:
    """Claimed: read the stock of what is to be held."""

    connection: ConnectionChanged
    take: holding.Take


@dataclass(frozen=True)
class _Call:
    """Claimed: the intent is written down, make its call."""

    connection: ConnectionChanged
    hold: Hold


class Holding:
    """Due work of kind ``hold``; what the stock does not suffice for is tried again every ``reread_s``."""

    def __init__(self, store: Transactions, locks: Locks, shopify: ShopifyStock, reread_s: float) -> None:
        self._store = store
        self._locks = locks
        self._shopify = shopify
        self._reread_s = reread_s

    async def hold(self, row: DueRow) -> None:
        """Go on until nothing is to be done, or it has to wait."""
        await alone(self._store, self._locks, row, lambda: self._walk(row))

    async def _walk(self, row: DueRow) -> None:
        claim = await self._claim(row)
        while claim is not None:
            if isinstance(claim, _Read):
                goes_on = await self._take(row, claim)
            else:
                goes_on = await self._call(row, claim)
            claim = await self._claim(row) if goes_on else None

    async def _claim(self, row: DueRow) -> _Read | _Call | None:
        """Decide what is next, and write it down before it is done; None when there is nothing to do now."""
        async with self._store.transaction() as unit:
            blocked = await why_blocked(unit, row)
            connection = await unit.connection_settings(row.connection_id)
            order = (await unit.lock_orders([row.key]))[row.key]
            todo = holding.todo(order, on=connection is not None and connection.settings.hold_stock_while_pending)
            if todo is None:
                # An attempt that was promised may have waited for this, or ended with it when it was parked.
                record_and_schedule(unit, Change(order, due=order.due))
                await unit.finish(row)
                return None
            if connection is None:
                await unit.postpone(row, REMOVED_S)
                return None
            if blocked is not None or not await unit.checked(row.connection_id):
                await unit.postpone(row, UNCHECKED_S)
                return None
            match todo:
                case holding.Take() if await unit.parked([row.key]):
                    await unit.postpone(row, self._reread_s)
                    return None
                case holding.Take():
                    return _Read(connection, todo)
                case holding.Release(hold):
                    order, begun = holding.releasing(order, hold, unit.now)
                    unit.record(Change(order))
                    return _Call(connection, begun)
                case holding.Repeat(hold):
                    if holding.expired(hold, unit.now):
                        raise Permanent(_never_answered(hold))
                    return _Call(connection, hold)
                case _:
                    assert_never(todo)

    async def _take(self, row: DueRow, claim: _Read) -> bool:
        """Read the stock, and where it suffices write down what is to be moved; whether the walk goes on."""
        variants = sorted(units_of(claim.take.lines))
        stock = await self._shopify.stock(claim.connection, variants, urgent=False)
        moves = holding.allot(claim.take.lines, stock, claim.connection.settings.location_id)
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            order = (await unit.lock_orders([row.key]))[row.key]
            on = connection is not None and connection.settings.hold_stock_while_pending
            if holding.todo(order, on=on) != claim.take:
                return True
            if moves:
                unit.record(Change(holding.taking(order, claim.take.lines, moves, unit.now)))
                return True
            if moves is None:
                await unit.postpone(row, self._reread_s)
                log.info("stock does not suffice to be held", order_id=row.key, available=_available(stock))
            else:
                await unit.finish(row)
        return False

    async def _call(self, row: DueRow, claim: _Call) -> bool:
        """Make the call of the intent, and write down what it came to; whether the walk goes on."""
        hold = claim.hold
        # A worker that lost its locks must not go on: the order may be another's already.
        await self._locks.check()
        outcome: MoveOutcome = UnitsMoved()
        if hold.open_moves:
            outcome = await self._shopify.move(claim.connection, row.key, hold)
        async with self._store.transaction() as unit:
            order = (await unit.lock_orders([row.key]))[row.key]
            if order.hold != hold:
                log.warning("another worker took the hold over", order_id=row.key, intent=hold.intent)
                return True
            if hold.state == "taking":
                goes_on = await self._taken(unit, row, order, hold, outcome)
            else:
                goes_on = await _released(unit, row, order, hold, outcome)
        if hold.state == "releasing" and isinstance(outcome, MoveRefused):
            raise Permanent(f"Shopify does not move {holding.in_words(hold)} back to available: {_words(outcome)}")
        return goes_on

    async def _taken(self, unit: Unit, row: DueRow, order: Order, hold: Hold, outcome: MoveOutcome) -> bool:
        match outcome:
            case UnitsMoved():
                change = holding.taken(order, hold, unit.now)
                record_and_schedule(unit, change)
                await unit.book(change.order, hold.reservation("held", unit.now))
                log.info("stock held", order_id=row.key, units=holding.in_words(hold))
                return True
            case MoveStale():
                record_and_schedule(unit, holding.not_taken(order))
                return True
            case UnitsGone() | MoveRefused():
                # A hold is a help to the order, not a condition: it goes on waiting without.
                record_and_schedule(unit, holding.not_taken(order))
                await unit.postpone(row, self._reread_s)
                log.error("stock cannot be held", order_id=row.key, units=holding.in_words(hold), why=_words(outcome))
                return False
            case _:
                assert_never(outcome)


async def _released(unit: Unit, row: DueRow, order: Order, hold: Hold, outcome: MoveOutcome) -> bool:
    match outcome:
        case UnitsMoved():
            change = holding.released(order, hold, unit.now)
            record_and_schedule(unit, change)
            await unit.book(change.order, hold.reservation("released", unit.now))
            log.info("stock released", order_id=row.key, units=holding.in_words(hold))
            return True
        case UnitsGone(places):
            unit.record(holding.not_released(order, hold.without(places), unit.now))
            log.warning("held stock is gone", order_id=row.key, units=holding.in_words(hold))
            return True
        case MoveStale():
            unit.record(holding.not_released(order, hold, unit.now))
            await unit.postpone(row, AGAIN_S)
            return False
        case MoveRefused():
            unit.record(holding.not_released(order, hold, unit.now))
            return False
        case _:
            assert_never(outcome)


def _never_answered(hold: Hold) -> str:
    where = "back to available" if hold.state == "releasing" else "to reserved"
    return (
        f"it is not known whether Shopify moved {holding.in_words(hold)} {where}: the call was not answered for 23 "
        "hours, and Shopify knows it for 24 only; look at the reserved units there, set them right, then replay"
    )


def _words(outcome: UnitsGone | MoveRefused) -> str:
    if isinstance(outcome, UnitsGone):
        return "its inventory item or location is gone"
    return "; ".join(message.rstrip(".") for _, _, message in outcome.problems) or "without a reason"


def _available(stock: Mapping[str, Stock]) -> dict[str, int]:
    return {found.sku or variant_id: found.available for variant_id, found in stock.items() if found.limited}
