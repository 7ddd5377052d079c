"""Commands: what was asked for, and how it ended."""

from __future__ import annotations

import uuid

from orderbridge.events import Service
from orderbridge.topics import COMMANDS

from ..domain.commands import CommandRecord, CommandResource, command_event, shown
from ..domain.problems import not_found
from ..ports import Answer, Unit
from .desk import Desk, answered


async def get_command(desk: Desk, command_id: str) -> CommandResource:
    async with desk.store.transaction() as unit:
        command = await unit.command(command_id)
    if command is None:
        raise not_found("command", command_id)
    return shown(command)


def new_command_id() -> str:
    return uuid.uuid4().hex


async def send(command: CommandRecord, unit: Unit, service: Service | None = None) -> Answer:
    """Keep the command, send it to the workers, and answer 202 with it."""
    await unit.add_command(command)
    key = command.order_id or command.connection_id
    event = command_event(command, service)
    unit.publish(COMMANDS, key, command.command_id, event, command_id=command.command_id)
    return accepted(command)


def accepted(command: CommandRecord) -> Answer:
    return answered(202, shown(command), f"/v1/commands/{command.command_id}")
