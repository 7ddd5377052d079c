"""Connections, imports and commands as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from orderbridge.events import Command, ConnectionChanged, Reason
from orderbridge.ids import connection_of
from orderbridge.step import Work
from orderbridge.step.replay import replay_work

from ..domain import reasons
from ..domain.order import Import, OpenCommand, Order, refusal
from ..domain.reading import Progress
from ..ports import CATALOGUE, Unit
from .deciding import decide, first_work, look_up_work, recall

log = structlog.get_logger(__name__)


async def take_connections(events: Sequence[ConnectionChanged], unit: Unit) -> None:
    """Keep the settings, and have the shop's catalogue read: from the start when it is another shop's."""
    await unit.keep_connections(events)
    for connection_id in sorted({event.connection_id for event in events}):
        connection = await unit.connection_settings(connection_id)
        if connection is None:
            continue
        shop, drafts = connection.shopify.shop, connection.settings.match_drafts
        before = await unit.lock_catalogue(connection_id)
        if before is None or before.shop != shop:
            await unit.empty_catalogue(connection_id)
            await unit.set_progress(connection_id, Progress(shop, drafts))
        elif before.match_drafts != drafts:
            await unit.set_progress(connection_id, replace(before, match_drafts=drafts))
            await recall(connection_id, None, unit)
        unit.schedule(first_work(CATALOGUE, connection_id))


async def take_imports(events: Sequence[Import], unit: Unit) -> None:
    """Match what is newer than what is known; the runtime has dropped every event seen before."""
    catalogues = await unit.share_catalogues({connection_of(event.order_id) for event in events})
    orders = await unit.take_imports(events)
    await _end_commands_of(orders, unit)
    await decide(orders, catalogues, unit)


async def _end_commands_of(orders: Sequence[Order], unit: Unit) -> None:
    """Commands of orders that are not to be created any more can lead to nothing."""
    refusals = {order.order_id: reason for order in orders if (reason := refusal(order)) is not None}
    if refusals:
        for order_id, commands in (await unit.open_commands(refusals)).items():
            await unit.reject(commands, refusals[order_id])


async def take_commands(events: Sequence[Command], unit: Unit) -> None:
    """Retry and force are looked up live and answered by a match; a replay is ours when we keep what is parked."""
    asked: list[Command] = []
    for event in events:
        if event.mode != "replay":
            asked.append(event)
        elif event.service == "matcher":
            unit.schedule(replay_work(event))
    if not asked:
        return
    order_ids = {event.order_id for event in asked if event.order_id is not None}
    blocked = await unit.why_blocked({event.connection_id for event in asked})
    orders = await unit.lock_orders(order_ids)
    parked = await unit.parked(order_ids)
    accepted: list[Command] = []
    for event in asked:
        order_id = event.order_id or event.connection_id
        order = orders.get(order_id)
        why = refusal(order)
        if why is None and order_id in parked:
            why = reasons.MESSAGE_PARKED
        if why is None and (block := blocked.get(event.connection_id)) is not None:
            why = reasons.of_connection(block)
        if why is not None or order is None:
            await _reject(event, order_id, why or reasons.NOT_APPLICABLE, unit)
        else:
            accepted.append(event)
            unit.schedule(_urgent(look_up_work(order), event))
    await unit.keep_commands(accepted)


async def _reject(event: Command, order_id: str, why: Reason, unit: Unit) -> None:
    log.info("command rejected", order_id=order_id, command_id=event.command_id, reason=why.code)
    await unit.reject([OpenCommand(event.command_id, order_id, "force" if event.mode == "force" else "retry")], why)


def _urgent(work: Work, event: Command) -> Work:
    """Somebody waits for the answer: only an order that ships even sooner goes first."""
    return replace(work, ship_by=min(work.ship_by or event.at, event.at))
