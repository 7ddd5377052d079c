"""The mapping table, its changes, and the orders that wait for one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import TextClause, text

from orderbridge.events import SkuMapping
from orderbridge.step import Unit

from ..domain.mappings import MappingFilter, StoredMapping, Wanted

_COLUMNS = "cast(mapping as text) as mapping, actor"
_PUT = text("""
    insert into sku_mappings (connection_id, amazon_sku, rev, mapping, deleted, search, actor, at)
    select connection_id, amazon_sku, rev, cast(mapping as jsonb), deleted, search, :actor, :at
    from unnest(cast(:connections as text[]), cast(:skus as text[]), cast(:revs as integer[]),
                cast(:mappings as text[]), cast(:deleted as boolean[]), cast(:searches as text[]))
        as new (connection_id, amazon_sku, rev, mapping, deleted, search)
    on conflict (connection_id, amazon_sku) do update set
        rev = excluded.rev, mapping = excluded.mapping, deleted = excluded.deleted, search = excluded.search,
        actor = excluded.actor, at = excluded.at
""")
_KEEP_CHANGES = text("""
    insert into sku_mapping_changes (connection_id, amazon_sku, rev, mapping, actor, at)
    select connection_id, amazon_sku, rev, cast(mapping as jsonb), :actor, :at
    from unnest(cast(:connections as text[]), cast(:skus as text[]), cast(:revs as integer[]),
                cast(:mappings as text[]))
        as new (connection_id, amazon_sku, rev, mapping)
""")
_STORED = text(f"""
    select amazon_sku, {_COLUMNS} from sku_mappings
    where connection_id = :connection and amazon_sku = any(cast(:skus as text[]))
""")  # noqa: S608 - our own column names
# Of a few SKUs the index knows the orders; for many it is cheaper to go through all that are held.
_FEW = 100
_AT_ONCE = 2000
_HELD_BY_FEW = "orders.held ?| cast(:skus as text[])"
_HELD = "status = 'unmatched' and orders.held is not null"
_HOLDING = """
    select distinct held.sku from orders, jsonb_array_elements_text(orders.held) as held (sku)
    join unnest(cast(:skus as text[])) as asked (sku) on asked.sku = held.sku
    where connection_id = :connection and {candidates}
"""
# An order is free when each SKU that holds it is mapped, by a mapping that is in force for its day.
_COUNT_FREED = """
    with new as materialized (
        select sku, valid_from, valid_until
        from unnest(cast(:skus as text[]), cast(:froms as timestamptz[]), cast(:untils as timestamptz[]))
            as given (sku, valid_from, valid_until)
    ), freed as (
        select order_id from orders cross join jsonb_array_elements_text(orders.held) as held (sku)
        left join new on new.sku = held.sku
        where connection_id = :connection and {candidates}
        group by order_id
        having bool_and(new.sku is not null
                        and coalesce(new.valid_from <= purchased_at, true)
                        and coalesce(purchased_at < new.valid_until, true))
    )
    select count(*) from freed
"""


class MappingRows(Unit):
    async def stored_mappings(self, connection_id: str, amazon_skus: Collection[str]) -> dict[str, StoredMapping]:
        wanted = list(amazon_skus)
        stored: dict[str, StoredMapping] = {}
        # A part at a time, as reading 50 000 at once would keep the rest of the service waiting.
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            found = await self.connection.execute(_STORED, {"connection": connection_id, "skus": part})
            stored |= {row.amazon_sku: _stored(row) for row in found}
        return stored

    async def put_mappings(self, stored: Sequence[StoredMapping]) -> None:
        if not stored:
            return
        mappings = [each.mapping for each in stored]
        values: dict[str, Any] = {
            "connections": [mapping.connection_id for mapping in mappings],
            "skus": [mapping.amazon_sku for mapping in mappings],
            "revs": [mapping.rev for mapping in mappings],
            "mappings": [mapping.model_dump_json() for mapping in mappings],
            "actor": stored[0].actor,
            "at": self.now,
        }
        await self.connection.execute(_KEEP_CHANGES, values)
        rows = {
            "deleted": [each.deleted for each in stored],
            "searches": [_search_text(mapping) for mapping in mappings],
        }
        await self.connection.execute(_PUT, values | rows)

    async def list_mappings(
        self, asked: MappingFilter, after: tuple[str, str], limit: int, *, deleted: bool = False
    ) -> list[StoredMapping]:
        conditions = ["(connection_id, amazon_sku) > (:after_connection, :after_sku)"]
        values: dict[str, Any] = {"after_connection": after[0], "after_sku": after[1], "limit": limit}
        if not deleted:
            conditions.append("not deleted")
        if asked.connection:
            conditions.append("connection_id = any(cast(:connection as text[]))")
            values["connection"] = list(asked.connection)
        if asked.q is not None:
            conditions.append("strpos(search, :q) > 0")
            values["q"] = asked.q.lower()
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from sku_mappings where {" and ".join(conditions)}
                order by connection_id, amazon_sku limit :limit
            """),  # noqa: S608 - our own column names; values are bound
            values,
        )
        return [_stored(row) for row in found]

    async def skus_holding_orders(self, connection_id: str, amazon_skus: Collection[str]) -> set[str]:
        values = {"connection": connection_id, "skus": list(amazon_skus)}
        found = await self.connection.execute(_among(_HOLDING, len(amazon_skus)), values)
        return set(found.scalars())

    async def count_freed(self, connection_id: str, mapped: Sequence[Wanted]) -> int:
        values = {
            "connection": connection_id,
            "skus": [each.amazon_sku for each in mapped],
            "froms": [each.valid_from for each in mapped],
            "untils": [each.valid_until for each in mapped],
        }
        return int(await self.connection.scalar(_among(_COUNT_FREED, len(mapped)), values) or 0)


def _among(statement: str, skus: int) -> TextClause:
    return text(statement.format(candidates=_HELD_BY_FEW if skus <= _FEW else _HELD))


def _stored(row: Any) -> StoredMapping:
    return StoredMapping(SkuMapping.model_validate_json(row.mapping), row.actor)


def _search_text(mapping: SkuMapping) -> str:
    return "\n".join([mapping.amazon_sku, *(target.shopify_sku for target in mapping.targets)]).lower()
