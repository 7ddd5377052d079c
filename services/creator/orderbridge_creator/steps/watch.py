"""What happens to promised attempts when a connection stops working, and when it works again."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from orderbridge.errors import Blocked
from orderbridge.step import ConnectionEvent

from ..domain import reasons
from ..domain.intake import block
from ..ports import CANCEL, CREATE, SettingsUnit, Unit

log = structlog.get_logger(__name__)


STAYS_DUE = (CREATE, CANCEL)
"""What was sent has an outcome, which is asked for should the connection be added again."""


async def take_settings(events: Sequence[ConnectionEvent], unit: SettingsUnit) -> None:
    """Keep the settings; of a connection that was removed nothing is promised any more."""
    for name in await unit.keep_connections(events):
        await ConnectionWatch().blocked(name, Blocked(reasons.REMOVED, "the connection was removed"), unit)
        await unit.drop_work(name, STAYS_DUE)


class ConnectionWatch:
    """Fails what was promised with the connection's reason, and ends every command that waits for something to come.

    The connection's work rests, and runs by itself once that passes.
    """

    async def blocked(self, connection_id: str, why: Blocked, unit: Unit) -> None:
        reason = reasons.of_connection(why)
        failed = 0
        for order in await unit.lock_expecting(connection_id):
            change = block(order, unit.now, reason)
            unit.record(change)
            failed += bool(change.facts)
        log.warning("connection blocked", connection_id=connection_id, reason=reason.code, orders_failed=failed)

    async def restored(self, connection_id: str, unit: Unit) -> None:
        log.info("connection works again", connection_id=connection_id)
