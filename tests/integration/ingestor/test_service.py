"""The service as it runs: Kafka, PostgreSQL, and Amazon's stand-in behind a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.servers import KafkaServer
from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import ConnectionChanged
from orderbridge.kafka import Outgoing, create_topics, open_consumer, open_producer
from orderbridge.postgres import open_engine
from orderbridge.settings import load_settings
from orderbridge.topics import CONNECTIONS, CONNECTIONS_STATUS, IMPORTED
from orderbridge.vault import MasterKeys, Vault
from orderbridge_ingestor.app import run
from orderbridge_ingestor.settings import Settings
from tests.integration.ingestor.world import SECRETS, SELLER, US
from tests.support.step import MASTER_KEY


@pytest.fixture
def amazon() -> Iterator[str]:
    """The address of a stand-in in a process of its own."""
    command = [sys.executable, "-m", "orderbridge_standins", "amazon", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def control(amazon: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{amazon}/_control/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def test_orders_behind_broken_answers_reach_the_topic_once_each(
    ingestor_database: str, kafka_server: KafkaServer, topic_prefix: str, amazon: str
) -> None:
    settings = load_settings(
        Settings,
        {
            "DATABASE_URL": ingestor_database,
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
            "ORDERBRIDGE_TOPIC_PREFIX": topic_prefix,
            "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
            "ORDERBRIDGE_AMAZON_URL": amazon,
            "ORDERBRIDGE_LWA_URL": amazon,
            "ORDERBRIDGE_HEALTH_PORT": "0",
        },
    )
    control(amazon, "limits", {"operation": "searchOrders", "rate": 100, "burst": 1000})
    asked = {"seller_id": SELLER, "seed": 7, "catalogue_seed": 1, "catalogue_variants": 60}
    made = control(amazon, "orders/generate", asked | {"profile": {"unshipped": 150}})
    for kind in ("cut", "html"):
        control(amazon, "trouble", {"operation": "searchOrders", "kind": kind, "times": 1})
    now = datetime.now(UTC)
    event = ConnectionChanged(
        connection_id="main",
        rev=1,
        check=1,
        secrets_rev=1,
        amazon=AmazonAccount(region="na", seller_id=SELLER, marketplace_ids=(US,)),
        shopify=ShopifyAccount(shop="shop.myshopify.com"),
        settings=ConnectionSettings(import_from=now - timedelta(days=1), poll_interval_s=1),
        added_at=now,
        at=now,
    )
    async with open_engine(ingestor_database, schema="ingestor") as engine, engine.begin() as connection:
        vault = Vault(MasterKeys.parse(MASTER_KEY))
        await vault.put(connection, "connections", "main/amazon", json.dumps(SECRETS).encode())
    await create_topics(settings)

    values: dict[str, list[dict[str, Any]]] = {IMPORTED: [], CONNECTIONS_STATUS: []}
    async with (
        running(settings),
        open_producer(settings) as producer,
        open_consumer(settings, "reader", list(values)) as consumer,
    ):
        body = event.model_dump_json().encode()
        await producer.publish([Outgoing(CONNECTIONS, "main", body, "connections.v1/api/main/1", now, "api")])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(40):
                while len(values[IMPORTED]) < 150:
                    for record in await consumer.receive(1000, 200):
                        values[record.topic].append(json.loads(record.value or b""))

    assert sorted(fact["order_id"] for fact in values[IMPORTED]) == sorted(f"main:{each}" for each in made["order_ids"])
    assert values[CONNECTIONS_STATUS][-1]["state"] == "ok"
