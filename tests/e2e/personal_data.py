"""Looking for the seeded buyers in everything that is not the vault, byte by byte."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local.databases import with_database
from deploy.local.environments import SERVICES
from deploy.local.stack import DATABASE, Stack

from .reading import records_of, topics_of

Place = tuple[str, bytes]
"""Where, and what is written there."""
SHORTEST = 6


def personal_values(orders: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names (people's in parts too), streets with and without number, e-mails, phones, order numbers, gift messages."""
    found: set[str] = set()
    for order in orders:
        buyer = order.get("buyer", {})
        address = order.get("recipient", {}).get("deliveryAddress", {})
        for name in (buyer.get("buyerName", ""), address.get("name", "")):
            found |= {name, *name.split()}
        found |= {buyer.get("buyerCompanyName", ""), address.get("companyName", "")}
        street = address.get("addressLine1", "")
        found |= {street, street.partition(" ")[2], address.get("phone", "")}
        found |= {buyer.get("buyerEmail", ""), buyer.get("buyerPurchaseOrderNumber", "")}
        found |= set(_gift_messages(order))
    return {value for value in found if len(value) >= SHORTEST}


def _gift_messages(holder: Any) -> Iterator[str]:
    if isinstance(holder, Mapping):
        for name, value in holder.items():
            if name == "giftMessage" and isinstance(value, str):
                yield value
            yield from _gift_messages(value)
    elif isinstance(holder, list):
        for item in holder:
            yield from _gift_messages(item)


def hits(values: Iterable[str], places: Iterable[Place]) -> list[str]:
    """Where any of them is written, whatever the case."""
    wanted = [(value, value.lower().encode()) for value in sorted(values)]
    found = []
    for place, text in places:
        written = text.lower()
        found += [f"{value!r} in {place}" for value, looked_for in wanted if looked_for in written]
    return found


def in_topics(bootstrap: str) -> Iterator[Place]:
    for record in records_of(bootstrap, topics_of(bootstrap)):
        headers = "\n".join(f"{name}: {value}" for name, value in record.headers.items()).encode()
        yield f"topic {record.topic}, key {record.key.decode()}", b"\n".join((record.key, headers, record.value))


def in_logs(folder: Path) -> Iterator[Place]:
    for file in sorted(folder.iterdir()):
        yield f"log {file.name}", file.read_bytes()


def in_metrics(stack: Stack) -> Iterator[Place]:
    for service in SERVICES:
        with urllib.request.urlopen(f"{stack.url_of(service)}/metrics", timeout=10) as answer:
            yield f"metrics of {service}", answer.read()


async def in_tables(stack: Stack) -> list[Place]:
    """Every table of every schema but the vault, in PostgreSQL's binary form: text, jsonb and bytea as they are."""
    connection = await asyncpg.connect(with_database(stack.infrastructure.postgres.url, DATABASE))
    try:
        tables = await connection.fetch(
            "select schemaname, tablename from pg_tables"
            " where schemaname not in ('vault', 'pg_catalog', 'information_schema') order by 1, 2"
        )
        places = []
        for schema, table in tables:
            copy = io.BytesIO()
            await connection.copy_from_table(table, schema_name=schema, output=copy, format="binary")
            places.append((f"table {schema}.{table}", copy.getvalue()))
        return places
    finally:
        await connection.close()
