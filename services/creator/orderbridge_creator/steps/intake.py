"""Imports, matches and commands as they arrive: kept, compared, and where an attempt is asked for, made due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import structlog

from orderbridge.errors import Blocked
from orderbridge.events import Command, Fact, MatchFact, OrderImported
from orderbridge.ids import connection_of
from orderbridge.step import Work
from orderbridge.step.replay import replay_work

from ..domain import reasons
from ..domain.aftermath import ON_CANCEL, aftermath, canceled_at_amazon
from ..domain.intake import compare, take_import, take_match
from ..domain.order import Change, Order, Remedy
from ..domain.phases import held_back
from ..domain.remedies import ask, decide_alone, reject
from ..ports import CANCEL, CREATE, RESOLVE, Unit

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


def remedy_work(order: Order, remedy: Remedy) -> Work:
    return replace(create_work(order), kind=RESOLVE if remedy.mode == "resolve" else CANCEL)


async def look_after(unit: Unit, change: Change) -> Change:
    """With what the newest import means for an order that is created, on top of ``change``."""
    order, on_cancel = change.order, ON_CANCEL
    if order.phase == "created" and canceled_at_amazon(order):
        connection = await unit.connection_settings(order.connection_id)
        on_cancel = connection.settings.on_cancel if connection else ON_CANCEL
    after = change.then(lambda it: aftermath(it, on_cancel, unit.now))
    own = after.order.own_cancel
    if own is not None and order.own_cancel is None:
        unit.schedule(remedy_work(after.order, own))
        log.info("canceled at Amazon, to be canceled in Shopify", order_id=order.order_id)
    return after


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
    """Closing an order by hand, and a replay of what is parked here; all else reaches us with a match or an import."""
    remedies = [(event, event.order_id) for event in events if event.order_id and event.mode in ("resolve", "cancel")]
    blocked = await unit.why_blocked({connection_of(order_id) for _, order_id in remedies})
    orders = await unit.lock_orders({order_id for _, order_id in remedies})
    for event, order_id in remedies:
        orders[order_id] = _take_remedy(event, orders[order_id], blocked, unit)
    for event in events:
        if event.mode == "replay" and event.service == "creator":
            unit.schedule(replay_work(event))


def _take_remedy(event: Command, order: Order, blocked: Mapping[str, Blocked], unit: Unit) -> Order:
    """Decide it at once where that needs no word of Shopify's, else make it due."""
    order = ask(order, event)
    remedy = order.remedies[-1]
    why = blocked.get(order.connection_id)
    change = decide_alone(order, remedy, unit.now)
    if change is None and why is not None:
        change = reject(order, remedy, reasons.of_connection(why), unit.now)
    if change is None:
        unit.schedule(remedy_work(order, remedy))
        change = Change(order)
    change = close(change, unit.now)
    unit.record(change)
    log.info("remedy asked for", order_id=order.order_id, command_id=event.command_id, mode=event.mode)
    return change.order


def close(change: Change, now: datetime) -> Change:
    """With what the remedy closed, the commands end that waited for an attempt."""
    return change.then(lambda it: compare(it, now, None)) if change.facts else change


async def _arrived(events: Sequence[F], take: Callable[[Order, F], Order], unit: Unit) -> None:
    by_order: dict[str, list[F]] = defaultdict(list)
    for event in events:
        by_order[event.order_id].append(event)
    blocked = await unit.why_blocked({connection_of(order_id) for order_id in by_order})
    orders = await unit.lock_orders(by_order)
    planned = 0
    waiting: list[Order] = []
    for order_id, arrived in by_order.items():
        order = orders[order_id]
        for event in arrived:
            order = take(order, event)
        why = blocked.get(order.connection_id)
        change = compare(order, unit.now, reasons.of_connection(why) if why else None)
        if order.imported_seq != orders[order_id].imported_seq:
            change = await look_after(unit, change)
        record_and_schedule(unit, change)
        planned += any(fact.phase == "planned" for fact in change.facts)
        waiting += [change.order] if change.order.waiting else []
    await _hold_back(waiting, unit)
    log.info("facts taken", facts=len(events), orders=len(by_order), planned=planned)


async def _hold_back(orders: Sequence[Order], unit: Unit) -> None:
    """A command that comes after something of its order was parked would wait for what never comes."""
    parked = await unit.parked([order.order_id for order in orders]) if orders else ()
    for order in orders:
        if order.order_id in parked:
            unit.record(held_back(order, unit.now))
