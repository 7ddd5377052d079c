"""Giving up on a message or a piece of work, in plain sight: parked, replayable, superseded by a newer one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import text

from ..errors import OrderBridgeError
from ..events import CommandEnded, MessageParked, Reason
from ..ids import connection_of
from ..postgres import sqlstate
from ..status import MESSAGES
from ..topics import PARKED
from .unit import DueRow, Unit


@dataclass(frozen=True)
class Parcel:
    """What is parked: where it came from, whose order it concerns, and its body, which goes to the vault."""

    origin: str
    body: bytes | None
    reason: str
    order_id: str | None = None
    connection_id: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message_source: str | None = None
    message_seq: int | None = None


def described(error: BaseException) -> str:
    """An error in words without a value of the message: such a value could be personal data."""
    if isinstance(error, OrderBridgeError):
        return str(error)
    if isinstance(error, ValidationError):
        mistakes = (f"{'.'.join(map(str, m['loc'])) or 'it'}: {m['type']}" for m in error.errors(include_input=False))
        return f"not of the form promised: {'; '.join(mistakes)}"
    state = sqlstate(error)
    return f"{type(error).__name__}{f' (the database refuses it, {state})' if state else ''}"


async def park(unit: Unit, parcel: Parcel) -> str:
    """Park it and say so; returns the parked id. An older parcel of the same source and order is superseded."""
    if parcel.order_id and parcel.message_source:
        await supersede(unit, {parcel.order_id: parcel.message_seq}, parcel.message_source)
    parked_id = uuid.uuid4().hex
    await unit.connection.execute(
        text("""
            insert into parked (parked_id, order_id, connection_id, origin, partition, "offset", key, headers,
                                message_source, message_seq, reason, at)
            values (:parked_id, :order_id, :connection_id, :origin, :partition, :offset, :key,
                    cast(:headers as jsonb), :message_source, :message_seq, :reason, :at)
        """),
        {
            "parked_id": parked_id,
            "order_id": parcel.order_id,
            "connection_id": parcel.connection_id,
            "origin": parcel.origin,
            "partition": parcel.partition,
            "offset": parcel.offset,
            "key": parcel.key,
            "headers": json.dumps(dict(parcel.headers)),
            "message_source": parcel.message_source,
            "message_seq": parcel.message_seq,
            "reason": parcel.reason,
            "at": unit.now,
        },
    )
    if parcel.body is not None:
        await unit.vault.put(unit.connection, "parked", parked_id, parcel.body)
    _announce(unit, parked_id, "parked", vars(parcel))
    if parcel.order_id:
        await unit.order_parked(parcel.order_id)
    return parked_id


def _announce(
    unit: Unit,
    parked_id: str,
    state: Literal["parked", "replayed", "superseded"],
    row: Mapping[str, Any],
    at: datetime | None = None,
) -> None:
    event = MessageParked(
        parked_id=parked_id,
        service=unit.service,
        state=state,
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        origin=row["origin"],
        partition=row["partition"],
        offset=row["offset"],
        message_source=row["message_source"],
        message_seq=row["message_seq"],
        reason=row["reason"],
        at=at or unit.now,
    )
    unit.publish(PARKED, event.order_id or parked_id, f"{parked_id}/{state}", event)


async def republish_parked(unit: Unit) -> int:
    """Say again, as the same event, of everything that is parked and open; returns how many."""
    found = await unit.connection.execute(text("select * from parked where state = 'parked' order by at, parked_id"))
    rows = found.mappings().all()
    for row in rows:
        _announce(unit, row["parked_id"], "parked", dict(row), row["at"])
    return len(rows)


async def supersede(unit: Unit, newer: Mapping[str, int | None], source: str) -> None:
    """Close what is parked of these orders and this source, up to the given ``seq`` (None: whatever it is)."""
    found = await unit.connection.execute(
        text("""
            update parked set state = 'superseded', ended_at = :now
            from unnest(cast(:ids as text[]), cast(:seqs as bigint[])) as newer (order_id, seq)
            where parked.state = 'parked' and parked.order_id = newer.order_id and message_source = :source
              and (newer.seq is null or message_seq is null or message_seq < newer.seq)
            returning parked.*
        """),
        {"ids": list(newer), "seqs": list(newer.values()), "source": source, "now": unit.now},
    )
    for row in found.mappings().all():
        await unit.vault.delete(unit.connection, "parked", row["parked_id"])
        _announce(unit, row["parked_id"], "superseded", dict(row))


async def open_parcels(unit: Unit, order_ids: Iterable[str]) -> set[str]:
    """Which of these orders have something parked here."""
    found = await unit.connection.execute(
        text("select order_id from parked where state = 'parked' and order_id = any(cast(:ids as text[]))"),
        {"ids": list(order_ids)},
    )
    return set(found.scalars())


async def take_out(unit: Unit, parked_id: str) -> tuple[Mapping[str, Any], bytes] | None:
    """Lock a parked row and read its body; None when there is no such row open."""
    found = await unit.connection.execute(
        text("select * from parked where parked_id = :id and state = 'parked' for update"), {"id": parked_id}
    )
    row = found.mappings().first()
    if row is None:
        return None
    return dict(row), await unit.vault.get(unit.connection, "parked", parked_id) or b""


async def mark_replayed(unit: Unit, row: Mapping[str, Any]) -> None:
    parked_id = row["parked_id"]
    await unit.connection.execute(
        text("update parked set state = 'replayed', ended_at = :now where parked_id = :id"),
        {"id": parked_id, "now": unit.now},
    )
    await unit.vault.delete(unit.connection, "parked", parked_id)
    _announce(unit, parked_id, "replayed", row)


async def park_work(unit: Unit, row: DueRow, error: BaseException) -> None:
    """Park a piece of due work that fails by a bug, or by something that will not change; its command ends."""
    order_id = row.key if ":" in row.key else None
    await park(
        unit,
        Parcel(
            origin=f"due:{row.kind}",
            body=json.dumps(dict(row.payload)).encode(),
            reason=described(error),
            order_id=order_id,
            connection_id=row.connection_id,
            key=row.key,
            message_source=row.cause_source,
            message_seq=row.cause_seq,
        ),
    )
    await unit.finish(row)
    await unit.work_parked(row)
    if row.command_id:
        end_rejected(unit, row.command_id, row.key, "message_parked")


def end_rejected(unit: Unit, command_id: str, key: str, code: str, message: str | None = None) -> None:
    """End a command that can lead to nothing."""
    unit.end_command(
        CommandEnded(
            command_id=command_id,
            order_id=key if ":" in key else None,
            connection_id=connection_of(key),
            service=unit.service,
            state="rejected",
            reason=Reason(code=code, message=message or MESSAGES.get(code, code)),
            at=unit.now,
        )
    )


def seq_of(ce_id: str) -> int | None:
    """The number at the end of a snapshot's ``ce_id``, if there is one."""
    tail = ce_id.rpartition("/")[2]
    # At most what a bigint holds.
    return int(tail) if tail.isascii() and tail.isdigit() and len(tail) <= 18 else None
