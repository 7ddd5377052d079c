"""Commands that wait for Amazon's answer, and the queue they wait in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from orderbridge.events import Command
from orderbridge.step import Unit
from orderbridge.step.parking import end_rejected
from orderbridge.step.unit import DueRow

from ..ports import REFETCH, OpenCommand

_KEEP = text("""
    insert into commands (command_id, order_id, connection_id, at)
    select * from unnest(cast(:command_ids as text[]), cast(:order_ids as text[]), cast(:names as text[]),
                         cast(:times as timestamptz[]))
    on conflict (command_id) do nothing
""")

_OPEN = text("select command_id, order_id from commands where order_id = :order_id order by at, command_id")

_CLOSE = text("""
    delete from commands where order_id = :order_id and command_id = any(cast(:ids as text[])) returning command_id
""")

_CLOSE_CONNECTIONS = text("delete from commands where connection_id = :id returning command_id, order_id")

_SHIP_BY = text("""
    select order_id, cast(fact ->> 'ship_by' as timestamptz) as ship_by from orders
    where order_id = any(cast(:ids as text[])) and fact ->> 'ship_by' is not null
""")

# Each half has an index of its own.
_AHEAD = text("""
    select count(*) from (
        select id, ship_by from due where taken_by is null and connection_id = :connection_id and kind = :kind
        union all
        select id, ship_by from due where taken_by is not null and connection_id = :connection_id and kind = :kind
    ) as refetches
    where case when cast(:ship_by as timestamptz) is null then ship_by is not null or id < :id
               else ship_by < :ship_by or (ship_by = :ship_by and id < :id) end
""")


class CommandsUnit(Unit):
    """The part of a transaction that keeps commands until they are answered."""

    async def ship_by_of(self, order_ids: Collection[str]) -> Mapping[str, datetime]:
        found = await self.connection.execute(_SHIP_BY, {"ids": list(order_ids)})
        return {row.order_id: row.ship_by for row in found}

    async def keep_commands(self, commands: Sequence[Command]) -> None:
        if commands:
            await self.connection.execute(
                _KEEP,
                {
                    "command_ids": [command.command_id for command in commands],
                    "order_ids": [command.order_id for command in commands],
                    "names": [command.connection_id for command in commands],
                    "times": [command.at for command in commands],
                },
            )

    async def open_commands(self, order_id: str) -> Sequence[OpenCommand]:
        found = await self.connection.execute(_OPEN, {"order_id": order_id})
        return [OpenCommand(row.command_id, row.order_id) for row in found]

    async def close_commands(self, order_id: str, commands: Sequence[OpenCommand]) -> Sequence[OpenCommand]:
        ids = [command.command_id for command in commands]
        closed = set(await self.connection.scalars(_CLOSE, {"order_id": order_id, "ids": ids}))
        return [command for command in commands if command.command_id in closed]

    async def close_commands_of(self, connection_id: str) -> Sequence[OpenCommand]:
        found = await self.connection.execute(_CLOSE_CONNECTIONS, {"id": connection_id})
        return [OpenCommand(row.command_id, row.order_id) for row in found]

    async def refetches_ahead(self, row: DueRow) -> int:
        asked = {"connection_id": row.connection_id, "kind": REFETCH, "ship_by": row.ship_by, "id": row.id}
        return int(await self.connection.scalar(_AHEAD, asked) or 0)

    async def work_parked(self, row: DueRow) -> None:
        """Commands that the parked work would have answered end with it."""
        if row.kind == REFETCH:
            for command in await self.close_commands(row.key, await self.open_commands(row.key)):
                end_rejected(self, command.command_id, command.order_id, "message_parked")
