"""Reading one order again, because somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog

from orderbridge.errors import Throttled
from orderbridge.events import ConnectionChanged
from orderbridge.ids import amazon_order_id_of
from orderbridge.step.unit import DueRow

from ..domain.disposition import Policy
from ..domain.orders import ReadOrder
from ..ports import Amazon, OpenCommand, RequestRefused, Transactions, Unit
from .asking import Answer, ask_for
from .ending import reject, reject_removed
from .taking import park_orders, take_named, tried

log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 300.0
"""How long a refetch waits for its turn at Amazon's quota before it looks again."""


class Refetching:
    """Carries out due work of kind ``refetch``: one call answers every command that was open when it was made.

    The answer is an import that names the command, and whoever reads it ends the command; here it ends only when it
    can lead to nothing.
    """

    def __init__(self, store: Transactions, amazon: Amazon) -> None:
        self._store = store
        self._amazon = amazon

    async def refetch(self, row: DueRow) -> None:
        """A command that comes after the call was made is answered by the next one: the work is due again.

        :raises Blocked: with that the connection's commands end; the work finds none open when it goes on.
        """
        asked = await self._asked(row)
        if asked is None:
            return
        connection, commands = asked
        try:
            answer = await ask_for(row.key, connection, row, self._amazon)
        except Throttled as error:
            raise await self._in_line(row, error) from error
        async with self._store.transaction() as unit:
            await _conclude(row, answer, commands, unit)
            await unit.finish(row)

    async def _asked(self, row: DueRow) -> tuple[ConnectionChanged, Sequence[OpenCommand]] | None:
        """What to ask, and for whom; None when there is nothing to ask (any more)."""
        async with self._store.transaction() as unit:
            commands = await unit.open_commands(row.key)
            connection = await unit.connection_settings(row.connection_id)
            if connection is not None and commands:
                return connection, commands
            for command in await unit.close_commands(row.key, commands):
                reject_removed(command.command_id, row.key, unit)
            await unit.finish(row)
        return None

    async def _in_line(self, row: DueRow, error: Throttled) -> Throttled:
        """A long queue of refetches must not ask again all at once, for one token: each waits for its turn."""
        async with self._store.transaction() as unit:
            ahead = await unit.refetches_ahead(row)
        wait_s = error.retry_after_s or 0.0
        return Throttled(str(error), retry_after_s=max(wait_s, min(wait_s * (1 + ahead), LONGEST_WAIT_S)))


async def _conclude(row: DueRow, answer: Answer, asked: Sequence[OpenCommand], unit: Unit) -> None:
    policy = await unit.policy_of(row.connection_id)
    commands = await unit.close_commands(row.key, asked)
    if not commands:
        return  # all were rejected while Amazon was asked
    why = await _take(row, answer, [command.command_id for command in commands], policy, unit)
    if why is not None:
        for command in commands:
            reject(command.command_id, row.key, *why, unit)
    log.info("refetched", order_id=row.key, commands=len(commands), rejected=why[0] if why else None)


async def _take(
    row: DueRow, answer: Answer, command_ids: Sequence[str], policy: Policy | None, unit: Unit
) -> tuple[str, str] | None:
    """Take the order, and publish it for each command; else a code and a sentence that say why not."""
    match answer:
        case None:
            return "not_found_at_amazon", f"Amazon has no order {amazon_order_id_of(row.key)} of this seller."
        case RequestRefused():
            return "refused_by_amazon", f"{answer}."
        case ReadOrder():
            take = partial(take_named, row.connection_id, answer, command_ids, policy, unit)
            unreadable = await tried(answer, take, unit)
            if unreadable is None:
                return None
        case _:
            unreadable = answer
    await park_orders(row.connection_id, [unreadable], unit)
    return "message_parked", f"Amazon's answer cannot be processed: {unreadable.why}."
