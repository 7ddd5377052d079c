"""Imports, matches and commands as they arrive: kept, compared, and where an attempt is asked for, made due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from orderbridge.events import Command, Fact, MatchFact, OrderImported
from orderbridge.ids import connection_of
from orderbridge.step import Work
from orderbridge.step.replay import replay_work

from ..domain import reasons
from ..domain.intake import compare, take_import, take_match
from ..domain.order import Change, Order
from ..ports import CREATE, Unit

F = TypeVar("F", bound=Fact)

log = structlog.get_logger(__name__)


def create_work(order: Order) -> Work:
    """Walking the order through its phases, the nearest ship-by date first.

    It names no command: several may wait for it, and they are the order's to end.
    """
    return Work(
        CREATE,
        order.order_id,
        order.connection_id,
        ship_by=order.imported.ship_by if order.imported else None,
        cause_source="matcher",
        cause_seq=order.match_seq,
    )


def record_and_schedule(unit: Unit, change: Change) -> None:
    unit.record(change)
    if change.due:
        unit.schedule(create_work(change.order))


async def take_imports(events: Sequence[OrderImported], unit: Unit) -> None:
    await _arrived(events, take_import, unit)


async def take_matches(events: Sequence[MatchFact], unit: Unit) -> None:
    """Matched and unmatched alike: which of the two it is, the newest says."""
    await _arrived(events, take_match, unit)


async def take_commands(events: Sequence[Command], unit: Unit) -> None:
    """Only a replay of what is parked here is ours; retry and force reach us with a match."""
    for event in events:
        if event.mode == "replay" and event.service == "creator":
            unit.schedule(replay_work(event))


async def _arrived(events: Sequence[F], take: Callable[[Order, F], Order], unit: Unit) -> None:
    by_order: dict[str, list[F]] = defaultdict(list)
    for event in events:
        by_order[event.order_id].append(event)
    blocked = await unit.why_blocked({connection_of(order_id) for order_id in by_order})
    orders = await unit.lock_orders(by_order)
    planned = 0
    for order_id, arrived in by_order.items():
        order = orders[order_id]
        for event in arrived:
            order = take(order, event)
        why = blocked.get(order.connection_id)
        change = compare(order, unit.now, reasons.of_connection(why) if why else None)
        record_and_schedule(unit, change)
        planned += any(fact.phase == "planned" for fact in change.facts)
    log.info("facts taken", facts=len(events), orders=len(by_order), planned=planned)
