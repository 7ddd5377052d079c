"""Deciding orders, many at once: the one way from a locked order to its match, whatever caused it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

import structlog

from orderbridge.events import MatchFact, OrderMatched, OrderUnmatched
from orderbridge.step import Work

from ..domain.keys import Key
from ..domain.matching import LookUp, Matched, Unmatched, is_said, match_order
from ..domain.order import OpenCommand, Order
from ..domain.reading import Progress
from ..domain.suggesting import open_lines, with_suggestions
from ..ports import DECIDE, LOOK_UP, Unit
from .shelving import shelves_for

log = structlog.get_logger(__name__)

_BEFORE_ALL_ORDERS = datetime(1970, 1, 1, tzinfo=UTC)

Commands = Mapping[str, Sequence[OpenCommand]]
"""By order."""


def look_up_work(order: Order) -> Work:
    return Work(
        LOOK_UP,
        order.order_id,
        order.connection_id,
        ship_by=order.ship_by,
        cause_source="ingestor",
        cause_seq=order.imported_seq,
    )


async def decide(
    orders: Sequence[Order], catalogues: Mapping[str, Progress], unit: Unit, answering: Commands | None = None
) -> None:
    """Match locked orders by the catalogues that the caller holds shared, and say what is new.

    ``answering`` are commands, by order, that Shopify was asked for: each gets a fact of its own. So does an open
    ``refetch``, which asks for nothing but an answer to the import that it came with.
    """
    ready: list[Order] = []
    for order in orders:
        catalogue = catalogues.get(order.connection_id)
        if not order.matchable:
            unit.record(order)
        elif catalogue is None or not catalogue.complete:
            unit.record(order, decided=False)
        else:
            ready.append(order)
    if ready:
        counts = await _decide_ready(ready, catalogues, unit, await _to_answer(ready, answering or {}, unit))
        log.info("orders decided", orders=len(orders), **counts)
    elif orders:
        log.info("orders taken", orders=len(orders))


async def _to_answer(orders: Sequence[Order], answering: Commands, unit: Unit) -> Commands:
    opened = await unit.open_commands([order.order_id for order in orders])
    refetches = {
        order_id: [command for command in commands if command.mode == "refetch"]
        for order_id, commands in opened.items()
    }
    return {
        order_id: list(dict.fromkeys([*answering.get(order_id, ()), *refetches.get(order_id, ())]))
        for order_id in {*answering, *refetches}
    }


async def _decide_ready(
    orders: Sequence[Order], catalogues: Mapping[str, Progress], unit: Unit, answering: Commands
) -> dict[str, int]:
    shelves = await shelves_for(orders, catalogues, unit)
    counts = {"matched": 0, "unmatched": 0, "looked_up": 0}
    for order in orders:
        commands = answering.get(order.order_id, ())
        anew = any(command.mode == "rematch" for command in commands)
        decision = match_order(order, shelves[order.connection_id], anew=anew)
        match decision:
            case LookUp(skus, concerns):
                unit.schedule(look_up_work(order))
                unit.record(order, concerns=concerns, wanted=skus)
                counts["looked_up"] += 1
            case Matched():
                # From now on the order is bound to this match, which is its newest fact.
                await _say(replace(order, pins=()) if order.pins else order, decision, commands, unit)
                counts["matched"] += 1
            case Unmatched():
                held = await _suggested(order, decision, unit)
                await _say(replace(order, pins=()) if anew else order, held, commands, unit)
                counts["unmatched"] += 1
                if len(orders) == 1:
                    log.info("order is held", order_id=order.order_id, reason=held.reason.code)
            case _:
                assert_never(decision)
    return counts


async def _suggested(order: Order, decision: Unmatched, unit: Unit) -> Unmatched:
    lines = open_lines(order.lines, decision)
    if not lines:
        return decision
    return with_suggestions(decision, lines, await unit.near(order.connection_id, lines))


async def _say(order: Order, decision: Matched | Unmatched, commands: Sequence[OpenCommand], unit: Unit) -> None:
    if commands:
        facts = [_fact(order, decision, order.seq + n, unit, command) for n, command in enumerate(commands, start=1)]
        await unit.answered(commands)
    elif is_said(order.fact, decision, order.imported_seq):
        facts = []
    else:
        facts = [_fact(order, decision, order.seq + 1, unit, None)]
    unit.record(order, facts, concerns=decision.concerns)


def _fact(order: Order, decision: Matched | Unmatched, seq: int, unit: Unit, command: OpenCommand | None) -> MatchFact:
    command_id, mode = (command.command_id, command.mode) if command else (None, None)
    if isinstance(decision, Matched):
        return OrderMatched(
            order_id=order.order_id,
            seq=seq,
            at=unit.now,
            command_id=command_id,
            mode=mode,
            imported_seq=order.imported_seq,
            lines=decision.lines,
        )
    return OrderUnmatched(
        order_id=order.order_id,
        seq=seq,
        at=unit.now,
        command_id=command_id,
        mode=mode,
        imported_seq=order.imported_seq,
        lines=decision.lines,
        reason=decision.reason,
    )


async def recall(connection_id: str, keys: Collection[Key] | None, unit: Unit) -> None:
    """Decide the orders that wait for one of these (None: for anything) again, nearest ship-by first."""
    if await unit.recall(connection_id, keys):
        unit.schedule(first_work(DECIDE, connection_id))


def first_work(kind: str, connection_id: str, delay_s: float = 0.0) -> Work:
    """Work of a whole connection that its orders wait for: it does not queue behind theirs."""
    return Work(kind, connection_id, connection_id, ship_by=_BEFORE_ALL_ORDERS, delay_s=delay_s)


def product_work(kind: str, connection_id: str, product_id: str) -> Work:
    """Work on one product, which is as urgent."""
    return Work(
        kind, f"{connection_id}:{product_id}", connection_id, {"product_id": product_id}, ship_by=_BEFORE_ALL_ORDERS
    )
