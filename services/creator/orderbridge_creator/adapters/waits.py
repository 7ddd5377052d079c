"""The table of what refused orders wait for, and the due work that looks after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orderbridge.events import Service
from orderbridge.step import Unit
from orderbridge.vault import Vault

from ..domain.order import Order
from ..domain.waiting import Need, Queue, Wait, Waiting, stage
from ..ports import REREAD

_DROP = text("delete from waits where order_id = any(cast(:ids as text[])) returning order_id")

_WAKE = text("update waits set woken = true, flagged = 0 where order_id = any(cast(:ids as text[]))")

_INSERT = text("""
    insert into waits (order_id, variant_id, connection_id, inventory_item_id, product_id, shopify_sku, units, seen,
                       ship_by)
    select :order_id, variant_id, :connection_id, item, product, sku, units, seen, :ship_by
    from unnest(cast(:variants as text[]), cast(:items as text[]), cast(:products as text[]), cast(:skus as text[]),
                cast(:units as integer[]), cast(:seen as integer[]))
        as new (variant_id, item, product, sku, units, seen)
""")

# Asked for again, so that one that is just about to end because nothing waits does not end.
_KEEP_READING = text("""
    insert into due (kind, key, connection_id, run_at)
    values (:kind, :id, :id, now() + make_interval(secs => :every_s))
    on conflict (kind, key) do update set version = due.version + 1
""")

_FLAG = text("""
    with hit as (
        update waits set flagged = flagged + 1
        where connection_id = :id and not woken and (
            inventory_item_id = any(cast(:inventory_item as text[])) or variant_id = any(cast(:variant as text[]))
            or product_id = any(cast(:product as text[])) or inventory_item_id is null or product_id is null
        )
        returning ship_by
    )
    select count(*) as found, min(ship_by) as ship_by from hit
""")

_FLAG_ALL = text("""
    with hit as (update waits set flagged = flagged + 1 where connection_id = :id and not woken returning ship_by)
    select count(*) as found, min(ship_by) as ship_by from hit
""")

_FORGET = text("update waits set flagged = 0 where connection_id = :id and flagged > 0")

_LOOKED_AT = text("""
    update waits set flagged = greatest(flagged - seen.flags, 0)
    from unnest(cast(:ids as text[]), cast(:variants as text[]), cast(:flags as integer[]))
        as seen (order_id, variant_id, flags)
    where waits.order_id = seen.order_id and waits.variant_id = seen.variant_id
""")

# Flagged orders, and all that compete with them for one of their variants.
_QUEUE = text("""
    with wanted as (
        select distinct variant_id from waits
        where order_id in (select order_id from waits where connection_id = :id and flagged > 0)
    )
    select order_id, variant_id, shopify_sku, units, seen, ship_by, flagged, woken from waits
    where order_id in (
        select order_id from waits join wanted using (variant_id) where connection_id = :id
    )
    order by order_id, variant_id
""")

_COMING = text("""
    select true from due
    where kind = :kind and key = :key and taken_by is null and run_at <= now() + make_interval(secs => :within_s)
    for update
""")


class WaitsUnit(Unit):
    """The part of a creator's transaction that keeps what orders wait for."""

    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        super().__init__(connection, service, now, vault)
        self._loaded: dict[str, Order] = {}
        """Orders as they were when this transaction began."""

    async def await_stock(self, order: Order, waits: Collection[Wait], *, explained: bool, reread_s: float) -> None:
        dropped = await self.connection.execute(_DROP, {"ids": [order.order_id]})
        again = bool(dropped.scalars().all())
        if not waits:
            return
        await self.connection.execute(
            _INSERT,
            {
                "order_id": order.order_id,
                "connection_id": order.connection_id,
                "ship_by": order.imported.ship_by if order.imported else None,
                "variants": [wait.need.variant_id for wait in waits],
                "items": [wait.inventory_item_id for wait in waits],
                "products": [wait.product_id for wait in waits],
                "skus": [wait.need.shopify_sku for wait in waits],
                "units": [wait.need.units for wait in waits],
                "seen": [wait.available if explained or again else None for wait in waits],
            },
        )
        await self.connection.execute(
            _KEEP_READING, {"kind": REREAD, "id": order.connection_id, "every_s": float(reread_s)}
        )

    async def flag(self, connection_id: str, subjects: Mapping[str, Collection[str]]) -> tuple[int, datetime | None]:
        kinds = {kind: list(subjects.get(kind, ())) for kind in ("inventory_item", "variant", "product")}
        return await self._flagged(_FLAG, {"id": connection_id, **kinds})

    async def flag_all(self, connection_id: str) -> tuple[int, datetime | None]:
        return await self._flagged(_FLAG_ALL, {"id": connection_id})

    async def _flagged(self, statement: Any, values: Mapping[str, Any]) -> tuple[int, datetime | None]:
        row = (await self.connection.execute(statement, values)).mappings().one()
        return row["found"], row["ship_by"]

    async def forget_flags(self, connection_id: str) -> None:
        await self.connection.execute(_FORGET, {"id": connection_id})

    async def anything_waits(self, connection_id: str) -> bool:
        found = await self.connection.scalar(
            text("select exists (select from waits where connection_id = :id)"), {"id": connection_id}
        )
        return bool(found)

    async def queue(self, connection_id: str) -> Queue:
        rows = (await self.connection.execute(_QUEUE, {"id": connection_id})).mappings().all()
        promised = Counter[str]()
        by_order: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["woken"]:
                promised[row["variant_id"]] += row["units"]
            else:
                by_order[row["order_id"]].append(dict(row))
        flags = {(row["order_id"], row["variant_id"]): row["flagged"] for row in rows if row["flagged"]}
        return Queue(tuple(_waiting(order_id, kept) for order_id, kept in by_order.items()), promised, flags)

    async def looked_at(self, flags: Mapping[tuple[str, str], int]) -> None:
        if flags:
            await self.connection.execute(
                _LOOKED_AT,
                {
                    "ids": [order_id for order_id, _ in flags],
                    "variants": [variant_id for _, variant_id in flags],
                    "flags": list(flags.values()),
                },
            )

    async def coming(self, kind: str, key: str, within_s: float) -> bool:
        values = {"kind": kind, "key": key, "within_s": within_s}
        return bool(await self.connection.scalar(_COMING, values))

    async def follow(self, orders: Iterable[Order]) -> None:
        """Take the waits of orders along with what became of them in this transaction."""
        woken, over = [], []
        for order in orders:
            before = stage(self._loaded.get(order.order_id, order))
            after = stage(order)
            if before == "waiting" and after == "woken":
                woken.append(order.order_id)
            elif before != "none" and after == "none":
                over.append(order.order_id)
        if woken:
            await self.connection.execute(_WAKE, {"ids": woken})
        if over:
            await self.connection.execute(_DROP, {"ids": over})


def _waiting(order_id: str, kept: list[Mapping[str, Any]]) -> Waiting:
    return Waiting(
        order_id,
        kept[0]["ship_by"],
        tuple(Need(row["variant_id"], row["shopify_sku"], row["units"]) for row in kept),
        {row["variant_id"]: row["seen"] for row in kept if row["seen"] is not None},
    )
