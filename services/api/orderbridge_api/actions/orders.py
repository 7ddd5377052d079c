"""Orders: listed, counted, looked at, and what an operator asks of one: a retry, to close it, to cancel it."""

from __future__ import annotations

import json
from collections import Counter

from orderbridge.events import Event
from orderbridge.ids import is_order_id
from orderbridge.status import STATUSES, Status

from ..domain.commands import Asked
from ..domain.paging import OrderFilter, Position, Sort, cursor_of, page_of
from ..domain.problems import Problem, not_found
from ..domain.resource import OrderResource
from ..domain.timeline import Timeline, timeline_of
from ..ports import Unit
from .commands import accepted, ask_orders
from .desk import Answer, Caller, Desk, Once, once_only


class OrderPage(Event):
    """Whole resources; ``next`` is the cursor of the following page, null on the last."""

    items: tuple[OrderResource, ...]
    next: str | None


class OrderCounts(Event):
    total: int
    by_status: dict[Status, int]
    by_reason: dict[str, int]


async def list_orders(desk: Desk, asked: OrderFilter, sort: Sort, limit: int, cursor: str | None) -> str:
    """A page as JSON: each order is the text that was published."""
    page = page_of(sort, limit + 1, cursor)
    async with desk.store.transaction() as unit:
        found = await unit.list_orders(asked, page)
    shown = found[:limit]
    more = len(found) > limit
    following = cursor_of(sort, Position(shown[-1].sorted_by, shown[-1].order_id)) if more else None
    items = ",".join(order.text for order in shown)
    return f'{{"items":[{items}],"next":{json.dumps(following)}}}'


async def count_orders(desk: Desk, asked: OrderFilter) -> OrderCounts:
    async with desk.store.transaction() as unit:
        found = await unit.count_orders(asked)
    by_status: Counter[Status] = Counter()
    by_reason: Counter[str] = Counter()
    for status, reason, number in found:
        by_status[status] += number
        if reason is not None:
            by_reason[reason] += number
    return OrderCounts(
        total=by_status.total(),
        by_status={status: by_status[status] for status in STATUSES},
        by_reason=dict(sorted(by_reason.items())),
    )


async def get_order(desk: Desk, order_id: str) -> str:
    """The order's resource as JSON, as it was published."""
    async with desk.store.transaction() as unit:
        found = await unit.order_text(_readable(order_id))
    if found is None:
        raise not_found("order", order_id)
    return found


async def timeline(desk: Desk, order_id: str) -> Timeline:
    async with desk.store.transaction() as unit:
        if await unit.order_text(_readable(order_id)) is None:
            raise not_found("order", order_id)
        facts = await unit.facts_of(order_id)
        commands = await unit.commands_of(order_id)
    return timeline_of(facts, commands)


async def ask_order(desk: Desk, caller: Caller, order_id: str, asked: Asked, once: Once | None) -> Answer:
    """Retry, resolve or cancel an order; an open command of the same mode is returned instead of a second one."""
    _readable(order_id)

    async def act(unit: Unit) -> Answer:
        outcome = (await ask_orders([order_id], asked, caller.name, unit))[order_id]
        if isinstance(outcome, Problem):
            raise outcome
        return accepted(outcome)

    return await once_only(desk, caller, once, act)


def _readable(order_id: str) -> str:
    """What is no order id names no order."""
    if not is_order_id(order_id):
        raise not_found("order", order_id[:100])
    return order_id
