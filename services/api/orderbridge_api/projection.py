"""Folds facts into the orders that everybody sees, and publishes what changed on ``orders.status.v1``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from orderbridge.events import Fact, MessageParked
from orderbridge.ids import is_order_id
from orderbridge.topics import PARKED, STATUS

from .domain.connections import trouble_of
from .domain.own import OwnFact, heard, with_stuck
from .domain.projection import (
    SLOW,
    STUCK_AFTER,
    OrderState,
    due_stuck_message,
    resource_of,
    stuck_message,
    take,
    waiting_since,
)
from .ports import Orders, OrderView, Unit

log = structlog.get_logger(__name__)

_REBUILD_BATCH = 500


def fold(topic: str) -> Callable[[Sequence[Any], Unit], Awaitable[None]]:
    """The step for one topic of facts."""

    async def take_facts(events: Sequence[Fact], unit: Unit) -> None:
        held = await unit.hold_orders(sorted({event.order_id for event in events}))
        await unit.keep_facts([(topic, event) for event in events])
        states = dict(held)
        for event in events:
            states[event.order_id] = take(states[event.order_id], event)
        await _show(held, states, unit)

    return take_facts


async def fold_parked(events: Sequence[MessageParked], unit: Unit) -> None:
    """List what was parked, and keep each word about an order's message as a fact of the api."""
    await unit.note_parked(events)
    by_order: dict[str, list[MessageParked]] = defaultdict(list)
    for event in events:
        # A word about a parked message that could itself not be taken must not end in a circle.
        if event.order_id and is_order_id(event.order_id) and event.origin != PARKED:
            by_order[event.order_id].append(event)
    if not by_order:
        return
    held = await unit.hold_orders(sorted(by_order))
    states = dict(held)
    facts: list[OwnFact] = []
    for order_id, said in by_order.items():
        for event in said:
            if (own := heard(states[order_id].own, event)) is not None:
                facts.append(own)
                states[order_id] = take(states[order_id], own)
    await _keep_own(facts, unit)
    await _show(held, states, unit)
    log.info("parked messages folded", orders=len(by_order), words=len(facts))


async def mind_stuck_orders(unit: Unit) -> int:
    """Set and clear the attention ``stuck`` by the unit's time, some orders at a time; returns how many changed."""
    troubled = _troubles(await unit.troubled())
    candidates = await unit.wrongly_stuck(unit.now - STUCK_AFTER, SLOW, troubled)
    if not candidates:
        return 0
    held = await unit.hold_orders(candidates)
    states = dict(held)
    facts: list[OwnFact] = []
    for order_id, state in states.items():
        shown = resource_of(state)
        since = waiting_since(state, shown)
        wanted = due_stuck_message(since, unit.now, troubled.get(shown.connection_id))
        # Decided again under the lock: a fact may have come in between.
        if wanted != stuck_message(shown):
            own = with_stuck(state.own, order_id, state.seqs, wanted, unit.now)
            facts.append(own)
            states[order_id] = take(state, own)
    await _keep_own(facts, unit)
    await _show(held, states, unit)
    log.info("stuck orders minded", changed=len(facts))
    return len(facts)


async def rebuild(unit: Unit, after: str) -> list[str]:
    """Make orders anew from the kept facts and publish each, whether or not it changed.

    Takes some orders whose ids follow ``after``, and returns their ids; none when all are done.
    """
    order_ids = await unit.kept_order_ids(after, _REBUILD_BATCH)
    if not order_ids:
        return []
    held = await unit.hold_orders(order_ids)
    states = await unit.newest_kept(order_ids)
    # What the row holds is set aside: all that is written comes from the facts.
    bare = {order_id: OrderState(order_id) for order_id in held}
    await _show(bare, states, unit)
    return order_ids


async def _keep_own(facts: Sequence[OwnFact], unit: Orders) -> None:
    if facts:
        await unit.keep_facts([("", fact) for fact in facts])


async def _show(before: Mapping[str, OrderState], now: Mapping[str, OrderState], unit: Orders) -> None:
    """Write and publish the orders whose newest facts changed; each change makes a new version."""
    views = []
    for order_id, state in now.items():
        if state is before[order_id]:
            continue
        resource = resource_of(state)
        views.append(OrderView(before[order_id], state, resource, resource.model_dump_json()))
        unit.publish(STATUS, order_id, resource.version, resource)
    if views:
        await unit.write_views(views)


def _troubles(statuses: Sequence[Any]) -> dict[str, str]:
    troubles: dict[str, str] = {}
    for status in statuses:
        if (said := trouble_of(status)) is not None:
            troubles.setdefault(status.connection_id, said)
    return troubles
