"""What happens to promised attempts when a connection stops working, and when it works again."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from orderbridge.errors import Blocked
from orderbridge.step import ConnectionEvent

from ..domain import reasons
from ..domain.intake import block
from ..ports import CANCEL, CREATE, HOLD, SettingsUnit, Unit

log = structlog.get_logger(__name__)


STAYS_DUE = (CREATE, CANCEL, HOLD)
"""What was sent has an outcome, and what is held goes back, should the connection be added again."""


async def take_settings(events: Sequence[ConnectionEvent], unit: SettingsUnit) -> None:
    """Keep the settings; of a connection that was removed nothing is promised any more.

    Where holding stock was switched on or off, every order that it concerns is looked at.
    """
    names = sorted({event.connection_id for event in events})
    before = {name: await _holds_stock(name, unit) for name in names}
    removed = await unit.keep_connections(events)
    for name in names:
        if name in removed:
            await ConnectionWatch().blocked(name, Blocked(reasons.REMOVED, "the connection was removed"), unit)
            await unit.drop_work(name, STAYS_DUE)
        elif await _holds_stock(name, unit) != before[name]:
            await unit.hold_anew(name)


async def _holds_stock(connection_id: str, unit: SettingsUnit) -> bool:
    connection = await unit.connection_settings(connection_id)
    return connection is not None and connection.settings.hold_stock_while_pending


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
