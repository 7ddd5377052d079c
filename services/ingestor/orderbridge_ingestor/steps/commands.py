"""Commands as they arrive: a refetch, a back-fill, and a replay of what is parked here become due work; all else is
not ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orderbridge.events import Command
from orderbridge.ids import connection_of, is_order_id
from orderbridge.step import Work
from orderbridge.step.replay import replay_work

from ..domain.scans import Scan, asked_of
from ..ports import REFETCH, SCAN, Unit
from .ending import reject, reject_blocked, reject_removed


async def take_commands(events: Sequence[Command], unit: Unit) -> None:
    """What can lead to nothing, as its connection is gone or does not work, ends at once."""
    asked = []
    for event in events:
        if event.mode == "refetch":
            asked.append(event)
        elif event.mode == "replay" and event.service == "ingestor":
            await _take_replay(event, unit)
        elif event.mode == "backfill":
            await _take_backfill(event, unit)
    accepted: list[Command] = []
    for name in sorted({event.connection_id for event in asked}):
        accepted += await _accepted(name, [event for event in asked if event.connection_id == name], unit)
    await unit.keep_commands(accepted)
    ship_by = await unit.ship_by_of({event.order_id for event in accepted if event.order_id})
    for event in accepted:
        unit.schedule(_refetch_work(event, ship_by.get(event.order_id or "")))


async def _take_replay(event: Command, unit: Unit) -> None:
    why = await unit.why_blocked(event.connection_id)
    if why is not None:
        reject_blocked(event.command_id, _key(event), why, unit)
    else:
        unit.schedule(replay_work(event))


async def _take_backfill(event: Command, unit: Unit) -> None:
    # Locked as for a refetch: whoever blocks the connection meanwhile ends this command after that.
    policy = await unit.policy_of(event.connection_id)
    why = await unit.why_blocked(event.connection_id)
    asked = asked_of(event.backfill)
    if asked is None:
        words = "The command names neither a range of time nor orders."
        reject(event.command_id, event.connection_id, "not_applicable", words, unit)
    elif policy is None:
        reject_removed(event.command_id, event.connection_id, unit)
    elif why is not None:
        reject_blocked(event.command_id, event.connection_id, why, unit)
    elif await unit.add_scan(Scan(event.command_id, event.connection_id, event.command_id, asked)):
        unit.schedule(Work(SCAN, event.command_id, event.connection_id))


async def _accepted(connection_id: str, events: Sequence[Command], unit: Unit) -> Sequence[Command]:
    """Those of a connection's refetches that can be carried out; the others are rejected."""
    # The settings stay locked until the end: whoever blocks the connection meanwhile ends these commands after that.
    policy = await unit.policy_of(connection_id)
    why = await unit.why_blocked(connection_id)
    accepted = []
    for event in events:
        if event.order_id is None or not _is_order_of(event.order_id, connection_id):
            reject(event.command_id, _key(event), "not_applicable", "The command names no order.", unit)
        elif policy is None:
            reject_removed(event.command_id, event.order_id, unit)
        elif why is not None:
            reject_blocked(event.command_id, event.order_id, why, unit)
        else:
            accepted.append(event)
    return accepted


def _refetch_work(event: Command, ship_by: datetime | None) -> Work:
    """Should it be parked, any version of the order that can be read closes that."""
    return Work(REFETCH, event.order_id or "", event.connection_id, ship_by=ship_by, cause_source="ingestor")


def _key(event: Command) -> str:
    return event.order_id or event.connection_id


def _is_order_of(order_id: str, connection_id: str) -> bool:
    return is_order_id(order_id) and connection_of(order_id) == connection_id
