"""What happens to open commands when a connection stops working."""

from __future__ import annotations

import structlog

from orderbridge.errors import Blocked

from ..domain import reasons
from ..ports import Unit

log = structlog.get_logger(__name__)


class ConnectionWatch:
    """Ends the connection's commands; its look-ups rest, and run by themselves once it works again."""

    async def blocked(self, connection_id: str, why: Blocked, unit: Unit) -> None:
        reason = reasons.of_connection(why)
        commands = await unit.connections_commands(connection_id)
        await unit.reject(commands, reason)
        log.warning(
            "connection blocked", connection_id=connection_id, reason=reason.code, commands_rejected=len(commands)
        )

    async def restored(self, connection_id: str, unit: Unit) -> None:
        log.info("connection works again", connection_id=connection_id)
