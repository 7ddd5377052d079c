"""The api's unit: the step's transaction with all of the api's verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge.ids import is_order_id
from orderbridge.step import Store
from orderbridge.topics import PARKED
from orderbridge.vault import Vault

from .commands import CommandRows
from .connections import ConnectionRows
from .lists import OrderLists
from .mappings import MappingRows
from .orders import OrderRows
from .retries import RetryRows
from .webhooks import WebhookRows


class ApiUnit(OrderRows, OrderLists, CommandRows, RetryRows, WebhookRows, ConnectionRows, MappingRows):
    """One transaction in the schema ``api``."""

    async def enter(self, consumer: str, ce_ids: Iterable[str]) -> set[str]:
        """Enter events in the inbox, and lock the orders of the new ones: all at once and in order.

        Locked topic by topic, two instances that fold the same orders could wait for each other.
        """
        fresh = await super().enter(consumer, ce_ids)
        names = {order_id for ce_id in fresh if (order_id := order_of(ce_id)) is not None}
        if names:
            await self.lock_orders(sorted(names))
        return fresh


def open_store(engine: AsyncEngine, vault: Vault, clock: Callable[[], datetime]) -> Store[ApiUnit]:
    return Store(engine, "api", vault, clock, ApiUnit)


def order_of(ce_id: str) -> str | None:
    """The order that ``<topic>/<service>/<key>/<n>`` is of; None for any other text."""
    topic, _, rest = ce_id.partition("/")
    key = rest.partition("/")[2].partition("/")[0]
    return key if (topic.startswith("orders.") or topic == PARKED) and is_order_id(key) else None
