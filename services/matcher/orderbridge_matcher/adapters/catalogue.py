"""The tables of the shops' catalogues."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, text

from ..domain.catalogue import GONE, Change, Entry, changes
from ..domain.exporting import Run
from ..domain.order import Line
from ..domain.reading import Progress
from ..domain.rules import sku_of
from ..domain.titles import possible_keys
from ..ports import ByConnection
from .lookups import LookUpUnit, pairs

NEAR_EACH = 20
"""Variants that one beginning of a title or SKU may suggest."""
_LAST = "\U0010ffff"
"""Behind every text that begins like the one before it."""

_OPTIONS = TypeAdapter(tuple[tuple[str, str], ...])
_PROGRESS = "connection_id, shop, match_drafts, complete, after, since, seen, newest, moved_at"
_ENTRY = "variant_id, product_id, sku, title, product_title, status, updated_at, options, limited"

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

_KNOWN = text(f"""
    select {_ENTRY} from variants
    where connection_id = :id and variant_id = any(cast(:variant_ids as text[])) order by variant_id for update
""")  # noqa: S608 - our own columns

_KEEP = text(f"""
    insert into variants (connection_id, {_ENTRY}, product_key, generation)
    select :id, {_ENTRY}, product_key,
           coalesce((select generation from catalogues where connection_id = :id), 0)
    from unnest(cast(:variant_ids as text[]), cast(:product_ids as text[]), cast(:skus as text[]),
                cast(:titles as text[]), cast(:product_titles as text[]), cast(:statuses as text[]),
                cast(:times as timestamptz[]), cast(:options as text[]), cast(:limited as boolean[]),
                cast(:product_keys as text[]))
        as new ({_ENTRY}, product_key)
    on conflict (connection_id, variant_id) do update set
        product_id = excluded.product_id, sku = excluded.sku, title = excluded.title,
        product_title = excluded.product_title, status = excluded.status, updated_at = excluded.updated_at,
        options = excluded.options, limited = excluded.limited, product_key = excluded.product_key,
        generation = excluded.generation
""")  # noqa: S608 - our own columns

_CONFIRM = text("""
    update variants set generation = catalogues.generation from catalogues
    where catalogues.connection_id = :id and variants.connection_id = :id
      and variant_id = any(cast(:variant_ids as text[])) and variants.generation < catalogues.generation
""")

_OF_PRODUCT = text("""
    select variant_id from variants where connection_id = :id and product_id = :product_id and status <> :gone
""")

_UNCONFIRMED = text("""
    select variant_id from variants join catalogues using (connection_id)
    where connection_id = :id and variants.generation < catalogues.generation and status <> :gone
    order by variant_id limit :limit
""")

_SET_RUN = text("""
    insert into exports (connection_id, shop, state, operation, created_at, lines, finished_at)
    values (:id, :shop, :state, :operation, :created_at, :lines, :finished_at)
    on conflict (connection_id) do update set
        shop = excluded.shop, state = excluded.state, operation = excluded.operation, created_at = excluded.created_at,
        lines = excluded.lines, finished_at = excluded.finished_at
""")

_VARIANTS = text(f"""
    with wanted_skus as (
        select * from unnest(cast(:sku_names as text[]), cast(:skus as text[])) as wanted (connection_id, sku)
    ),
    wanted_ids as (
        select * from unnest(cast(:id_names as text[]), cast(:variant_ids as text[]))
            as wanted (connection_id, variant_id)
    )
    select connection_id, {_ENTRY} from wanted_skus join variants using (connection_id, sku)
    union
    select connection_id, {_ENTRY} from wanted_ids join variants using (connection_id, variant_id)
""")  # noqa: S608 - our own columns

_TITLED = text(f"""
    select connection_id, {_ENTRY}
    from unnest(cast(:names as text[]), cast(:keys as text[])) as wanted (connection_id, product_key)
    join variants using (connection_id, product_key) where status <> :gone
""")  # noqa: S608 - our own columns

# Each beginning is a range of an index, so that a catalogue's size does not matter.
_NEAR = text(f"""
    select wanted.item, found.* from unnest(cast(:items as text[]), cast(:fields as text[]), cast(:firsts as text[]),
                                            cast(:lasts as text[])) as wanted (item, field, first, last)
    cross join lateral (
        (select {_ENTRY} from variants where connection_id = :id and wanted.field = 'title'
            and product_key >= wanted.first collate "C" and product_key < wanted.last collate "C"
            and status <> :gone order by product_key limit :each)
        union all
        (select {_ENTRY} from variants where connection_id = :id and wanted.field = 'sku'
            and sku >= wanted.first and sku < wanted.last and status <> :gone order by sku limit :each)
    ) as found
