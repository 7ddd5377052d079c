"""Waking orders that wait for stock: exactly those that can be had now, the nearest ship-by date first.

A word of a change only flags what waits for it. One read of the stock, a moment later, serves a whole burst of words;
what is woken is planned again with the match it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

import structlog

from orderbridge.events import ConnectionChanged, ShopChanged
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.intake import plan
from ..domain.waiting import Queue, Waiting, looked_into, met, needs_of
from ..ports import RESTOCK, Shopify, Transactions, Unit
from .connections import why_blocked
from .intake import record_and_schedule

log = structlog.get_logger(__name__)

GATHER_S = 0.3
"""How long words of a change are gathered before the stock is read."""
VARIANTS_AT_ONCE = 48
"""How many variants are read before something is made of it: a large shop's points must not run out half way."""
ORDERS_AT_ONCE = 100


async def flag_waiting(events: Sequence[ShopChanged], unit: Unit) -> None:
    """Flag what waits for what changed; what went away is the matcher's."""
    by_connection: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        if event.change == "changed" and event.kind != "order":
            by_connection[event.connection_id][event.kind].add(event.subject)
    for connection_id, subjects in by_connection.items():
        if _wakes(await unit.connection_settings(connection_id)):
            found, ship_by = await unit.flag(connection_id, subjects)
            if found:
                await _look_soon(unit, connection_id, ship_by)


def _wakes(connection: ConnectionChanged | None) -> bool:
    return connection is not None and connection.settings.wake_on_restock


async def _look_soon(unit: Unit, connection_id: str, ship_by: datetime | None) -> None:
    """Once for a burst, and not later for each word of it."""
    if not await unit.coming(RESTOCK, connection_id, GATHER_S):
        unit.schedule(Work(RESTOCK, connection_id, connection_id, ship_by=ship_by, delay_s=GATHER_S))


class Restocking:
    """Due work of kinds ``restock`` and ``reread``."""

    def __init__(self, store: Transactions, shopify: Shopify, reread_s: float) -> None:
        self._store = store
        self._shopify = shopify
        self._reread_s = reread_s

    async def reread(self, row: DueRow) -> None:
        """Flag all that waits, in case a word of a change got lost; it ends when nothing waits."""
        async with self._store.transaction() as unit:
            if not await unit.anything_waits(row.connection_id):
                await unit.finish(row)
                return
            if _wakes(await unit.connection_settings(row.connection_id)):
                found, ship_by = await unit.flag_all(row.connection_id)
                if found:
                    await _look_soon(unit, row.connection_id, ship_by)
            await unit.postpone(row, self._reread_s)

    async def restock(self, row: DueRow) -> None:
        """Read the stock of what is flagged, and wake who can be served."""
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            queue = await unit.queue(row.connection_id)
            first, beside = looked_into(queue, VARIANTS_AT_ONCE)
            if connection is None or not _wakes(connection) or not first:
                await unit.forget_flags(row.connection_id)
                await unit.finish(row)
                return
        variants = sorted({need.variant_id for order in first for need in order.needs})
        stock = await self._shopify.stock(connection, variants, urgent=False)
        served = met([*first, *beside], stock, queue.promised)
        for begin in range(0, len(served), ORDERS_AT_ONCE):
            if not await self._wake(row, served[begin : begin + ORDERS_AT_ONCE]):
                return
        await self._looked_at(row, queue, first)
        log.info("stock read", connection_id=row.connection_id, orders=len(first) + len(beside), woken=len(served))

    async def _wake(self, row: DueRow, served: Collection[Waiting]) -> bool:
        """Plan them, if they still wait for the same; False when nothing may be sent now: the flags stay."""
        async with self._store.transaction() as unit:
            if await why_blocked(unit, row) or not _wakes(await unit.connection_settings(row.connection_id)):
                await unit.postpone(row, 0.0)
                return False
            orders = await unit.lock_orders([waiting.order_id for waiting in served])
            parked = await unit.parked(list(orders))
            for waiting in served:
                order = orders[waiting.order_id]
                if set(needs_of(order)) == set(waiting.needs) and order.order_id not in parked:
                    record_and_schedule(unit, plan(order, unit.now))
        return True

    async def _looked_at(self, row: DueRow, queue: Queue, first: Collection[Waiting]) -> None:
        ids = {waiting.order_id for waiting in first}
        seen = {key: flags for key, flags in queue.flags.items() if key[0] in ids}
        async with self._store.transaction() as unit:
            await unit.looked_at(seen)
            if len(seen) < len(queue.flags):
                await unit.postpone(row, 0.0)
            else:
                await unit.finish(row)
