"""Commands, what they were answered, and parked messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import text

from orderbridge.events import (
    BackfillAsked,
    BackfillProgress,
    CommandEnded,
    CommandMode,
    Event,
    MessageParked,
    Reason,
)
from orderbridge.step import Unit

from ..domain.commands import CommandRecord
from ..domain.paging import Page
from ..domain.parked import ParkedMessage, ParkedState, noted
from ..domain.problems import Problem
from ..ports import Answer, Once, OrderHead

E = TypeVar("E", bound=Event)

_COLUMNS = """
    command_id, order_id, connection_id, mode, reason, actor, created_at, parked_id, shopify_order_id, restock,
    backfill, progress, state, outcome, rejection, ended_by, ended_at
"""
_HEADS = text("""
    select order_id, connection_id, status, resource -> 'reason' as reason, link from orders
    where order_id = any(cast(:ids as text[])) and resource is not null order by order_id for update
""")
_ADD = text("""
    insert into commands (command_id, order_id, connection_id, mode, reason, actor, parked_id, shopify_order_id,
                          restock, backfill, created_at)
    select command_id, order_id, connection_id, mode, reason, actor, parked_id, shopify_order_id, restock,
           cast(backfill as jsonb), created_at
    from unnest(cast(:command_id as text[]), cast(:order_id as text[]), cast(:connection_id as text[]),
                         cast(:mode as text[]), cast(:reason as text[]), cast(:actor as text[]),
                         cast(:parked_id as text[]), cast(:shopify_order_id as text[]), cast(:restock as boolean[]),
                         cast(:backfill as text[]), cast(:created_at as timestamptz[]))
        as new (command_id, order_id, connection_id, mode, reason, actor, parked_id, shopify_order_id, restock,
                backfill, created_at)
""")
_ADDED = (
    "command_id",
    "order_id",
    "connection_id",
    "mode",
    "reason",
    "actor",
    "parked_id",
    "shopify_order_id",
    "restock",
    "backfill",
    "created_at",
)
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
    async def order_heads(self, order_ids: Sequence[str]) -> dict[str, OrderHead]:
        found = await self.connection.execute(_HEADS, {"ids": list(order_ids)})
        return {
            row.order_id: OrderHead(row.order_id, row.connection_id, row.status, _reason(row.reason), row.link)
            for row in found
        }

    async def add_commands(self, commands: Sequence[CommandRecord]) -> None:
        if commands:
            rows = [vars(command) | {"backfill": _json(command.backfill)} for command in commands]
            await self.connection.execute(_ADD, {name: [row[name] for row in rows] for name in _ADDED})

    async def open_commands(self, mode: CommandMode, order_ids: Sequence[str]) -> dict[str, CommandRecord]:
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from commands where state = 'open' and mode = :mode and parked_id is null
                  and order_id = any(cast(:ids as text[]))
            """),  # noqa: S608 - our own column names
            {"mode": mode, "ids": list(order_ids)},
        )
        return {row["order_id"]: _command(row) for row in found.mappings()}

    async def open_replay(self, parked_id: str) -> CommandRecord | None:
        found = await self.connection.execute(
            text(f"select {_COLUMNS} from commands where state = 'open' and parked_id = :id"),  # noqa: S608 - the same
            {"id": parked_id},
        )
        row = found.mappings().first()
        return _command(row) if row else None

    async def open_backfill(self, connection_id: str, asked: BackfillAsked) -> CommandRecord | None:
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from commands where state = 'open' and mode = 'backfill' and connection_id = :id
                  and backfill = cast(:asked as jsonb)
            """),  # noqa: S608 - our own column names
            {"id": connection_id, "asked": asked.model_dump_json()},
        )
        row = found.mappings().first()
        return _command(row) if row else None

    async def note_progress(self, progress: Mapping[str, BackfillProgress]) -> None:
        names = sorted(progress)
        await self.connection.execute(
            text("""
                update commands set progress = cast(new.progress as jsonb)
                from unnest(cast(:ids as text[]), cast(:progress as text[])) as new (id, progress)
                where commands.command_id = new.id and commands.state = 'open'
            """),
            {"ids": names, "progress": [_json(progress[name]) for name in names]},
        )

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
                    rejection = cast(new.rejection as jsonb), ended_at = new.at,
                    progress = coalesce(cast(new.progress as jsonb), commands.progress)
                from unnest(cast(:ids as text[]), cast(:states as text[]), cast(:outcomes as text[]),
                            cast(:services as text[]), cast(:rejections as text[]), cast(:ats as timestamptz[]),
                            cast(:progress as text[]))
                    as new (id, state, outcome, service, rejection, at, progress)
                where commands.command_id = new.id and commands.state = 'open'
            """),
            {
                "ids": [ending.command_id for ending in chosen],
                "states": [ending.state for ending in chosen],
                "outcomes": [ending.outcome for ending in chosen],
                "services": [ending.service for ending in chosen],
                "rejections": [_json(ending.reason) for ending in chosen],
                "progress": [_json(ending.progress) for ending in chosen],
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
    values = dict(row) | {
        "rejection": _reason(row["rejection"]),
        "backfill": _read(BackfillAsked, row["backfill"]),
        "progress": _read(BackfillProgress, row["progress"]),
    }
    return CommandRecord(**values)


def _reason(stored: Any) -> Reason | None:
    return _read(Reason, stored)


def _read(model: type[E], stored: Any) -> E | None:
    """Of a json column: as a value, or as the text of one."""
    value = json.loads(stored) if isinstance(stored, str) else stored
    return model.model_validate(value) if value is not None else None


def _json(event: Event | None) -> str | None:
    return event.model_dump_json() if event is not None else None
