"""The api's unit: the step's transaction with all of the api's verbs."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import text

from orderbridge.ids import is_order_id
from orderbridge.topics import PARKED

from .commands import CommandRows
from .connections import ConnectionRows
from .lists import OrderLists
from .orders import OrderRows


class ApiUnit(OrderRows, OrderLists, CommandRows, ConnectionRows):
    """One transaction in the schema ``api``."""

    async def enter(self, consumer: str, ce_ids: Iterable[str]) -> set[str]:
        """Enter events in the inbox, and lock the orders of the new ones: all at once and in order.

        Locked topic by topic, two instances that fold the same orders could wait for each other.
        """
        fresh = await super().enter(consumer, ce_ids)
        names = {key for topic, _, key, *_ in (ce_id.split("/") for ce_id in fresh) if _is_of_order(topic, key)}
        if names:
            await self.lock_orders(sorted(names))
        return fresh

    async def backlog(self) -> tuple[int, int, dict[str, int]]:
        """Outbox rows, parked messages of our own, and due rows by kind."""
        outbox = await self.connection.scalar(text("select count(*) from outbox"))
        parked = await self.connection.scalar(text("select count(*) from parked where state = 'parked'"))
        due = await self.connection.execute(text("select kind, count(*) as number from due group by kind"))
        return int(outbox or 0), int(parked or 0), {row.kind: row.number for row in due}


def _is_of_order(topic: str, key: str) -> bool:
    return (topic.startswith("orders.") or topic == PARKED) and is_order_id(key)
