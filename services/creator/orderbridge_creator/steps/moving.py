"""Having a created order fulfilled from the location that the connection names: Shopify's routing chose another.

Under the order's lock, and reading before moving: what was moved already, in this run or by one that died, is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from orderbridge.events import ConnectionChanged
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.moving import elsewhere, movable
from ..domain.order import Order
from ..domain.outcomes import ReassignmentRefused
from ..ports import MOVE, Fulfillments, Locks, Transactions, Unit
from .locking import alone

log = structlog.get_logger(__name__)


async def schedule_move(unit: Unit, order: Order) -> None:
    """Due with the order's creation only: to name a location later moves nothing that is there."""
    connection = await unit.connection_settings(order.connection_id)
    if connection is not None and connection.settings.location_id is not None and movable(order) is not None:
        ship_by = order.imported.ship_by if order.imported else None
        unit.schedule(Work(MOVE, order.order_id, order.connection_id, ship_by=ship_by))


@dataclass(frozen=True)
class _Claim:
    connection: ConnectionChanged
    gid: str
    location_id: str


class Moving:
    """Due work of kind ``move``."""

    def __init__(self, store: Transactions, locks: Locks, shopify: Fulfillments) -> None:
        self._store = store
        self._locks = locks
        self._shopify = shopify

    async def move(self, row: DueRow) -> None:
        await alone(self._store, self._locks, row, lambda: self._move(row))

    async def _move(self, row: DueRow) -> None:
        claim = await self._claim(row)
        if claim is None:
            return
        found = await self._shopify.fulfillment_orders(claim.connection, claim.gid)
        for part in elsewhere(found, claim.location_id):
            await self._reassign(row, claim, part.gid)
        async with self._store.transaction() as unit:
            await unit.finish(row)

    async def _claim(self, row: DueRow) -> _Claim | None:
        async with self._store.transaction() as unit:
            order = (await unit.lock_orders([row.key]))[row.key]
            connection, gid = await unit.connection_settings(row.connection_id), movable(order)
            if connection is not None and connection.settings.location_id is not None and gid is not None:
                return _Claim(connection, gid, connection.settings.location_id)
            await unit.finish(row)
        return None

    async def _reassign(self, row: DueRow, claim: _Claim, part: str) -> None:
        """Shopify's refusal is final, unless the location itself is gone: then the connection is blocked."""
        answer = await self._shopify.reassign(claim.connection, part, claim.location_id)
        told = {"order_id": row.key, "shopify_order_id": claim.gid, "location_id": claim.location_id}
        if not isinstance(answer, ReassignmentRefused):
            log.info("order is fulfilled from another location", fulfillment_order_id=part, **told)
            return
        await self._shopify.require_location(claim.connection, claim.location_id)
        said = [message for _, _, message in answer.problems]
        log.error("Shopify does not move the order", fulfillment_order_id=part, said=said, **told)
