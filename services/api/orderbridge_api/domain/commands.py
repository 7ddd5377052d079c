"""A command as the api keeps it, and as it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from orderbridge.events import Command, CommandMode, Event, Reason, Service

CommandState = Literal["open", "done", "rejected"]


@dataclass(frozen=True)
class CommandRecord:
    command_id: str
    order_id: str | None
    connection_id: str
    mode: CommandMode
    reason: str | None
    actor: str
    created_at: datetime
    parked_id: str | None = None
    state: CommandState = "open"
    outcome: str | None = None
    rejection: Reason | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None


class CommandResource(Event):
    """``reason`` says why a command was rejected; ``operator_reason`` is what the operator gave with it."""

    command_id: str
    order_id: str | None
    connection_id: str
    mode: CommandMode
    state: CommandState
    outcome: str | None
    reason: Reason | None
    operator_reason: str | None
    parked_id: str | None
    actor: str
    created_at: datetime
    ended_at: datetime | None


def shown(command: CommandRecord) -> CommandResource:
    return CommandResource(
        command_id=command.command_id,
        order_id=command.order_id,
        connection_id=command.connection_id,
        mode=command.mode,
        state=command.state,
        outcome=command.outcome,
        reason=command.rejection,
        operator_reason=command.reason,
        parked_id=command.parked_id,
        actor=command.actor,
        created_at=command.created_at,
        ended_at=command.ended_at,
    )


def command_event(command: CommandRecord, service: Service | None = None) -> Command:
    """What goes to the workers."""
    return Command.model_validate(
        {
            "command_id": command.command_id,
            "order_id": command.order_id,
            "connection_id": command.connection_id,
            "mode": command.mode,
            "reason": command.reason,
            "actor": command.actor,
            "at": command.created_at,
            "service": service,
            "parked_id": command.parked_id,
        }
    )
