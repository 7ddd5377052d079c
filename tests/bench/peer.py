"""The straightforward consumer, for comparison: FastStream, one SQLAlchemy transaction and one publish a message.

``python -m tests.bench.peer BOOTSTRAP DATABASE_URL SOURCE TARGET``, until SIGTERM. It reads and writes the same models
and asks the same rule as the matcher; offsets are committed after each message, as it must not lose any either. What
costs it time without serving that purpose is off: no log line a message, no validation of what it publishes.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Final

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from orderbridge.events import OrderMatched
from orderbridge.postgres import database_url
from orderbridge_matcher.domain.catalogue import Entry
from orderbridge_matcher.domain.matching import Matched, match_order
from orderbridge_matcher.domain.order import Import, Order
from orderbridge_matcher.domain.rules import sku_of
from orderbridge_matcher.domain.shelf import Shelf
from orderbridge_standins.catalogue import shop_catalogue

from .orders import CATALOGUE_SEED, CONNECTION, VARIANTS

SCHEMA: Final = "peer"

_TABLES: Final = (
    f"create schema if not exists {SCHEMA}",
    f"""
    create table if not exists {SCHEMA}.variants (
        connection_id text not null, variant_id text not null, sku text not null, title text, status text not null,
        primary key (connection_id, variant_id)
    )
    """,
    f"create index if not exists variants_by_sku on {SCHEMA}.variants (connection_id, sku)",
    f"""
    create table if not exists {SCHEMA}.orders (
        order_id text primary key, imported_seq bigint not null, seq bigint not null, match text not null
    )
    """,
)
_FILL: Final = text(
    f"insert into {SCHEMA}.variants values (:connection_id, :variant_id, :sku, :title, 'ACTIVE') on conflict do nothing"
)
_NEWEST: Final = text(f"select imported_seq, seq from {SCHEMA}.orders where order_id = :order_id for update")
_VARIANTS: Final = text(
    f"select variant_id, sku, title, status from {SCHEMA}.variants"
    " where connection_id = :connection_id and sku = any(cast(:skus as text[]))"
)
_RECORD: Final = text(
    f"""
    insert into {SCHEMA}.orders (order_id, imported_seq, seq, match) values (:order_id, :imported_seq, :seq, :match)
    on conflict (order_id) do update
        set imported_seq = excluded.imported_seq, seq = excluded.seq, match = excluded.match
    """
)


async def prepare(engine: AsyncEngine) -> None:
    """Its tables, with the shop's variants in them."""
    async with engine.begin() as connection:
        for statement in _TABLES:
            await connection.execute(text(statement))
        variants = [
            {
                "connection_id": CONNECTION,
                "variant_id": f"gid://shopify/ProductVariant/{variant.variant_id}",
                "sku": variant.sku,
                "title": product.title,
            }
            for product in shop_catalogue(CATALOGUE_SEED, VARIANTS)
            for variant in product.variants
        ]
        await connection.execute(_FILL, variants)


async def match(connection: AsyncConnection, event: Import) -> OrderMatched | None:
    """Match one order in the open transaction; None when it has no match, or a newer import of it was matched."""
    newest = (await connection.execute(_NEWEST, {"order_id": event.order_id})).mappings().first()
    if newest is not None and newest["imported_seq"] >= event.seq:
        return None
    skus = [sku_of(line) for line in event.lines]
    catalogue: dict[str, list[Entry]] = {}
    for row in await connection.execute(_VARIANTS, {"connection_id": CONNECTION, "skus": skus}):
        entry = Entry(row.variant_id, "", row.sku, row.title, row.title, row.status, event.at)
        catalogue.setdefault(row.sku, []).append(entry)
    decision = match_order(_order(event), Shelf(by_sku=catalogue))
    if not isinstance(decision, Matched):
        return None
    matched = OrderMatched(
        order_id=event.order_id,
        seq=(newest["seq"] if newest else 0) + 1,
        at=datetime.now(UTC),
        imported_seq=event.seq,
        lines=decision.lines,
    )
    await connection.execute(
        _RECORD,
        {
            "order_id": matched.order_id,
            "imported_seq": matched.imported_seq,
            "seq": matched.seq,
            "match": matched.model_dump_json(),
        },
    )
    return matched


def _order(event: Import) -> Order:
    return Order(
        event.order_id,
        CONNECTION,
        event.seq,
        event.disposition.kind,
        event.disposition.reason,
        event.purchased_at,
        event.ship_by,
        event.lines,
        seq=0,
    )


async def main(bootstrap: str, address: str, source: str, target: str) -> None:
    engine = create_async_engine(database_url(address))
    await prepare(engine)
    broker = KafkaBroker(bootstrap, acks="all", enable_idempotence=True, compression_type="lz4", logger=None)

    @broker.subscriber(source, group_id=f"{source}.peer", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
    async def consume(event: Import) -> None:
        async with engine.begin() as connection:
            matched = await match(connection, event)
        if matched is not None:
            await broker.publish(matched, target, key=matched.order_id.encode())

    try:
        await FastStream(broker, logger=None).run()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
