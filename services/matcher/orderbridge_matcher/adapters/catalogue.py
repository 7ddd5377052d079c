"""The tables of the shops' catalogues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import RowMapping, text

from orderbridge.step import Unit

from ..domain.catalogue import Entry, changes
from ..domain.matching import Variant
from ..domain.reading import Progress
from ..ports import LOOK_UP

MISSES_KEPT = timedelta(minutes=5)
"""How long Shopify's not having a SKU is remembered."""

_PROGRESS = "connection_id, shop, match_drafts, complete, after, since, seen, newest, moved_at"

_LOCK = text(f"select {_PROGRESS} from catalogues where connection_id = :id for update")  # noqa: S608 - our own columns

_SHARE = text(f"""
    select {_PROGRESS} from catalogues where connection_id = any(cast(:ids as text[])) order by connection_id for share
""")  # noqa: S608 - our own columns

_SET_PROGRESS = text("""
    insert into catalogues (connection_id, shop, match_drafts, complete, after, since, seen, newest, moved_at)
    values (:connection_id, :shop, :match_drafts, :complete, :after, :since, :seen, :newest, :moved_at)
    on conflict (connection_id) do update set
        shop = excluded.shop, match_drafts = excluded.match_drafts, complete = excluded.complete,
        after = excluded.after, since = excluded.since, seen = excluded.seen, newest = excluded.newest,
        moved_at = excluded.moved_at
""")

_KNOWN = text("""
    select variant_id, product_id, sku, title, product_title, status, updated_at from variants
    where connection_id = :id and variant_id = any(cast(:variant_ids as text[])) order by variant_id for update
""")

_KEEP = text("""
    insert into variants (connection_id, variant_id, product_id, sku, title, product_title, status, updated_at)
    select :id, variant_id, product_id, sku, title, product_title, status, updated_at
    from unnest(cast(:variant_ids as text[]), cast(:product_ids as text[]), cast(:skus as text[]),
                cast(:titles as text[]), cast(:product_titles as text[]), cast(:statuses as text[]),
                cast(:times as timestamptz[]))
        as new (variant_id, product_id, sku, title, product_title, status, updated_at)
    on conflict (connection_id, variant_id) do update set
        product_id = excluded.product_id, sku = excluded.sku, title = excluded.title,
        product_title = excluded.product_title, status = excluded.status, updated_at = excluded.updated_at
""")

_DROP = text("delete from variants where connection_id = :id and variant_id = any(cast(:variant_ids as text[]))")

_VARIANTS = text("""
    select variants.connection_id, variants.variant_id, variants.sku, variants.title, variants.product_title,
           variants.status
    from unnest(cast(:names as text[]), cast(:skus as text[])) as wanted (connection_id, sku)
    join variants using (connection_id, sku)
""")

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
    select waits.sku from waits join due on due.kind = :kind and due.key = waits.order_id
    where waits.connection_id = :id and not exists (
        select from misses where misses.connection_id = :id and misses.sku = waits.sku and misses.at > :since
    )
    group by waits.sku order by min(due.ship_by) nulls last, waits.sku limit :limit
""")


class CatalogueUnit(Unit):
    """What a transaction of the matcher does with catalogues."""

    async def lock_catalogue(self, connection_id: str) -> Progress | None:
        row = (await self.connection.execute(_LOCK, {"id": connection_id})).mappings().first()
        return _progress(row) if row else None

    async def share_catalogues(self, connection_ids: Collection[str]) -> Mapping[str, Progress]:
        found = await self.connection.execute(_SHARE, {"ids": list(connection_ids)})
        return {row["connection_id"]: _progress(row) for row in found.mappings()}

    async def set_progress(self, connection_id: str, progress: Progress) -> None:
        values = {name: getattr(progress, name) for name in Progress.__slots__}
        await self.connection.execute(_SET_PROGRESS, {"connection_id": connection_id, **values})

    async def empty_catalogue(self, connection_id: str) -> None:
        for table in ("variants", "misses"):
            await self.connection.execute(
                text(f"delete from {table} where connection_id = :id"),  # noqa: S608 - our own tables
                {"id": connection_id},
            )

    async def keep_variants(self, connection_id: str, read: Iterable[Entry], gone: Collection[str] = ()) -> set[str]:
        read = list(read)
        variant_ids = [*{entry.variant_id for entry in read}, *gone]
        if not variant_ids:
            return set()
        found = await self.connection.execute(_KNOWN, {"id": connection_id, "variant_ids": variant_ids})
        change = changes({row["variant_id"]: Entry(**row) for row in found.mappings()}, read, gone)
        if change.write:
            await self.connection.execute(
                _KEEP,
                {
                    "id": connection_id,
                    "variant_ids": [entry.variant_id for entry in change.write],
                    "product_ids": [entry.product_id for entry in change.write],
                    "skus": [entry.sku for entry in change.write],
                    "titles": [entry.title for entry in change.write],
                    "product_titles": [entry.product_title for entry in change.write],
                    "statuses": [entry.status for entry in change.write],
                    "times": [entry.updated_at for entry in change.write],
                },
            )
        if gone:
            await self.connection.execute(_DROP, {"id": connection_id, "variant_ids": list(gone)})
        return set(change.skus)

    async def variants_of(self, skus: Mapping[str, Collection[str]]) -> Mapping[str, Mapping[str, Sequence[Variant]]]:
        variants: dict[str, dict[str, list[Variant]]] = {name: {} for name in skus}
        if pairs := _pairs(skus):
            found = await self.connection.execute(_VARIANTS, pairs)
            for name, variant_id, sku, title, product_title, status in found.all():
                variant = Variant(variant_id, sku, _title(product_title, title), status)
                variants[name].setdefault(sku, []).append(variant)
        return variants

    async def missed(self, skus: Mapping[str, Collection[str]]) -> Mapping[str, Collection[str]]:
        missed: dict[str, set[str]] = defaultdict(set)
        if pairs := _pairs(skus):
            found = await self.connection.execute(_MISSED, {**pairs, "since": self.now - MISSES_KEPT})
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


def _progress(row: RowMapping) -> Progress:
    return Progress(**{name: row[name] for name in Progress.__slots__})


def _pairs(skus: Mapping[str, Collection[str]]) -> dict[str, list[str]] | None:
    names = [name for name, those in skus.items() for _ in those]
    return {"names": names, "skus": [sku for those in skus.values() for sku in those]} if names else None


def _title(product_title: str, title: str) -> str:
    """A product without options has one variant, which Shopify calls Default Title."""
    return product_title if title in ("", "Default Title") else f"{product_title} - {title}"
