"""Replaying an order that was parked as Amazon sent it, or a refetch that was: by asking Amazon for it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from orderbridge.errors import Blocked
from orderbridge.events import CommandEnded
from orderbridge.ids import connection_of
from orderbridge.step.unit import DueRow

from ..domain.orders import ReadOrder
from ..ports import AMAZON, REFETCH, Amazon, Connections, RequestRefused, Transactions, Unit
from .asking import Answer, ask_for
from .ending import reject, reject_blocked
from .taking import take_named, take_orders, tried


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
        if taken is None or taken[0]["origin"] not in (AMAZON, f"due:{REFETCH}"):
            await self._others(row)
            return
        try:
            answer = await self._ask(row, *taken)
        except Blocked as why:
            await self._connections.say_blocked(row.connection_id, why)
            async with self._store.transaction() as unit:
                reject_blocked(row.command_id, str(row.payload["key"]), why, unit)
                await unit.finish(row)
            return
        async with self._store.transaction() as unit:
            await _end(row, answer, unit)
            await unit.finish(row)

    async def _ask(self, row: DueRow, parked: Mapping[str, Any], body: bytes) -> Answer:
        order_id = parked["order_id"]
        if order_id is None:
            return self._amazon.read(body)
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(connection_of(order_id))
        if connection is None:
            return self._amazon.read(body)
        return await ask_for(order_id, connection, row, self._amazon)


async def _end(row: DueRow, answer: Answer, unit: Unit) -> None:
    key = str(row.payload["key"])
    taken = await unit.take_out(row.key)
    if taken is None:
        reject(row.command_id, key, "not_applicable", "The message is not parked any more.", unit)
        return
    why = await _replayed(row.connection_id, taken[0], answer, unit)
    if why is not None:
        reject(row.command_id, key, "message_parked", why, unit)
    elif row.command_id:
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


async def _replayed(connection_id: str, parked: Mapping[str, Any], answer: Answer, unit: Unit) -> str | None:
    """Take the order; else a sentence that says why not."""
    match answer:
        case None:
            return "Amazon does not know the order any more."
        case RequestRefused():
            return f"{answer}."
        case ReadOrder():
            unreadable = await tried(answer, partial(_take, connection_id, parked, answer, unit), unit)
            if unreadable is None:
                return None
        case _:
            unreadable = answer
    return f"It still cannot be processed: {unreadable.why}."


async def _take(connection_id: str, parked: Mapping[str, Any], order: ReadOrder, unit: Unit) -> None:
    await unit.mark_replayed(parked)
    if parked["origin"] == AMAZON:
        await take_orders(connection_id, [order], unit)
    else:
        await take_named(connection_id, order, (), await unit.policy_of(connection_id), unit)
