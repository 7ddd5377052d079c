"""Deciding orders, many at once: the one way from a locked order to its match, whatever caused it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import assert_never

import structlog

from orderbridge.events import MatchFact, OrderMatched, OrderUnmatched
from orderbridge.step import Work

from ..domain.matching import LookUp, Matched, Unmatched, is_said, key_of, match_lines
from ..domain.order import OpenCommand, Order
from ..domain.reading import Progress
from ..ports import DECIDE, LOOK_UP, Unit

log = structlog.get_logger(__name__)

_BEFORE_ALL_ORDERS = datetime(1970, 1, 1, tzinfo=UTC)

BySku = dict[str, set[str]]
"""SKUs by connection."""


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
    orders: Sequence[Order],
    catalogues: Mapping[str, Progress],
    unit: Unit,
    answering: Mapping[str, Sequence[OpenCommand]] | None = None,
) -> None:
    """Match locked orders by the catalogues that the caller holds shared, and say what is new.

    ``answering`` are commands, by order, that Shopify was asked for: each gets a fact of its own.
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
        counts = await _decide_ready(ready, catalogues, unit, answering or {})
        log.info("orders decided", orders=len(orders), **counts)
    elif orders:
        log.info("orders taken", orders=len(orders))


async def _decide_ready(
    orders: Sequence[Order],
    catalogues: Mapping[str, Progress],
    unit: Unit,
    answering: Mapping[str, Sequence[OpenCommand]],
) -> dict[str, int]:
    wanted = _skus_of(orders)
    variants = await unit.variants_of(wanted)
    absent = {name: skus - variants.get(name, {}).keys() for name, skus in wanted.items()}
    for name, found in variants.items():
        # Variants that are not on sale leave their SKU to be looked up all the same.
        absent[name] |= {sku for sku, those in found.items() if not any(one.status == "ACTIVE" for one in those)}
    missed = await unit.missed(absent) if any(absent.values()) else {}
    counts = {"matched": 0, "unmatched": 0, "looked_up": 0}
    for order in orders:
        name = order.connection_id
        decision = match_lines(
            order.lines, variants.get(name, {}), missed.get(name, ()), drafts=catalogues[name].match_drafts
        )
        match decision:
            case LookUp(skus):
                unit.schedule(look_up_work(order))
                unit.record(order, waits_for=skus)
                counts["looked_up"] += 1
            case Matched():
                await _say(order, decision, answering.get(order.order_id, ()), unit)
                counts["matched"] += 1
            case Unmatched():
                await _say(order, decision, answering.get(order.order_id, ()), unit)
                counts["unmatched"] += 1
                if len(orders) == 1:
                    log.info("order is held", order_id=order.order_id, reason=decision.reason.code)
            case _:
                assert_never(decision)
    return counts


async def _say(order: Order, decision: Matched | Unmatched, commands: Sequence[OpenCommand], unit: Unit) -> None:
    waits_for = decision.skus if isinstance(decision, Unmatched) else ()
    if commands:
        facts = [_fact(order, decision, order.seq + n, unit, command) for n, command in enumerate(commands, start=1)]
        await unit.answered(commands)
    elif is_said(order.fact, decision, order.imported_seq):
        facts = []
    else:
        facts = [_fact(order, decision, order.seq + 1, unit, None)]
    unit.record(order, facts, waits_for=waits_for)


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


def _skus_of(orders: Iterable[Order]) -> BySku:
    wanted: BySku = defaultdict(set)
    for order in orders:
        skus = wanted[order.connection_id]
        for line in order.lines:
            if sku := key_of(line.amazon_sku):
                skus.add(sku)
    return wanted


async def recall(connection_id: str, skus: Collection[str] | None, unit: Unit) -> None:
    """Decide the orders that wait for these SKUs (None: for any) again, nearest ship-by first."""
    if await unit.recall(connection_id, skus):
        unit.schedule(first_work(DECIDE, connection_id))


def first_work(kind: str, connection_id: str, delay_s: float = 0.0) -> Work:
    """Work of a whole connection that its orders wait for: it does not queue behind theirs."""
    return Work(kind, connection_id, connection_id, ship_by=_BEFORE_ALL_ORDERS, delay_s=delay_s)
