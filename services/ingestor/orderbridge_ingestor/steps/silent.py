"""Waiting orders that Amazon's searches have not shown for long are asked for one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from orderbridge.events import ConnectionChanged
from orderbridge.ids import amazon_order_id_of
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..ports import SILENT, SILENT_EVERY_S, Amazon, RequestRefused, Transactions, Unit
from .taking import Taken, take_page

log = structlog.get_logger(__name__)

SILENT_AFTER = timedelta(hours=1)
FEW = 10
"""How many are asked for before other work has its turn."""
SOON_S = 1.0
RESERVE = 0.5
"""The part of the quota's burst that is left to refetches."""


class SilentOrders:
    """Carries out due work of kind ``silent``; ``may_pass`` tells which errors of the database may not come again."""

    def __init__(self, store: Transactions, amazon: Amazon, may_pass: Callable[[BaseException], bool]) -> None:
        self._store = store
        self._amazon = amazon
        self._may_pass = may_pass

    async def read_again(self, row: DueRow) -> None:
        """The longest silent ones first; whatever leaves from here, those that were read stay read."""
        name = row.connection_id
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(name)
            if connection is None:
                await unit.finish(row)
                return
            silent = await unit.silent_orders(name, unit.now - SILENT_AFTER, FEW)
        taken = Taken()
        for order_id in silent:
            taken += await self._read(order_id, connection)
        if silent:
            log.info("silent orders read", connection_id=name, orders=len(silent), published=taken.published)
        async with self._store.transaction() as unit:
            unit.schedule(Work(SILENT, name, name, delay_s=SOON_S if len(silent) == FEW else SILENT_EVERY_S))
            await unit.finish(row)

    async def _read(self, order_id: str, connection: ConnectionChanged) -> Taken:
        """An order that Amazon does not have, or refuses to show, counts as read: it may come back."""
        try:
            answer = await self._amazon.get_order(connection, amazon_order_id_of(order_id), RESERVE)
        except RequestRefused as error:
            log.warning("silent order refused", order_id=order_id, why=str(error))
            answer = None

        async def keep(unit: Unit, _: Taken) -> None:
            await unit.note_read([order_id])

        orders = [answer] if answer is not None else []
        return await take_page(self._store, self._may_pass, connection.connection_id, orders, keep)
