"""What is held for orders that wait: how it is kept, and the one place that makes its work due."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import TypeAdapter
from sqlalchemy import text

from orderbridge.step import Work
from orderbridge.step.connections import connection_of as settings_of

from ..domain import holding
from ..domain.hold import Hold
from ..domain.order import Order
from ..ports import HOLD
from .waits import WaitsUnit

HOLDS = TypeAdapter(Hold)

_HOLD_ANEW = text("""
    insert into due (kind, key, connection_id, ship_by, cause_source, cause_seq)
    select :kind, order_id, connection_id, cast(imported ->> 'ship_by' as timestamptz), 'matcher',
           cast(match ->> 'seq' as bigint)
    from orders
    where connection_id = :id and (hold is not null or imported -> 'disposition' ->> 'kind' = 'wait')
    on conflict (kind, key) do update set run_at = now(), version = due.version + 1, waits = 0
""")


class HoldsUnit(WaitsUnit):
    """The part of a creator's transaction that sees that units are held and given back."""

    async def follow_holds(self, orders: Iterable[Order]) -> None:
        """Make the work due of orders that something happened to in this transaction that their hold follows from."""
        on: dict[str, bool] = {}
        for order in orders:
            before = self._loaded.get(order.order_id, order)
            if holding.ground(before) == holding.ground(order) or not holding.concerns(order):
                continue
            if order.connection_id not in on:
                connection = await settings_of(self, order.connection_id)
                on[order.connection_id] = connection is not None and connection.settings.hold_stock_while_pending
            if holding.todo(order, on=on[order.connection_id]) is not None:
                self.schedule(_work(order))

    async def hold_anew(self, connection_id: str) -> None:
        await self.connection.execute(_HOLD_ANEW, {"kind": HOLD, "id": connection_id})


def _work(order: Order) -> Work:
    return Work(
        HOLD,
        order.order_id,
        order.connection_id,
        ship_by=order.imported.ship_by if order.imported else None,
        cause_source="matcher",
        cause_seq=order.match_seq,
    )
