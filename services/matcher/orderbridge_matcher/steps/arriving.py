"""Connections, mappings, imports, commands and changes of the shop as they arrive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from orderbridge.errors import Blocked
from orderbridge.events import Command, Reason, ShopChanged, SkuMapping
from orderbridge.ids import connection_of
from orderbridge.step import ConnectionEvent, Work
from orderbridge.step.replay import replay_work

from ..domain import keys, reasons
from ..domain.order import Created, Import, OpenCommand, Order, refusal
from ..domain.reading import Progress
from ..ports import CATALOGUE, EXPORT, PRODUCT, Unit
from .deciding import decide, first_work, look_up_work, product_work, recall

ANSWERED_BY_A_MATCH = ("retry", "rematch", "force")

log = structlog.get_logger(__name__)


async def take_connections(events: Sequence[ConnectionEvent], unit: Unit) -> None:
    """Keep the settings, and have the shop's catalogue read: from the start when it is another shop's."""
    removed = await unit.keep_connections(events)
    for connection_id in sorted({event.connection_id for event in events}):
        if connection_id in removed:
            await _remove(connection_id, unit)
            continue
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
        loaded = before is not None and before.shop == shop and before.complete
        unit.schedule(first_work(CATALOGUE if loaded else EXPORT, connection_id))


async def _remove(connection_id: str, unit: Unit) -> None:
    """Its catalogue goes; its orders stay as they are, and hear from the ingestor that they are skipped."""
    commands = await unit.connections_commands(connection_id)
    await unit.reject(commands, reasons.CONNECTION_REMOVED)
    await unit.lock_catalogue(connection_id)
    await unit.forget_catalogue(connection_id)
    await unit.drop_work(connection_id)
    log.warning("connection removed", connection_id=connection_id, commands_rejected=len(commands))


async def take_mappings(events: Sequence[SkuMapping], unit: Unit) -> None:
    """Keep what is newer, and decide exactly the orders again that have such a SKU and no Shopify order yet."""
    by_connection: dict[str, set[keys.Key]] = defaultdict(set)
    for mapping in await unit.keep_mappings(events):
        by_connection[mapping.connection_id].add(keys.of_mapping(mapping.amazon_sku))
    for connection_id, mapped in sorted(by_connection.items()):
        await recall(connection_id, mapped, unit)


async def take_shop_changes(events: Sequence[ShopChanged], unit: Unit) -> None:
    """A product that changed is read anew: in whatever order such words come, what Shopify has now counts."""
    for event in events:
        if event.kind == "product" and event.source != "matcher":
            unit.schedule(product_work(PRODUCT, event.connection_id, event.subject))


async def take_imports(events: Sequence[Import], unit: Unit) -> None:
    """Match what is newer than what is known; the runtime has dropped every event seen before."""
    refetched = [event for event in events if event.command_id is not None]
    blocked = await unit.why_blocked({connection_of(event.order_id) for event in refetched}) if refetched else {}
    catalogues = await unit.share_catalogues({connection_of(event.order_id) for event in events})
    orders = await unit.take_imports(events)
    await _keep_refetches(refetched, blocked, unit)
    await _end_commands_of(orders, unit)
    await decide(orders, catalogues, unit)


async def take_created(events: Sequence[Created], unit: Unit) -> None:
    """From now on the order is what it is at Shopify."""
    await unit.close_orders({event.order_id for event in events})


async def _keep_refetches(events: Sequence[Import], blocked: Mapping[str, Blocked], unit: Unit) -> None:
    """The match that answers such an import carries its command on; a shop that does not work answers nothing."""
    kept: list[OpenCommand] = []
    for event in events:
        command = OpenCommand(str(event.command_id), event.order_id, "refetch")
        if (why := blocked.get(connection_of(event.order_id))) is not None:
            await unit.reject([command], reasons.of_connection(why))
        else:
            kept.append(command)
    await unit.keep_refetches(kept)


async def _end_commands_of(orders: Sequence[Order], unit: Unit) -> None:
    """Commands of orders that are not to be created any more can lead to nothing.

    A refetch is ended by who reads the import.
    """
    refusals = {order.order_id: reason for order in orders if (reason := refusal(order)) is not None}
    if refusals:
        for order_id, commands in (await unit.open_commands(refusals)).items():
            await unit.reject([one for one in commands if one.mode != "refetch"], refusals[order_id])
            await unit.answered(one for one in commands if one.mode == "refetch")


async def take_commands(events: Sequence[Command], unit: Unit) -> None:
    """Retry, rematch and force are looked up live and answered by a match; a replay is ours if we keep what is parked.

    What else an operator may want is others' to do.
    """
    asked: list[Command] = []
    for event in events:
        if event.mode in ANSWERED_BY_A_MATCH:
            asked.append(event)
        elif event.mode == "replay" and event.service == "matcher":
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
    await unit.reject([OpenCommand(event.command_id, order_id, "retry")], why)


def _urgent(work: Work, event: Command) -> Work:
    """Somebody waits for the answer: only an order that ships even sooner goes first."""
    return replace(work, ship_by=min(work.ship_by or event.at, event.at))
