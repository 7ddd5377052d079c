"""Closing an order by hand where that needs a word of Shopify's: linking it, and canceling what was created.

Under the order's lock, so that no worker sends it meanwhile; and decided again in each transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from orderbridge.errors import Transient
from orderbridge.events import ConnectionChanged, Reason
from orderbridge.step.unit import DueRow

from ..domain import reasons, remedies
from ..domain.order import Change, Order, Remedy
from ..domain.outcomes import CancelRefused
from ..ports import Locks, ShopifyOrders, Transactions, Unit
from .connections import REMOVED_S
from .intake import close
from .locking import alone

log = structlog.get_logger(__name__)

POLL_S = 0.3
LONGEST_POLL_S = 10.0
UNSURE_S = 3.0
"""How long a cancellation that was not answered is left alone before the order is read again."""

Decide = Callable[[Order, Remedy, datetime], Change]


@dataclass(frozen=True)
class _Claim:
    """A command that Shopify has to be asked about, and the Shopify order that it is about."""

    connection: ConnectionChanged
    remedy: Remedy
    gid: str


class Closing:
    """Due work of kinds ``resolve`` and ``cancel``: one command of the order after the other."""

    def __init__(self, store: Transactions, locks: Locks, shopify: ShopifyOrders) -> None:
        self._store = store
        self._locks = locks
        self._shopify = shopify

    async def resolve(self, row: DueRow) -> None:
        await alone(self._store, self._locks, row, lambda: self._each(row, self._link))

    async def cancel(self, row: DueRow) -> None:
        await alone(self._store, self._locks, row, lambda: self._each(row, self._cancel))

    async def _each(self, row: DueRow, work: Callable[[DueRow, _Claim], Awaitable[bool]]) -> None:
        """``work`` tells whether the command is over; else it has postponed the row."""
        while (claim := await self._claim(row)) is not None:
            if not await work(row, claim):
                return

    async def _claim(self, row: DueRow) -> _Claim | None:
        """The oldest open command of the kind; those that need no word of Shopify's end here."""
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            order = (await unit.lock_orders([row.key]))[row.key]
            for remedy in [one for one in order.remedies if one.mode == row.kind]:
                decided = remedies.decide_alone(order, remedy, unit.now)
                if decided is not None:
                    order = await _record(unit, decided)
                elif connection is not None:
                    return _Claim(connection, remedy, remedies.shopify_order_of(order, remedy))
                else:
                    await unit.postpone(row, REMOVED_S)
                    return None
            await unit.finish(row)
        return None

    async def _conclude(self, row: DueRow, claim: _Claim, decide: Decide) -> bool:
        async with self._store.transaction() as unit:
            order, remedy = await _now(unit, row, claim)
            if remedy is not None:
                change = remedies.decide_alone(order, remedy, unit.now) or decide(order, remedy, unit.now)
                await _record(unit, change)
        return True

    async def _reject(self, row: DueRow, claim: _Claim, why: Reason) -> bool:
        return await self._conclude(row, claim, lambda order, remedy, now: remedies.reject(order, remedy, why, now))

    # --- linking

    async def _link(self, row: DueRow, claim: _Claim) -> bool:
        found = await self._shopify.order(claim.connection, claim.gid)
        async with self._store.transaction() as unit:
            order, remedy = await _now(unit, row, claim)
            if remedy is not None:
                rival = await unit.linked(claim.gid, row.key)
                decided = remedies.decide_alone(order, remedy, unit.now)
                await _record(unit, decided or remedies.link(order, remedy, found, rival, unit.now))
        return True

    # --- canceling

    async def _cancel(self, row: DueRow, claim: _Claim) -> bool:
        remedy = claim.remedy
        found = await self._shopify.order(claim.connection, claim.gid)
        if found is None:
            return await self._reject(row, claim, reasons.no_such_order(claim.gid))
        if found.canceled:
            return await self._conclude(row, claim, remedies.canceled)
        if remedy.job is not None:
            return await self._poll(row, claim, remedy.job)
        if remedy.ended:
            return await self._reject(row, claim, reasons.not_canceled())
        return await self._ask(row, claim)

    async def _ask(self, row: DueRow, claim: _Claim) -> bool:
        if not await self._note(row, claim, remedies.asked_shopify):
            return True
        try:
            answer = await self._shopify.cancel(claim.connection, claim.gid, restock=claim.remedy.restock)
        except Transient as error:
            # It may have been taken all the same: the order says so, in a while.
            return await self._later(row, claim, error.retry_after_s or UNSURE_S)
        if isinstance(answer, CancelRefused):
            return await self._read_again(row, claim, reasons.of_cancellation(answer.problems))
        job = answer.job
        await self._note(row, claim, lambda order, remedy, _: remedies.given_job(order, remedy, job))
        return await self._later(row, claim, POLL_S if job else UNSURE_S)

    async def _poll(self, row: DueRow, claim: _Claim, job: str) -> bool:
        if await self._shopify.job_done(claim.connection, job):
            return await self._read_again(row, claim, reasons.not_canceled())
        return await self._later(row, claim, min(LONGEST_POLL_S, POLL_S * 2.0 ** min(row.waits, 6)))

    async def _read_again(self, row: DueRow, claim: _Claim, otherwise: Reason) -> bool:
        """Whatever was said of the cancellation, the order has the last word."""
        found = await self._shopify.order(claim.connection, claim.gid)
        if found is not None and found.canceled:
            return await self._conclude(row, claim, remedies.canceled)
        return await self._reject(row, claim, otherwise)

    async def _note(self, row: DueRow, claim: _Claim, decide: Decide) -> bool:
        """Write something down of the command; False when it is over by now."""
        async with self._store.transaction() as unit:
            order, remedy = await _now(unit, row, claim)
            if remedy is None or remedy.ended:
                return False
            unit.record(decide(order, remedy, unit.now))
        return True

    async def _later(self, row: DueRow, claim: _Claim, delay_s: float) -> bool:
        async with self._store.transaction() as unit:
            order, remedy = await _now(unit, row, claim)
            if remedy is None:
                return True
            if remedies.overdue(remedy, unit.now):
                await _record(unit, remedies.reject(order, remedy, reasons.not_canceled(remedies.GIVE_UP_S), unit.now))
                return True
            await unit.postpone(row, delay_s)
        return False


async def _now(unit: Unit, row: DueRow, claim: _Claim) -> tuple[Order, Remedy | None]:
    """The order, locked, and what is known of the command now: it may have ended meanwhile."""
    order = (await unit.lock_orders([row.key]))[row.key]
    return order, next((one for one in order.remedies if one.command_id == claim.remedy.command_id), None)


async def _record(unit: Unit, change: Change) -> Order:
    change = close(change, unit.now)
    unit.record(change)
    for fact in change.facts:
        if fact.reservation is not None and fact.reservation.state == "released":
            await unit.book(change.order, fact.reservation)
    for ended in change.ended:
        why = ended.reason.code if ended.reason else None
        log.info("remedy ended", order_id=ended.order_id, command_id=ended.command_id, state=ended.state, reason=why)
    return change.order
