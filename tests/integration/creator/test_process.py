"""The creator as a process: started by its command line, fed by Kafka, stopped by a signal or by a lost session."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from deploy.local.servers import KafkaServer
from orderbridge.events import CreationFact, Event, OrderCreated
from orderbridge.ids import ce_id_of
from orderbridge.kafka import Outgoing, create_topics, open_consumer, open_producer
from orderbridge.topics import CONNECTIONS, CONNECTIONS_STATUS, CREATED, IMPORTED, MATCHED, PROGRESS
from orderbridge.web import listen, serve_http
from orderbridge_creator.settings import Settings
from orderbridge_standins.shopify import create_app
from tests.integration.creator.world import World, connection_changed, open_world, settings_of, tee_match
from tests.support.facts import ORDER, at, imported
from tests.support.step import MASTER_KEY, end


@pytest.fixture
async def environment(
    creator_database: str, kafka_server: KafkaServer, topic_prefix: str
) -> AsyncIterator[dict[str, str]]:
    """Of a creator whose topics are there, and whose shop answers on a port of this process."""
    listener = listen("127.0.0.1", 0, "PORT")
    stop = asyncio.Event()
    app: Any = create_app()
    serving = asyncio.create_task(serve_http(app, listener, stop))
    yield {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": creator_database,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
        "ORDERBRIDGE_TOPIC_PREFIX": topic_prefix,
        "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "6000",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_SHOPIFY_URL": f"http://127.0.0.1:{listener.getsockname()[1]}/{{shop}}",
        "ORDERBRIDGE_HEALTH_PORT": "0",
    }
    await end(stop, [serving])


@asynccontextmanager
async def creator(action: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orderbridge_creator",
        action,
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def outcome(action: str, environment: Mapping[str, str]) -> tuple[int | None, str, str]:
    """How a command ends: its code, standard output and standard error."""
    async with creator(action, environment) as process:
        out, err = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, out.decode(), err.decode()


def outgoing(topic: str, key: str, event: Event, source: str) -> Outgoing:
    n = getattr(event, "seq", 1)
    return Outgoing(topic, key, event.model_dump_json().encode(), ce_id_of(topic, source, key, n), at(), source)


async def feed(settings: Settings, world: World) -> None:
    """A connection and one order for it."""
    await world.put("connections", "main/shopify", b'{"client_id": "demo-client", "client_secret": "demo-secret"}')
    await world.address()
    async with open_producer(settings) as producer:
        await producer.publish(
            [
                outgoing(MATCHED, ORDER, tee_match(), "matcher"),
                outgoing(IMPORTED, ORDER, imported(), "ingestor"),
                outgoing(CONNECTIONS, "main", connection_changed(), "api"),
            ]
        )


async def said(settings: Settings, until_phase: str) -> list[tuple[str, str]]:
    """(topic, phase or state) of what the creator publishes, until the order's phase is the one given."""
    found: list[tuple[str, str]] = []
    async with open_consumer(settings, "probe", [PROGRESS, CREATED, CONNECTIONS_STATUS]) as consumer:
        deadline = asyncio.get_running_loop().time() + 60
        while asyncio.get_running_loop().time() < deadline:
            for record in await consumer.receive(100, 200):
                assert record.value is not None
                assert record.headers["ce_id"].startswith(f"{record.topic}/creator/")
                if record.topic == CONNECTIONS_STATUS:
                    found.append((record.topic, "status"))
                    continue
                model = OrderCreated if record.topic == CREATED else CreationFact
                found.append((record.topic, model.model_validate_json(record.value).phase))
            if any(phase == until_phase for _, phase in found):
                return found
    raise AssertionError(f"{until_phase} was not said: {found}")


async def test_the_process_creates_an_order_from_kafka_and_drains_on_sigterm(
    environment: dict[str, str], creator_database: str
) -> None:
    settings = settings_of(creator_database, **environment)
    await create_topics(settings)
    async with open_world(creator_database) as world:
        await feed(settings, world)
    async with creator("run", environment) as process:
        found = await said(settings, "created")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0

    assert {phase for _, phase in found} == {"planned", "sending", "created", "status"}
    assert await outcome("republish", environment) == (0, "creator: 1 facts go out again with the next run\n", "")
    code, out, _ = await outcome("check", environment)
    assert (code, "in order" in out) == (0, True)


async def test_the_process_ends_at_once_with_its_lock_session(
    environment: dict[str, str], creator_database: str
) -> None:
    settings = settings_of(creator_database, **environment)
    await create_topics(settings)
    async with open_world(creator_database) as world:
        await feed(settings, world)
    async with creator("run", environment) as process:
        await said(settings, "created")
        connection = await asyncpg.connect(creator_database)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1"
        )
        await connection.close()
        _, err = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 1
    assert err.decode().splitlines()[-1].startswith("the database session that holds our locks is gone")
    assert b"Traceback" not in err


async def test_a_mistake_in_the_settings_is_one_line_and_code_2(environment: dict[str, str]) -> None:
    code, _, err = await outcome("run", environment | {"ORDERBRIDGE_SETTLE_S": "5"})

    assert (code, err.count("\n")) == (2, 1)
    assert "ORDERBRIDGE_SETTLE_S is 5" in err


async def test_a_missing_topic_is_named_with_its_remedy(environment: dict[str, str]) -> None:
    code, _, err = await outcome("check", environment)

    assert code == 2
    assert "orderbridge.topics create" in err
