"""The connection that a piece of due work is of."""

from __future__ import annotations

from orderbridge.errors import Permanent
from orderbridge.events import ConnectionChanged, Reason
from orderbridge.step.unit import DueRow

from ..domain import reasons
from ..ports import Unit

REMOVED_S = 60.0
"""How often it is looked whether a removed connection was added again."""


async def settings_for(unit: Unit, row: DueRow) -> ConnectionChanged:
    connection = await unit.connection_settings(row.connection_id)
    if connection is None:
        raise Permanent(f"the connection {row.connection_id} is not known")
    return connection


async def why_blocked(unit: Unit, row: DueRow) -> Reason | None:
    why = (await unit.why_blocked([row.connection_id])).get(row.connection_id)
    return reasons.of_connection(why) if why else None
