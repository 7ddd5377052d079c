"""Bulk retries, each with the orders that it concerns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text

from orderbridge.step import Unit

from ..domain.commands import Asked
from ..domain.paging import OrderFilter
from ..domain.retries import RetryEndings, RetryRecord
from .lists import conditions_of

_FILTER = TypeAdapter(OrderFilter)
_COLUMNS = "retry_id, filter, mode, reason, actor, created_at, total, accepted, refused, asked_at"
_ADD = text("""
    insert into retries (retry_id, filter, mode, reason, actor, created_at, total, asked_at)
    values (:id, cast(:filter as jsonb), :mode, :reason, :actor, :created_at, :total,
            case when :total = 0 then cast(:created_at as timestamptz) end)
""")
_ENDINGS = text("""
    select count(*) filter (where commands.state = 'done') as done,
           count(*) filter (where commands.state = 'rejected') as rejected,
           max(commands.ended_at) as at
    from retry_orders join commands using (command_id) where retry_id = :id
""")
_NOTE_ORDERS = text("""
    update retry_orders set command_id = new.command_id, refused = new.refused
    from unnest(cast(:orders as text[]), cast(:commands as text[]), cast(:codes as text[]))
        as new (order_id, command_id, refused)
    where retry_id = :id and retry_orders.order_id = new.order_id
""")
_NOTE_COUNTS = text("""
    update retries set accepted = :accepted, refused = cast(:refused as jsonb), asked_at = :asked_at
    where retry_id = :id
""")


class RetryRows(Unit):
    async def add_retry(self, retry: RetryRecord) -> int:
        conditions, values = conditions_of(retry.filter)
        # Conditions come from a closed list of our own; values are bound.
        statement = f"""
            insert into retry_orders (retry_id, place, order_id)
            select :retry_id, row_number() over (order by ship_by nulls last, order_id), order_id from orders
            where {" and ".join(["resource is not null", *conditions])}
        """  # noqa: S608
        taken = await self.connection.execute(text(statement), {**values, "retry_id": retry.retry_id})
        total: int = taken.rowcount
        await self.connection.execute(
            _ADD,
            {
                "id": retry.retry_id,
                "filter": _FILTER.dump_json(retry.filter).decode(),
                "mode": retry.asked.mode,
                "reason": retry.asked.reason,
                "actor": retry.actor,
                "created_at": retry.created_at,
                "total": total,
            },
        )
        return total

    async def hold_retry(self, retry_id: str) -> RetryRecord | None:
        return await self._retry(retry_id, "for update")

    async def retry(self, retry_id: str) -> tuple[RetryRecord, RetryEndings] | None:
        found = await self._retry(retry_id, "")
        if found is None:
            return None
        endings = (await self.connection.execute(_ENDINGS, {"id": retry_id})).one()
        return found, RetryEndings(endings.done, endings.rejected, endings.at)

    async def unasked(self, retry_id: str, limit: int) -> list[str]:
        found = await self.connection.execute(
            text("""
                select order_id from retry_orders
                where retry_id = :id and command_id is null and refused is null order by place limit :limit
            """),
            {"id": retry_id, "limit": limit},
        )
        return list(found.scalars())

    async def note_asked(self, retry: RetryRecord, asked: Mapping[str, str], refused: Mapping[str, str]) -> None:
        orders = [*asked, *refused]
        await self.connection.execute(
            _NOTE_ORDERS,
            {
                "id": retry.retry_id,
                "orders": orders,
                "commands": [asked.get(order_id) for order_id in orders],
                "codes": [refused.get(order_id) for order_id in orders],
            },
        )
        await self.connection.execute(
            _NOTE_COUNTS,
            {
                "id": retry.retry_id,
                "accepted": retry.accepted,
                "refused": json.dumps(retry.refused),
                "asked_at": retry.asked_at,
            },
        )

    async def _retry(self, retry_id: str, lock: str) -> RetryRecord | None:
        found = await self.connection.execute(
            text(f"select {_COLUMNS} from retries where retry_id = :id {lock}"),  # noqa: S608 - our own column names
            {"id": retry_id},
        )
        row = found.first()
        return _record(row) if row else None


def _record(row: Any) -> RetryRecord:
    return RetryRecord(
        retry_id=row.retry_id,
        filter=_FILTER.validate_python(row.filter),
        asked=Asked(row.mode, row.reason),
        actor=row.actor,
        created_at=row.created_at,
        total=row.total,
        accepted=row.accepted,
        refused=row.refused,
        asked_at=row.asked_at,
    )