""")  # noqa: S608 - our own columns


class CatalogueUnit(LookUpUnit):
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
        for table in ("variants", "misses", "exports"):
            await self.connection.execute(
                text(f"delete from {table} where connection_id = :id"),  # noqa: S608 - our own tables
                {"id": connection_id},
            )

    async def forget_catalogue(self, connection_id: str) -> None:
        await self.empty_catalogue(connection_id)
        await self.connection.execute(text("delete from catalogues where connection_id = :id"), {"id": connection_id})

    async def keep_variants(
        self, connection_id: str, read: Iterable[Entry], gone: Collection[str] = (), *, certain: bool = False
    ) -> Change:
        read = list(read)
        variant_ids = [*{entry.variant_id for entry in read}, *gone]
        if not variant_ids:
            return Change()
        found = await self.connection.execute(_KNOWN, {"id": connection_id, "variant_ids": variant_ids})
        known = {row["variant_id"]: _entry(row) for row in found.mappings()}
        change = changes(known, read, gone, certain=certain)
        await self._write_variants(connection_id, change.write)
        written = {entry.variant_id for entry in change.write}
        if confirmed := [variant_id for variant_id in variant_ids if variant_id not in written]:
            await self.connection.execute(_CONFIRM, {"id": connection_id, "variant_ids": confirmed})
        return change

    async def _write_variants(self, connection_id: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        ordered = sorted(entries, key=lambda entry: entry.variant_id)
        await self.connection.execute(
            _KEEP,
            {
                "id": connection_id,
                "variant_ids": [entry.variant_id for entry in ordered],
                "product_ids": [entry.product_id for entry in ordered],
                "skus": [entry.sku for entry in ordered],
                "titles": [entry.title for entry in ordered],
                "product_titles": [entry.product_title for entry in ordered],
                "statuses": [entry.status for entry in ordered],
                "times": [entry.updated_at for entry in ordered],
                "options": [_OPTIONS.dump_json(entry.options).decode() for entry in ordered],
                "limited": [entry.limited for entry in ordered],
                "product_keys": [entry.product_key for entry in ordered],
            },
        )

    async def variants_of_product(self, connection_id: str, product_id: str) -> set[str]:
        found = await self.connection.execute(
            _OF_PRODUCT, {"id": connection_id, "product_id": product_id, "gone": GONE}
        )
        return set(found.scalars())

    # --- exports

    async def run_of(self, connection_id: str) -> Run | None:
        found = await self.connection.execute(
            text("""
                select shop, state, operation, created_at, lines, finished_at from exports
                where connection_id = :id for update
            """),
            {"id": connection_id},
        )
        row = found.mappings().first()
        return Run(**row) if row else None

    async def set_run(self, connection_id: str, run: Run) -> None:
        values = {name: getattr(run, name) for name in Run.__slots__}
        await self.connection.execute(_SET_RUN, {"id": connection_id, **values})

    async def next_generation(self, connection_id: str) -> None:
        await self.connection.execute(
            text("update catalogues set generation = generation + 1 where connection_id = :id"), {"id": connection_id}
        )

    async def unconfirmed(self, connection_id: str, limit: int) -> list[str]:
        found = await self.connection.execute(_UNCONFIRMED, {"id": connection_id, "gone": GONE, "limit": limit})
        return list(found.scalars())

    # --- what orders are decided by

    async def variants(self, skus: ByConnection, variant_ids: ByConnection) -> Mapping[str, Sequence[Entry]]:
        by_sku, by_id = pairs(skus), pairs(variant_ids)
        if not by_sku["names"] and not by_id["names"]:
            return {}
        found = await self.connection.execute(
            _VARIANTS,
            {
                "sku_names": by_sku["names"],
                "skus": by_sku["values"],
                "id_names": by_id["names"],
                "variant_ids": by_id["values"],
            },
        )
        return _by_connection(found.mappings())

    async def titled(self, product_keys: ByConnection) -> Mapping[str, Sequence[Entry]]:
        wanted = pairs(product_keys)
        if not wanted["names"]:
            return {}
        found = await self.connection.execute(
            _TITLED, {"names": wanted["names"], "keys": wanted["values"], "gone": GONE}
        )
        return _by_connection(found.mappings())

    async def near(self, connection_id: str, lines: Sequence[Line]) -> Mapping[str, Sequence[Entry]]:
        wanted = [(line.order_item_id, *beginning) for line in lines for beginning in _beginnings(line)]
        if not wanted:
            return {}
        found = await self.connection.execute(
            _NEAR,
            {
                "id": connection_id,
                "items": [item for item, _, _ in wanted],
                "fields": [field for _, field, _ in wanted],
                "firsts": [first for _, _, first in wanted],
                "lasts": [first + _LAST for _, _, first in wanted],
                "gone": GONE,
                "each": NEAR_EACH,
            },
        )
        near: dict[str, list[Entry]] = defaultdict(list)
        for row in found.mappings():
            near[row["item"]].append(_entry(row))
        return near


def _progress(row: RowMapping) -> Progress:
    return Progress(**{name: row[name] for name in Progress.__slots__})


def _entry(row: Mapping[Any, Any]) -> Entry:
    values = {name: row[name] for name in Entry.__slots__}
    options = tuple((str(name), str(value)) for name, value in json.loads(values["options"]))
    return Entry(**{**values, "options": options})


def _by_connection(found: Iterable[RowMapping]) -> dict[str, list[Entry]]:
    entries: dict[str, list[Entry]] = defaultdict(list)
    for row in found:
        entries[row["connection_id"]].append(_entry(row))
    return entries


def _beginnings(line: Line) -> list[tuple[str, str]]:
    """Where to look for what is like the line: in which field, and how it has to begin."""
    prefixes = [key for key in possible_keys(line.title or "") if key][:3]
    found = [("title", prefix) for prefix in prefixes]
    sku = sku_of(line)
    if len(sku) >= 4:
        found.append(("sku", sku[: max(3, len(sku) * 2 // 3)]))
    return found
