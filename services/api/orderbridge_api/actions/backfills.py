"""Back-fills: orders of a connection's past, read from Amazon again and taken in."""

from __future__ import annotations

from orderbridge.events import BackfillAsked

from ..domain.backfills import checked_backfill
from ..domain.commands import CommandRecord
from ..domain.problems import not_found
from ..ports import Unit
from .commands import accepted, new_command_id, send
from .desk import Answer, Caller, Desk, Once, once_only


async def ask_backfill(
    desk: Desk, caller: Caller, connection_id: str, asked: BackfillAsked, once: Once | None
) -> Answer:
    """Have the ingestor read them; an open back-fill that asks for the same is returned instead of a second one."""

    async def act(unit: Unit) -> Answer:
        stored = await unit.hold_connection(connection_id)
        if stored is None:
            raise not_found("connection", connection_id)
        checked = checked_backfill(asked, stored.changed.amazon.marketplace_ids, unit.now)
        if (already := await unit.open_backfill(connection_id, checked)) is not None:
            return accepted(already)
        command = CommandRecord(
            new_command_id(), None, connection_id, "backfill", None, caller.name, unit.now, backfill=checked
        )
        await send([command], unit)
        return accepted(command)

    return await once_only(desk, caller, once, act)
