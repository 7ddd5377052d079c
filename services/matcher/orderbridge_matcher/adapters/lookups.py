"""What Shopify was asked for, what it is to be asked for, and what operators say that Amazon's SKUs are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import text

from orderbridge.events import SkuMapping
from orderbridge.step import Unit

from ..ports import LOOK_UP, ByConnection

MISSES_KEPT = timedelta(minutes=5)
"""How long Shopify's not having a SKU is remembered."""

_MISSED = text("""
    select misses.connection_id, misses.sku
    from unnest(cast(:names as text[]), cast(:skus as text[])) as wanted (connection_id, sku)
    join misses using (connection_id, sku) where misses.at > :since
""")

_FORGET = text("delete from misses where connection_id = :id and at <= :since")

_REMEMBER = text("""
    insert into misses (connection_id, sku, at) select :id, sku, :at from unnest(cast(:skus as text[])) as new (sku)
    order by sku on conflict (connection_id, sku) do update set at = excluded.at
""")

_WANTED = text("""
    select wanted.sku from wanted join due on due.kind = :kind and due.key = wanted.order_id
    where wanted.connection_id = :id and not exists (
        select from misses where misses.connection_id = :id and misses.sku = wanted.sku and misses.at > :since
    )
    group by wanted.sku order by min(due.ship_by) nulls last, wanted.sku limit :limit
""")

_KEEP_MAPPING = text("""
    insert into mappings (connection_id, amazon_sku, rev, mapping) values (:connection_id, :amazon_sku, :rev, :mapping)
    on conflict (connection_id, amazon_sku) do update set rev = excluded.rev, mapping = excluded.mapping
    where mappings.rev < excluded.rev returning true
""")

_MAPPINGS = text("""
    select connection_id, amazon_sku, mapping
    from unnest(cast(:names as text[]), cast(:skus as text[])) as wanted (connection_id, amazon_sku)
    join mappings using (connection_id, amazon_sku)
""")


class LookUpUnit(Unit):
    """What a transaction of the matcher does with misses, wanted SKUs and mappings."""

    async def missed(self, skus: ByConnection) -> ByConnection:
        missed: dict[str, set[str]] = defaultdict(set)
        wanted = pairs(skus)
        if wanted["names"]:
            found = await self.connection.execute(
                _MISSED, {"names": wanted["names"], "skus": wanted["values"], "since": self.now - MISSES_KEPT}
            )
            for name, sku in found:
                missed[name].add(sku)
        return missed

    async def remember_misses(self, connection_id: str, skus: Collection[str]) -> None:
        if not skus:
            return
        await self.connection.execute(_FORGET, {"id": connection_id, "since": self.now - MISSES_KEPT})
        await self.connection.execute(_REMEMBER, {"id": connection_id, "skus": list(skus), "at": self.now})

    async def wanted_by_others(self, connection_id: str, limit: int) -> list[str]:
        found = await self.connection.execute(
            _WANTED, {"id": connection_id, "kind": LOOK_UP, "since": self.now - MISSES_KEPT, "limit": limit}
        )
        return list(found.scalars())

    # --- mappings

    async def keep_mappings(self, mappings: Sequence[SkuMapping]) -> list[SkuMapping]:
        kept = []
        for mapping in sorted(mappings, key=lambda one: (one.connection_id, one.amazon_sku, one.rev)):
            newer = await self.connection.scalar(
                _KEEP_MAPPING,
                {
                    "connection_id": mapping.connection_id,
                    "amazon_sku": mapping.amazon_sku,
                    "rev": mapping.rev,
                    "mapping": mapping.model_dump_json(),
                },
            )
            if newer:
                kept.append(mapping)
        return kept

    async def mappings(self, amazon_skus: ByConnection) -> Mapping[str, Mapping[str, SkuMapping]]:
        mappings: dict[str, dict[str, SkuMapping]] = defaultdict(dict)
        wanted = pairs(amazon_skus)
        if wanted["names"]:
            found = await self.connection.execute(_MAPPINGS, {"names": wanted["names"], "skus": wanted["values"]})
            for name, sku, stored in found:
                mappings[name][sku] = SkuMapping.model_validate_json(stored)
        return mappings


def pairs(values: ByConnection) -> dict[str, list[str]]:
    """As two arrays of the same length: the connections, and what is said of each."""
    return {
        "names": [name for name, those in values.items() for _ in those],
        "values": [value for those in values.values() for value in those],
    }
