"""Orders that somebody canceled or deleted in Shopify: noticed, and shown.

A word of a change only makes us look: what became of the order, the shop itself says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from orderbridge.events import ConnectionChanged, ShopChanged
from orderbridge.ids import connection_of
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.aftermath import InShopify, in_shopify
from ..domain.order import Order
from ..domain.remedies import under_way
from ..ports import INSPECT, Locks, ShopifyOrders, Transactions, Unit
from .locking import alone
from .restocking import flag_waiting

log = structlog.get_logger(__name__)

AGAIN_S = 2.0
"""How long a cancellation of ours that is under way is given before the order is looked at."""


async def take_shop_changes(events: Sequence[ShopChanged], unit: Unit) -> None:
    """Of stock and of orders; what became of products is the matcher's."""
    await flag_waiting(events, unit)
    orders: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind == "order":
            orders[event.connection_id].add(event.subject)
    for connection_id, gids in orders.items():
        for order_id in await unit.made_from_here(connection_id, gids):
            unit.schedule(inspect_work(order_id))


def inspect_work(order_id: str) -> Work:
    return Work(INSPECT, order_id, connection_of(order_id))


@dataclass(frozen=True)
class _Claim:
    connection: ConnectionChanged
    gid: str


class Inspecting:
    """Due work of kind ``inspect``."""

    def __init__(self, store: Transactions, locks: Locks, shopify: ShopifyOrders) -> None:
        self._store = store
        self._locks = locks
        self._shopify = shopify

    async def inspect(self, row: DueRow) -> None:
        await alone(self._store, self._locks, row, lambda: self._look(row))

    async def _look(self, row: DueRow) -> None:
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            order = await self._open(unit, row)
            if order is None:
                return
            if connection is None:
                await unit.finish(row)
                return
            claim = _Claim(connection, _gid_of(order))
        found = await self._shopify.order(claim.connection, claim.gid)
        state: InShopify = "deleted" if found is None else "canceled" if found.canceled else "open"
        async with self._store.transaction() as unit:
            order = await self._open(unit, row)
            if order is None:
                return
            change = in_shopify(order, state, unit.now)
            unit.record(change)
            await unit.finish(row)
        log.info("order looked at in Shopify", order_id=row.key, state=state, told=bool(change.facts))

    async def _open(self, unit: Unit, row: DueRow) -> Order | None:
        """The order, if it is created and nothing of ours may be canceling it; else the work ends, or waits."""
        order = (await unit.lock_orders([row.key]))[row.key]
        if order.phase != "created":
            await unit.finish(row)
        elif under_way(order, unit.now):
            await unit.postpone(row, AGAIN_S)
        else:
            return order
        return None


def _gid_of(order: Order) -> str:
    shopify = order.newest.shopify
    if shopify is None:
        raise LookupError(f"{order.order_id} is created without an order in Shopify")
    return shopify.order_id
