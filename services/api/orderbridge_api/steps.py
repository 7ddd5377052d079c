"""What the workers say beside facts: how commands ended, and how they get on with a connection."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from orderbridge.events import BackfillProgress, CommandEnded, ConnectionStatus

from .ports import Commands, Unit

log = structlog.get_logger(__name__)


async def end_commands(events: Sequence[CommandEnded], unit: Commands) -> None:
    await unit.end_commands(events)
    for event in events:
        if event.state == "rejected":
            log.info(
                "command rejected",
                command_id=event.command_id,
                order_id=event.order_id,
                code=event.reason.code if event.reason else None,
            )


async def note_statuses(events: Sequence[ConnectionStatus], unit: Unit) -> None:
    await unit.note_statuses(events)
    progress: dict[str, BackfillProgress] = {}
    for event in sorted(events, key=lambda event: event.at):
        progress |= event.backfills
    if progress:
        await unit.note_progress(progress)
