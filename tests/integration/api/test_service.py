"""The whole service on real PostgreSQL and real Kafka: facts in, status out, REST beside it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deploy.local.servers import KafkaServer
from orderbridge.events import Event, ImportedLine
from orderbridge.kafka import Consumer, Outgoing, create_topics, open_consumer, open_producer
from orderbridge.settings import load_settings
from orderbridge.topics import CONNECTIONS, STATUS
from orderbridge_api.app import run
from orderbridge_api.settings import Settings
from tests.support.facts import ORDER, created, imported, matched
from tests.support.step import MASTER_KEY, end, until

from .support import ADMIN_KEY, migrated, record
from .test_connections import body

OTHER = "main:113-0000000-0000001"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def environment(database_url: str, kafka_server: KafkaServer, topic_prefix: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_ADMIN_KEY": ADMIN_KEY,
        "ORDERBRIDGE_API_PORT": str(free_port()),
        "ORDERBRIDGE_TOPIC_PREFIX": topic_prefix,
        "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "6000",
    }


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    address = f"http://127.0.0.1:{settings.orderbridge_api_port}"
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:

        async def ready() -> bool:
            if task.done():
                task.result()
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.ConnectError:
                return False

        try:
            await until(ready, within_s=30, what="readiness")
            yield client
        finally:
            await end(stop, [task])


async def publish(settings: Settings, *events: Event) -> None:
    async with open_producer(settings) as producer:
        records = [record(event) for event in events]
        await producer.publish(
            [
                Outgoing(one.topic, one.key or "", one.value, one.headers["ce_id"], imported().at, "ingestor")
                for one in records
            ]
        )


async def newest(consumer: Consumer, kept: dict[str, Any]) -> dict[str, Any]:
    for one in await consumer.receive(1000, 200):
        assert one.headers["ce_subject"] == one.key
        kept[one.key or ""] = json.loads(one.value or b"null")
    return kept


async def test_the_newest_record_of_each_order_is_what_rest_answers(environment: dict[str, str]) -> None:
    settings = load_settings(Settings, environment)
    await create_topics(settings)
    await migrated(settings.database_url.get_secret_value())
    nul = ImportedLine(order_item_id="1", title="Mu\0g", quantity=1)
    async with serving(settings) as client, open_consumer(settings, "dashboard", [STATUS, CONNECTIONS]) as dashboard:
        await publish(settings, created(), matched(), imported(), imported(order_id=OTHER, lines=(nul,)))
        seen: dict[str, Any] = {}

        async def settled() -> bool:
            await newest(dashboard, seen)
            stands = {name: seen[name]["status"] for name in (ORDER, OTHER) if name in seen}
            return stands == {ORDER: "created", OTHER: "failed"}

        await until(settled, within_s=30, what="the status of both orders")
        for name in (ORDER, OTHER):
            assert (await client.get(f"/v1/orders/{name}")).json() == seen[name]
        # What the api itself could not take came back to it by Kafka.
        assert seen[OTHER]["reason"]["code"] == "message_parked"
        [item] = (await client.get("/v1/parked")).json()["items"]
        assert (item["service"], item["order_id"]) == ("api", OTHER)

        # Asked for by REST, carried out by its worker, ended through Kafka.
        command = (await client.post(f"/v1/parked/{item['id']}/replay")).json()

        async def closed() -> dict[str, Any] | None:
            found: dict[str, Any] = (await client.get(f"/v1/commands/{command['command_id']}")).json()
            return found if found["state"] != "open" else None

        rejected = await until(closed, within_s=30, what="the end of the replay")
        assert (rejected["state"], rejected["reason"]["code"]) == ("rejected", "message_parked")

        assert (await client.post("/v1/connections", json=body())).status_code == 201

        async def told() -> bool:
            return "main" in await newest(dashboard, seen)

        await until(told, what="the connection")

        assert (await client.get("/livez")).text == "ok"
        metrics = (await client.get("/metrics")).text
        assert 'orderbridge_parked_messages{service="api"} 1.0' in metrics
        assert ORDER not in metrics


def command_line(action: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    python = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "orderbridge_api", action],
        env=python | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_line_migrates_checks_and_republishes(environment: dict[str, str]) -> None:
    await create_topics(load_settings(Settings, environment))
    old = await asyncio.to_thread(command_line, "check", environment)
    assert old.returncode == 2
    assert "python -m orderbridge_api migrate" in old.stderr
    for action in ("migrate", "check", "republish"):
        done = await asyncio.to_thread(command_line, action, environment)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ORDERBRIDGE_ADMIN_KEY": None}, "ORDERBRIDGE_ADMIN_KEY is not set"),
        ({"ORDERBRIDGE_ADMIN_KEY": "short"}, "ORDERBRIDGE_ADMIN_KEY is wrong, its value"),
        ({"ORDERBRIDGE_API_PORT": "x"}, "ORDERBRIDGE_API_PORT is wrong, 'x'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(changed: dict[str, str | None], words: str) -> None:
    environment: dict[str, str | None] = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_ADMIN_KEY": ADMIN_KEY,
    }
    given = {name: value for name, value in (environment | changed).items() if value is not None}
    done = command_line("run", given)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert "short" not in done.stderr
