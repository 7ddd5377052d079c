"""Replaying an order that was parked as Amazon sent it: by asking Amazon for it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from orderbridge.errors import Blocked, Transient
from orderbridge.events import Command, CommandEnded
from orderbridge.ids import amazon_order_id_of, connection_of
from orderbridge.step.parking import described
from orderbridge.step.replay import replay_work
from orderbridge.step.unit import DueRow

from ..domain.orders import ReadOrder, UnreadableOrder
from ..ports import AMAZON, Amazon, Connections, Transactions, Unit
from .ending import reject, reject_blocked
from .taking import take_orders


async def take_commands(events: Sequence[Command], unit: Unit) -> None:
    """Only a replay of what is parked here is ours."""
    for event in events:
        if event.mode != "replay" or event.service != "ingestor":
            continue
        why = await unit.why_blocked(event.connection_id)
        if why is not None:
            reject_blocked(event.command_id, event.order_id or event.connection_id, why, unit)
        else:
            unit.schedule(replay_work(event))


class Replaying:
    """Carries out due work of kind ``replay``; ``others`` replays what did not come from Amazon."""

    def __init__(
        self,
        store: Transactions,
        amazon: Amazon,
        connections: Connections,
        others: Callable[[DueRow], Awaitable[None]],
    ) -> None:
        self._store = store
        self._amazon = amazon
        self._connections = connections
        self._others = others

    async def replay(self, row: DueRow) -> None:
        """Take the order again; if it still cannot be taken, it stays parked and the command is rejected."""
        async with self._store.transaction() as unit:
            taken = await unit.take_out(row.key)
        if taken is None or taken[0]["origin"] != AMAZON:
            await self._others(row)
            return
        try:
            order = await self._ask(*taken)
        except Blocked as why:
            await self._connections.say_blocked(row.connection_id, why)
            async with self._store.transaction() as unit:
                reject_blocked(row.command_id, str(row.payload["key"]), why, unit)
                await unit.finish(row)
            return
        async with self._store.transaction() as unit:
            await self._end(row, order, unit)
            await unit.finish(row)

    async def _ask(self, parked: Mapping[str, Any], body: bytes) -> ReadOrder | UnreadableOrder | None:
        order_id = parked["order_id"]
        if order_id is None:
            return self._amazon.read(body)
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(connection_of(order_id))
        if connection is None:
            return self._amazon.read(body)
        return await self._amazon.get_order(connection, amazon_order_id_of(order_id))

    async def _end(self, row: DueRow, order: ReadOrder | UnreadableOrder | None, unit: Unit) -> None:
        key = str(row.payload["key"])
        taken = await unit.take_out(row.key)
        if taken is None:
            reject(row.command_id, key, "not_applicable", "The message is not parked any more.", unit)
            return
        match order:
            case None:
                reject(row.command_id, key, "message_parked", "Amazon does not know the order any more.", unit)
                return
            case UnreadableOrder():
                reject(row.command_id, key, "message_parked", f"It still cannot be processed: {order.why}.", unit)
                return
            case ReadOrder():
                pass
        try:
            async with unit.attempt():
                await unit.mark_replayed(taken[0])
                await take_orders(row.connection_id, [order], unit)
        except Exception as error:
            if isinstance(error, Transient):
                raise
            reject(row.command_id, key, "message_parked", f"It still cannot be processed: {described(error)}.", unit)
            return
        if row.command_id:
            unit.end_command(
                CommandEnded(
                    command_id=row.command_id,
                    order_id=key if ":" in key else None,
                    connection_id=row.connection_id,
                    service="ingestor",
                    state="done",
                    outcome="replayed",
                    at=unit.now,
                )
            )
