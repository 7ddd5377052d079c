"""Changed settings, and what happens to what waits when a connection stops working."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from orderbridge.errors import Blocked
from orderbridge.step import ConnectionEvent, Work

from ..domain.disposition import Policy
from ..domain.orders import Known
from ..domain.versions import decide_anew
from ..ports import RESCAN, RESCAN_EVERY_S, SILENT, SILENT_EVERY_S, Unit
from .ending import end_scans, reject_blocked, reject_removed

log = structlog.get_logger(__name__)

PAGE = 1000


Page = Callable[[str, str, int], Awaitable[list[Known]]]


async def take_settings(events: Sequence[ConnectionEvent], unit: Unit) -> None:
    """Keep the settings, and decide the orders anew of which they say something else."""
    names = sorted({event.connection_id for event in events})
    known = {name: await unit.knows(name) for name in names}
    before = {name: await unit.policy_of(name) for name in names}
    removed = await unit.keep_connections(events)
    for name in names:
        policy = await unit.policy_of(name)
        if policy is not None and before[name] is None:
            # Not at once: its first polls read what these would.
            unit.schedule(Work(RESCAN, name, name, delay_s=RESCAN_EVERY_S))
            unit.schedule(Work(SILENT, name, name, delay_s=SILENT_EVERY_S))
        if name in removed:
            await _remove(name, unit)
        elif policy is not None and before[name] is None and known[name]:
            await decide_all_anew(name, policy, unit.lock_removed, unit)
        elif policy is not None and before[name] is not None and policy != before[name]:
            await decide_all_anew(name, policy, unit.lock_open, unit)


async def _remove(connection_id: str, unit: Unit) -> None:
    """Its polls end by themselves; what waits for Amazon ends here, and so does every order that is not created."""
    refetches = await unit.close_commands_of(connection_id)
    for command in refetches:
        reject_removed(command.command_id, command.order_id, unit)
    await end_scans(connection_id, None, unit)
    await unit.drop_work(connection_id)
    await decide_all_anew(connection_id, None, unit.lock_open, unit)
    log.warning("connection removed", connection_id=connection_id, commands_ended=len(refetches))


async def decide_all_anew(connection_id: str, policy: Policy | None, next_page: Page, unit: Unit) -> None:
    """All of these, also those created long ago: a skip means nothing to these."""
    orders, changed, after = 0, 0, ""
    while page := await next_page(connection_id, after, PAGE):
        changes = [change for known in page if (change := decide_anew(known, policy, unit.now)) is not None]
        await unit.record(changes)
        orders, changed, after = orders + len(page), changed + len(changes), page[-1].order_id
    log.info("decided anew", connection_id=connection_id, orders=orders, changed=changed)


class ConnectionWatch:
    """Ends the commands of a connection that stops working; its polls rest until it works again."""

    async def blocked(self, connection_id: str, why: Blocked, unit: Unit) -> None:
        replays = await unit.waiting_replays(connection_id)
        for row in replays:
            reject_blocked(row.command_id, str(row.payload["key"]), why, unit)
            await unit.finish(row)
        refetches = await unit.close_commands_of(connection_id)
        for command in refetches:
            reject_blocked(command.command_id, command.order_id, why, unit)
        backfills = await end_scans(connection_id, why, unit)
        log.warning(
            "connection blocked",
            connection_id=connection_id,
            state=why.state,
            why=str(why),
            commands_ended=len(replays) + len(refetches) + backfills,
        )

    async def restored(self, connection_id: str, unit: Unit) -> None:
        log.info("connection works again", connection_id=connection_id)
