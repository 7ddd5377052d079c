"""Commands, what they were answered, and parked messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from orderbridge.events import CommandEnded, CommandMode, MessageParked, Reason
from orderbridge.step import Unit

from ..domain.commands import CommandRecord
from ..domain.paging import Page
from ..domain.parked import ParkedMessage, ParkedState, noted
from ..domain.problems import Problem
from ..ports import Answer, Once

_COLUMNS = """
    command_id, order_id, connection_id, mode, reason, actor, created_at, parked_id, state, outcome, rejection,
    ended_by, ended_at
"""
_NOTE_PARKED = text("""
    insert into parked_messages as known (parked_id, state, order_id, connection_id, service, origin, partition,
                                          "offset", reason, at, ended_at)
    values (:id, :state, :order_id, :connection_id, :service, :origin, :partition, :offset, :reason, :at, :ended_at)
    on conflict (parked_id) do update set
        state = case when excluded.state = 'parked' then known.state else excluded.state end,
        ended_at = coalesce(excluded.ended_at, known.ended_at),
        at = case when excluded.state = 'parked' then excluded.at else known.at end
""")
_PARKED = """
    select parked_id as id, state, order_id, connection_id, service, origin, partition, "offset", reason, at, ended_at
    from parked_messages
"""


class CommandRows(Unit):
    async def add_command(self, command: CommandRecord) -> None:
        await self.connection.execute(
            text("""
                insert into commands (command_id, order_id, connection_id, mode, reason, actor, parked_id, created_at)
                values (:command_id, :order_id, :connection_id, :mode, :reason, :actor, :parked_id, :created_at)
            """),
            {
                "command_id": command.command_id,
                "order_id": command.order_id,
                "connection_id": command.connection_id,
                "mode": command.mode,
                "reason": command.reason,
                "actor": command.actor,
                "parked_id": command.parked_id,
                "created_at": command.created_at,
            },
        )

    async def open_command(
        self, mode: CommandMode, *, order_id: str | None = None, parked_id: str | None = None
    ) -> CommandRecord | None:
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from commands where state = 'open' and mode = :mode
                  and case when cast(:parked_id as text) is null
                      then order_id = :order_id and parked_id is null else parked_id = :parked_id end
            """),  # noqa: S608 - our own column names
            {"mode": mode, "order_id": order_id, "parked_id": parked_id},
        )
        row = found.mappings().first()
        return _command(row) if row else None

    async def command(self, command_id: str) -> CommandRecord | None:
        found = await self.connection.execute(
            text(f"select {_COLUMNS} from commands where command_id = :id"),  # noqa: S608 - our own column names
            {"id": command_id},
        )
        row = found.mappings().first()
        return _command(row) if row else None

    async def commands_of(self, order_id: str) -> list[CommandRecord]:
        found = await self.connection.execute(
            text(f"select {_COLUMNS} from commands where order_id = :id order by created_at"),  # noqa: S608 - the same
            {"id": order_id},
        )
        return [_command(row) for row in found.mappings()]

    async def end_commands(self, endings: Sequence[CommandEnded]) -> None:
        first: dict[str, CommandEnded] = {}
        for ending in endings:
            first.setdefault(ending.command_id, ending)
        chosen = [first[name] for name in sorted(first)]
        await self.connection.execute(
            text("""
                update commands set state = new.state, outcome = new.outcome, ended_by = new.service,
                    rejection = cast(new.rejection as jsonb), ended_at = new.at
                from unnest(cast(:ids as text[]), cast(:states as text[]), cast(:outcomes as text[]),
                            cast(:services as text[]), cast(:rejections as text[]), cast(:ats as timestamptz[]))
                    as new (id, state, outcome, service, rejection, at)
                where commands.command_id = new.id and commands.state = 'open'
            """),
            {
                "ids": [ending.command_id for ending in chosen],
                "states": [ending.state for ending in chosen],
                "outcomes": [ending.outcome for ending in chosen],
                "services": [ending.service for ending in chosen],
                "rejections": [ending.reason.model_dump_json() if ending.reason else None for ending in chosen],
                "ats": [ending.at for ending in chosen],
            },
        )

    # --- answers by Idempotency-Key

    async def recall(self, caller: str, once: Once) -> Answer | None:
        # A second request with the same key waits here for the first one's commit.
        claimed = await self.connection.scalar(
            text("""
                insert into idempotency_keys (caller, key, fingerprint, at) values (:caller, :key, :fingerprint, :at)
                on conflict do nothing returning true
            """),
            {"caller": caller, "key": once.key, "fingerprint": once.fingerprint, "at": self.now},
        )
        if claimed:
            return None
        found = await self.connection.execute(
            text("select fingerprint, status, body, location from idempotency_keys where caller = :c and key = :k"),
            {"c": caller, "k": once.key},
        )
        row = found.one()
        if row.fingerprint != once.fingerprint:
            raise Problem(
                422,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request.",
                remedy="Use a new key for each new request.",
            )
        return Answer(row.status, row.body, row.location)

    async def keep_answer(self, caller: str, once: Once, answer: Answer) -> None:
        await self.connection.execute(
            text("""
                update idempotency_keys set status = :status, body = :body, location = :location
                where caller = :caller and key = :key
            """),
            {
                "caller": caller,
                "key": once.key,
                "status": answer.status,
                "body": answer.body,
                "location": answer.location,
            },
        )

    async def forget_answers(self, older_than: datetime) -> None:
        await self.connection.execute(text("delete from idempotency_keys where at < :at"), {"at": older_than})

    # --- parked messages

    async def note_parked(self, events: Sequence[MessageParked]) -> None:
        rows = sorted(noted(events), key=lambda row: row.id)
        await self.connection.execute(_NOTE_PARKED, [row.model_dump() for row in rows])

    async def hold_parked(self, parked_id: str) -> ParkedMessage | None:
        found = await self.connection.execute(text(f"{_PARKED} where parked_id = :id for update"), {"id": parked_id})
        row = found.mappings().first()
        return ParkedMessage.model_validate(dict(row)) if row else None

    async def list_parked(self, state: ParkedState, page: Page) -> list[ParkedMessage]:
        after = ""
        values: dict[str, Any] = {"state": state, "limit": page.limit}
        if page.after is not None:
            after = "and (at, parked_id) < (cast(:after as timestamptz), :after_id)"
            values |= {"after": page.after.value, "after_id": page.after.id}
        found = await self.connection.execute(
            text(f"{_PARKED} where state = :state {after} order by at desc, parked_id desc limit :limit"), values
        )
        return [ParkedMessage.model_validate(dict(row)) for row in found.mappings()]


def _command(row: Any) -> CommandRecord:
    rejection = row["rejection"]
    return CommandRecord(
        **{name: value for name, value in row.items() if name != "rejection"},
        rejection=Reason.model_validate(rejection if not isinstance(rejection, str) else json.loads(rejection))
        if rejection is not None
        else None,
    )
