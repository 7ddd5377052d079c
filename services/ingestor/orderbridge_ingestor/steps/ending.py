"""Ending a command that can lead to nothing."""

from __future__ import annotations

from orderbridge.errors import Blocked
from orderbridge.events import CommandEnded, Reason
from orderbridge.ids import connection_of
from orderbridge.status import MESSAGES

from ..ports import Unit


def reject(command_id: str | None, key: str, code: str, message: str, unit: Unit) -> None:
    """``key`` is the command's: an order_id, or the connection_id where no order is known."""
    if command_id is None:
        return
    unit.end_command(
        CommandEnded(
            command_id=command_id,
            order_id=key if ":" in key else None,
            connection_id=connection_of(key),
            service="ingestor",
            state="rejected",
            reason=Reason(code=code, message=message),
            at=unit.now,
        )
    )


def reject_removed(command_id: str | None, key: str, unit: Unit) -> None:
    reject(command_id, key, "connection_removed", MESSAGES["connection_removed"], unit)


def reject_blocked(command_id: str | None, key: str, why: Blocked, unit: Unit) -> None:
    code = "connection_unauthorized" if why.state == "unauthorized" else "connection_misconfigured"
    reject(command_id, key, code, f"{why}.", unit)
