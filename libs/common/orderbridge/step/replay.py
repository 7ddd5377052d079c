"""Replaying what was parked, on an operator's word: the message or the work is taken again as it was."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from ..errors import Transient
from ..events import Command, CommandEnded
from ..postgres import is_transient
from .connections import REPLAY
from .parking import described, end_rejected, mark_replayed, take_out
from .runtime import Runtime
from .unit import DueRow, Store, Unit, Work

__all__ = ["REPLAY", "Replayer", "replay_work"]

U = TypeVar("U", bound=Unit)


def replay_work(command: Command) -> Work:
    """The due work that carries out a command of mode ``replay``."""
    return Work(
        REPLAY,
        command.parked_id or "",
        command.connection_id,
        {"key": command.order_id or command.connection_id},
        command_id=command.command_id,
    )


class Replayer:
    """Carries out due work of kind ``replay``."""

    def __init__(self, store: Store[U], runtime: Runtime[U]) -> None:
        self._store: Store[Any] = store
        self._runtime: Runtime[Any] = runtime

    async def replay(self, row: DueRow) -> None:
        """Take it again in one transaction; if it still fails, it stays parked and the command is rejected."""
        try:
            await self._again(row)
        except Exception as error:
            if isinstance(error, Transient) or is_transient(error):
                raise
            async with self._store.transaction() as unit:
                self._reject(unit, row, "message_parked", f"It still cannot be processed: {described(error)}.")
                await unit.finish(row)

    async def _again(self, row: DueRow) -> None:
        async with self._store.transaction() as unit:
            taken = await take_out(unit, row.key)
            if taken is None:
                self._reject(unit, row, "not_applicable", "The message is not parked any more.")
                await unit.finish(row)
                return
            parked, body = taken
            await mark_replayed(unit, parked)
            kind = str(parked["origin"]).removeprefix("due:")
            if kind != parked["origin"]:
                unit.schedule(
                    Work(
                        kind,
                        parked["key"],
                        parked["connection_id"],
                        json.loads(body),
                        cause_source=parked["message_source"],
                        cause_seq=parked["message_seq"],
                    )
                )
            else:
                await self._runtime.retake(parked, body, unit)
            self._end(unit, row)
            await unit.finish(row)

    def _end(self, unit: Unit, row: DueRow) -> None:
        if row.command_id:
            key = str(row.payload["key"])
            unit.end_command(
                CommandEnded(
                    command_id=row.command_id,
                    order_id=key if ":" in key else None,
                    connection_id=row.connection_id,
                    service=unit.service,
                    state="done",
                    outcome="replayed",
                    at=unit.now,
                )
            )

    def _reject(self, unit: Unit, row: DueRow, code: str, message: str) -> None:
        if row.command_id:
            end_rejected(unit, row.command_id, str(row.payload["key"]), code, message)
