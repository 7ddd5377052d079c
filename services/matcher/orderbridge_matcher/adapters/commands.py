"""The table of open commands: those that no fact has answered yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import text

from orderbridge.events import Command, CommandEnded, Reason
from orderbridge.ids import connection_of
from orderbridge.step import Unit
from orderbridge.step.parking import open_parcels
from orderbridge.step.unit import DueRow

from ..domain import reasons
from ..domain.order import OpenCommand

_KEEP_COMMANDS = text("""
    insert into commands (command_id, order_id, connection_id, mode, at)
    select command_id, order_id, connection_id, mode, at
    from unnest(cast(:command_ids as text[]), cast(:order_ids as text[]), cast(:names as text[]),
                cast(:modes as text[]), cast(:times as timestamptz[]))
        as new (command_id, order_id, connection_id, mode, at)
    on conflict do nothing
""")


class CommandUnit(Unit):
    """What a transaction of the matcher does with commands."""

    async def open_commands(self, order_ids: Collection[str]) -> Mapping[str, Sequence[OpenCommand]]:
        found = await self.connection.execute(
            text("""
                select command_id, order_id, mode from commands
                where order_id = any(cast(:ids as text[])) order by at, command_id
            """),
            {"ids": list(order_ids)},
        )
        commands: dict[str, list[OpenCommand]] = defaultdict(list)
        for row in found:
            commands[row.order_id].append(OpenCommand(*row))
        return commands

    async def connections_commands(self, connection_id: str) -> Sequence[OpenCommand]:
        found = await self.connection.execute(
            text("select command_id, order_id, mode from commands where connection_id = :id order by at, command_id"),
            {"id": connection_id},
        )
        return [OpenCommand(*row) for row in found]

    async def keep_commands(self, commands: Sequence[Command]) -> None:
        if commands:
            await self.connection.execute(
                _KEEP_COMMANDS,
                {
                    "command_ids": [command.command_id for command in commands],
                    "order_ids": [command.order_id for command in commands],
                    "names": [command.connection_id for command in commands],
                    "modes": [command.mode for command in commands],
                    "times": [command.at for command in commands],
                },
            )

    async def keep_refetches(self, refetches: Sequence[OpenCommand]) -> None:
        if refetches:
            await self.connection.execute(
                _KEEP_COMMANDS,
                {
                    "command_ids": [command.command_id for command in refetches],
                    "order_ids": [command.order_id for command in refetches],
                    "names": [connection_of(command.order_id) for command in refetches],
                    "modes": [command.mode for command in refetches],
                    "times": [self.now for _ in refetches],
                },
            )

    async def answered(self, commands: Iterable[OpenCommand]) -> None:
        await self.connection.execute(
            text("delete from commands where command_id = any(cast(:ids as text[]))"),
            {"ids": [command.command_id for command in commands]},
        )

    async def reject(self, commands: Iterable[OpenCommand], reason: Reason) -> None:
        commands = list(commands)
        if not commands:
            return
        await self.answered(commands)
        for command in commands:
            self.end_command(
                CommandEnded(
                    command_id=command.command_id,
                    order_id=command.order_id if ":" in command.order_id else None,
                    connection_id=connection_of(command.order_id),
                    service=self.service,
                    state="rejected",
                    reason=reason,
                    at=self.now,
                )
            )

    async def parked(self, order_ids: Collection[str]) -> set[str]:
        return await open_parcels(self, order_ids)

    async def work_parked(self, row: DueRow) -> None:
        """Commands that the parked work would have answered end with it."""
        for commands in (await self.open_commands([row.key])).values():
            await self.reject(commands, reasons.MESSAGE_PARKED)
