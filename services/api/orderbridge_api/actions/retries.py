"""The same command for every order that matches a filter: asked for at once, worked off in the background."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.commands import Asked, CommandRecord
from ..domain.paging import OrderFilter
from ..domain.problems import not_found
from ..domain.retries import RetryEndings, RetryRecord, RetryResource, counted, require_some_filter, shown
from ..ports import Unit
from .commands import ask_orders
from .desk import Answer, Caller, Desk, Once, answered, once_only

log = structlog.get_logger(__name__)

RETRIES = "retries"
"""The kind of due work that asks for a retry's orders, some at a time."""
BATCH = 200


async def retry_orders(desk: Desk, caller: Caller, orders: OrderFilter, asked: Asked, once: Once | None) -> Answer:
    """Ask the same of all orders that match now; those that come to match later are not concerned."""
    require_some_filter(orders)

    async def act(unit: Unit) -> Answer:
        retry = RetryRecord(uuid.uuid4().hex, orders, asked, caller.name, unit.now)
        total = await unit.add_retry(retry)
        if total:
            unit.schedule(Work(RETRIES, retry.retry_id, ""))
        retry = replace(retry, total=total, asked_at=None if total else unit.now)
        return answered(202, shown(retry, RetryEndings()), f"/v1/retries/{retry.retry_id}")

    return await once_only(desk, caller, once, act)


async def get_retry(desk: Desk, retry_id: str) -> RetryResource:
    async with desk.store.transaction() as unit:
        found = await unit.retry(retry_id)
    if found is None:
        raise not_found("retry", retry_id)
    return shown(*found)


def work_off(desk: Desk, batch: int = BATCH) -> Callable[[DueRow], Awaitable[None]]:
    """Carries out due work of kind ``retries``: the next orders, nearest ship-by first, in one transaction.

    What was asked of them commits with the word that it was, so a restart goes on where it ended.
    """

    async def work(row: DueRow) -> None:
        async with desk.store.transaction() as unit:
            retry = await unit.hold_retry(row.key)
            left = await unit.unasked(row.key, batch + 1)
            if retry is None or not left:
                await unit.finish(row)
                return
            chosen, last = left[:batch], len(left) <= batch
            outcomes = await ask_orders(chosen, retry.asked, retry.actor, unit)
            asked = {name: made.command_id for name, made in outcomes.items() if isinstance(made, CommandRecord)}
            refused = {name: made.code for name, made in outcomes.items() if not isinstance(made, CommandRecord)}
            retry = counted(retry, len(asked), list(refused.values()), unit.now if last else None)
            await unit.note_asked(retry, asked, refused)
            await (unit.finish(row) if last else unit.postpone(row, 0.0))
        log.info("retry worked off", retry_id=row.key, accepted=len(asked), refused=len(refused), last=last)

    return work
