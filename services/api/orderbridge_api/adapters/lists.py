"""Reading orders: one, many, counted, and their story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from orderbridge.status import Status
from orderbridge.step import Unit

from ..domain.paging import OrderFilter, Page
from ..domain.timeline import KeptFact
from ..ports import ListedOrder

_CONDITIONS = {
    "connection": "connection_id = any(cast(:connection as text[]))",
    "status": "status = any(cast(:status as text[]))",
    "reason": "reason = any(cast(:reason as text[]))",
    "q": "strpos(search, :q) > 0",
    "ship_by_before": "ship_by < :ship_by_before",
}


class OrderLists(Unit):
    async def order_text(self, order_id: str) -> str | None:
        found: str | None = await self.connection.scalar(
            text("select cast(resource as text) from orders where order_id = :id"), {"id": order_id}
        )
        return found

    async def list_orders(self, asked: OrderFilter, page: Page) -> list[ListedOrder]:
        conditions, values = conditions_of(asked)
        if page.after is not None:
            conditions.append(_after(page.field, page.descending, "order_id", page.after.value is None))
            values |= {"after": page.after.value, "after_id": page.after.id}
        direction = "desc" if page.descending else "asc"
        # Names and directions come from closed lists of our own; values are bound.
        statement = f"""
            select order_id, {page.field} as sorted_by, cast(resource as text) as resource from orders
            where {" and ".join(["resource is not null", *conditions])}
            order by {page.field} {direction} nulls last, order_id {direction} limit :limit
        """  # noqa: S608
        found = await self.connection.execute(text(statement), {**values, "limit": page.limit})
        return [ListedOrder(row.order_id, row.sorted_by, row.resource) for row in found]

    async def count_orders(self, asked: OrderFilter) -> list[tuple[Status, str | None, int]]:
        conditions, values = conditions_of(asked)
        statement = f"""
            select status, reason, count(*) as number from orders
            where {" and ".join(["resource is not null", *conditions])} group by status, reason
        """  # noqa: S608
        found = await self.connection.execute(text(statement), values)
        return [(row.status, row.reason, row.number) for row in found]

    async def facts_of(self, order_id: str) -> list[KeptFact]:
        found = await self.connection.execute(
            text("select source, seq, topic, at, payload from facts where order_id = :id order by source, seq"),
            {"id": order_id},
        )
        return [KeptFact(row.source, row.seq, row.topic, row.at, row.payload) for row in found]


def conditions_of(asked: OrderFilter) -> tuple[list[str], dict[str, Any]]:
    """What holds of the orders asked for, as SQL, and the values bound in it."""
    given: dict[str, Any] = {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in vars(asked).items()
        if value not in ((), None)
    }
    if asked.q is not None:
        given["q"] = asked.q.lower()
    return [_CONDITIONS[name] for name in given], given


def _after(field: str, descending: bool, id_field: str, past_values: bool) -> str:
    """What comes after ``:after`` and ``:after_id``, where items without a value come last."""
    than = "<" if descending else ">"
    if past_values:
        # Bound all the same: a statement's parameters do not depend on their values.
        return f"{field} is null and cast(:after as timestamptz) is null and {id_field} {than} :after_id"
    return f"({field} is null or ({field}, {id_field}) {than} (cast(:after as timestamptz), :after_id))"
