"""One worker at an order at a time, in all processes: its lock on the process's one lock session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orderbridge.step.unit import DueRow

from ..ports import Locks, Transactions

LOCKED_S = 0.5
"""How soon to try again when another session holds the order's lock: it is just ending, or dying."""


async def alone(store: Transactions, locks: Locks, row: DueRow, work: Callable[[], Awaitable[None]]) -> None:
    """Do it while the order's lock is held, or come back when it is free; who loses the session ends at once."""
    name = f"order:{row.key}"
    if not await locks.try_lock(name):
        async with store.transaction() as unit:
            await unit.postpone(row, LOCKED_S)
        return
    try:
        await work()
    finally:
        await locks.unlock(name)
