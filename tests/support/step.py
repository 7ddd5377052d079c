"""A store over a fresh database with nothing but the step's own tables, and ways to hand it messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge import budget, vault
from orderbridge.events import Event, Fact
from orderbridge.ids import ce_id_of
from orderbridge.kafka import Received
from orderbridge.postgres import open_engine, upgrade
from orderbridge.step import Store, Unit, create_step_tables
from orderbridge.vault import MasterKeys, Vault

MASTER_KEY = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@asynccontextmanager
async def open_step_store(database_url: str, schema: str = "step") -> AsyncIterator[Store[Unit]]:
    async with open_engine(database_url, schema=schema) as engine:
        for migrations in (vault.MIGRATIONS, budget.MIGRATIONS):
            await upgrade(engine, migrations)
        async with engine.begin() as connection:
            await connection.execute(text(f"create schema {schema}"))
            for statement in _statements():
                await connection.execute(text(statement))
        yield store_of(engine)


def store_of(engine: AsyncEngine) -> Store[Unit]:
    return Store(engine, "matcher", Vault(MasterKeys.parse(MASTER_KEY)), partial(datetime.now, UTC), Unit)


def _statements() -> list[str]:
    statements: list[str] = []
    create_step_tables(statements.append)
    return statements


def received(topic: str, event: Event | bytes, key: str, n: int | str = 1, offset: int = 0) -> Received:
    """A record as Kafka would hand it over."""
    value = event if isinstance(event, bytes) else event.model_dump_json().encode()
    source = event.source if isinstance(event, Fact) else "ingestor"
    headers = {
        "ce_id": ce_id_of(topic, source, key, event.seq if isinstance(event, Fact) else n),
        "ce_source": f"/orderbridge/{source}",
    }
    return Received(topic, 0, offset, key, value, headers)


async def rows(store: Store[Any], statement: str, **values: Any) -> list[dict[str, Any]]:
    async with store.engine.connect() as connection:
        found = await connection.execute(text(statement), values)
        return [dict(row) for row in found.mappings()]


async def published(store: Store[Any], topic: str) -> list[dict[str, Any]]:
    """What waits in the outbox for a topic, oldest first, as values."""
    found = await rows(store, "select payload from outbox where topic = :topic order by id", topic=topic)
    return [json.loads(row["payload"]) for row in found]


async def until(true: Callable[[], Any], *, within_s: float = 10.0, what: str = "it") -> Any:
    """Poll until the (possibly awaitable) answer is truthy, and return it; fail after ``within_s``."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what} did not come true within {within_s} s")
        await asyncio.sleep(0.02)


async def end(stop: asyncio.Event, tasks: Sequence[asyncio.Task[Any]]) -> None:
    stop.set()
    await asyncio.gather(*tasks)
