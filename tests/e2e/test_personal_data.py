"""No personal data outside the vault; and the search that says so finds what is planted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.databases import with_database
from deploy.local.stack import DATABASE

from .conftest import Played
from .personal_data import hits, in_logs, in_metrics, in_tables, in_topics, personal_values
from .running import RunningStack

pytestmark = pytest.mark.timeout(180)
PLANTED_TOPIC = "planted-for-the-search"
PLANTED_LOG = "planted.log"


@pytest.fixture
async def values(played: Played) -> set[str]:
    return personal_values(await played.world.amazon_orders())


@pytest.fixture
async def database(running: RunningStack) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(with_database(running.stack.infrastructure.postgres.url, DATABASE))
    yield connection
    await connection.close()


async def test_topics_logs_metrics_and_tables_know_no_buyer(running: RunningStack, values: set[str]) -> None:
    assert len(values) > 100
    places = [
        *in_topics(running.stack.infrastructure.kafka.bootstrap),
        *in_logs(running.logs),
        *in_metrics(running.stack),
        *await in_tables(running.stack),
    ]
    assert {place.split()[0] for place, text in places if text} == {"topic", "log", "metrics", "table"}
    assert hits(values, places) == []


async def test_the_vault_holds_what_is_nowhere_else_and_holds_it_encrypted(
    database: asyncpg.Connection[asyncpg.Record], values: set[str]
) -> None:
    stored = await database.fetchval("select count(*) from vault.orders")
    assert stored > 0
    rows = await database.fetch("select o::text as row from vault.orders o")
    assert hits(values, (("vault", row["row"].encode()) for row in rows)) == []


def test_the_search_finds_a_buyer_in_a_topic(running: RunningStack, values: set[str]) -> None:
    bootstrap = running.stack.infrastructure.kafka.bootstrap
    admin = AdminClient({"bootstrap.servers": bootstrap})
    name = max(values, key=len)
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4"})
    admin.create_topics([NewTopic(PLANTED_TOPIC, 1, 1)])[PLANTED_TOPIC].result(30)
    try:
        producer.produce(PLANTED_TOPIC, json.dumps({"name": name}).encode(), headers=[("ce_subject", b"x")])
        assert producer.flush(30) == 0
        assert [hit for hit in hits(values, in_topics(bootstrap)) if PLANTED_TOPIC in hit]
    finally:
        admin.delete_topics([PLANTED_TOPIC])[PLANTED_TOPIC].result(30)


def test_the_search_finds_a_buyer_in_a_log(running: RunningStack, values: set[str]) -> None:
    planted = running.logs / PLANTED_LOG
    planted.write_text(f'{{"event": "order", "to": "{max(values, key=len).upper()}"}}')
    try:
        assert [hit for hit in hits(values, in_logs(running.logs)) if PLANTED_LOG in hit]
    finally:
        planted.unlink()


@pytest.mark.parametrize(
    ("kind", "planted"),
    [("text", "{}"), ("jsonb", '{{"to": ["{}"]}}'), ("bytea", "{}")],
)
async def test_the_search_finds_a_buyer_in_a_table(
    running: RunningStack,
    database: asyncpg.Connection[asyncpg.Record],
    values: set[str],
    kind: str,
    planted: str,
) -> None:
    # Long enough to be stored compressed and beside the row.
    text = planted.format(f"{'x' * 20_000}{max(values, key=len)}")
    await database.execute(f"create table public.planted (value {kind})")
    try:
        value = text.encode() if kind == "bytea" else text
        await database.execute(f"insert into public.planted values ($1::{kind})", value)
        assert [hit for hit in hits(values, await in_tables(running.stack)) if "public.planted" in hit]
    finally:
        await database.execute("drop table public.planted")
