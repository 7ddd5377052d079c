"""A back-fill of 5000 orders by a real process that is killed in the middle, while live orders keep coming."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

import pytest

from deploy.local.servers import KafkaServer
from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import BackfillAsked, Command, ConnectionChanged
from orderbridge.kafka import Consumer, Outgoing, Producer, create_topics, open_consumer, open_producer
from orderbridge.postgres import open_engine
from orderbridge.settings import load_settings
from orderbridge.topics import COMMANDS, COMMANDS_ENDED, CONNECTIONS, IMPORTED
from orderbridge.vault import MasterKeys, Vault
from orderbridge_ingestor.settings import Settings
from tests.integration.ingestor.test_service import amazon, control
from tests.integration.ingestor.world import SECRETS, SELLER, US
from tests.support.facts import at
from tests.support.step import MASTER_KEY, until

__all__ = ["amazon"]

pytestmark = pytest.mark.timeout(180)
ORDERS = 5000
RATE, BURST = 5.0, 20
"""Searches: enough for a poll a second, and a back-fill of 50 pages that lasts for many polls."""
PAST_THE_LAG_S = 200.0
LIVE_BEFORE = 4


class Amazon:
    """The stand-in's control door, asked without holding the test's loop up."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.seed = 100

    async def control(self, path: str, body: Any) -> Any:
        return await asyncio.to_thread(control, self.address, path, body)

    async def generate(self, profile: dict[str, int], **more: Any) -> list[str]:
        self.seed += 1
        asked = {"seller_id": SELLER, "seed": self.seed, "catalogue_seed": 1, "catalogue_variants": 60}
        made = await self.control("orders/generate", asked | {"profile": profile} | more)
        ids: list[str] = made["order_ids"]
        return ids

    async def advance(self, seconds: float) -> datetime:
        return datetime.fromisoformat((await self.control("clock", {"advance_s": seconds}))["now"])

    async def searches(self, axis: str) -> list[dict[str, Any]]:
        """Those that were answered with a page, by the kind of their window."""

        def read() -> Any:
            with urlopen(f"{self.address}/_control/ledger", timeout=10) as answer:
                return json.load(answer)

        calls = (await asyncio.to_thread(read))["calls"]
        return [call for call in calls if f"{axis}After" in call["params"] and call["status"] == 200]


class Topics:
    """What came by them, and when."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.imports: dict[str, list[dict[str, Any]]] = {}
        self.came: dict[str, float] = {}
        self.ends: list[dict[str, Any]] = []

    async def read(self) -> None:
        while True:
            for record in await self._consumer.receive(1000, 100):
                value = json.loads(record.value or b"")
                if record.topic.endswith(COMMANDS_ENDED):
                    self.ends.append(value)
                else:
                    self.came.setdefault(value["order_id"], time.monotonic())
                    self.imports.setdefault(value["order_id"], []).append(value)


class Ingestor:
    """The service in a process of its own, which can be killed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (sys.executable, "-m", "orderbridge_ingestor", "run")
        self._process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=DEVNULL, stderr=DEVNULL, cwd=Path(__file__).parents[3]
        )

    async def kill(self) -> None:
        assert self._process is not None
        assert self._process.returncode is None, "it ended by itself"
        self._process.kill()
        await self._process.wait()


@pytest.fixture
def environment(ingestor_database: str, kafka_server: KafkaServer, topic_prefix: str, amazon: str) -> dict[str, str]:
    return {
        "DATABASE_URL": ingestor_database,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
        "ORDERBRIDGE_TOPIC_PREFIX": topic_prefix,
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_AMAZON_URL": amazon,
        "ORDERBRIDGE_LWA_URL": amazon,
        "ORDERBRIDGE_HEALTH_PORT": "0",
        "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "6000",
    }


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[tuple[Producer, Topics]]:
    async with (
        open_producer(settings) as producer,
        open_consumer(settings, "reader", [IMPORTED, COMMANDS_ENDED]) as consumer,
    ):
        topics = Topics(consumer)
        task = asyncio.create_task(topics.read())
        try:
            yield producer, topics
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def connect(producer: Producer, settings: Settings, start: datetime) -> None:
    address = settings.database_url.get_secret_value()
    async with open_engine(address, schema="ingestor") as engine, engine.begin() as connection:
        vault = Vault(MasterKeys.parse(MASTER_KEY))
        await vault.put(connection, "connections", "main/amazon", json.dumps(SECRETS).encode())
    event = ConnectionChanged(
        connection_id="main",
        rev=1,
        check=1,
        secrets_rev=1,
        amazon=AmazonAccount(region="na", seller_id=SELLER, marketplace_ids=(US,)),
        shopify=ShopifyAccount(shop="shop.myshopify.com"),
        settings=ConnectionSettings(import_from=start, poll_interval_s=1),
        added_at=at(),
        at=at(),
    )
    body = event.model_dump_json().encode()
    await producer.publish([Outgoing(CONNECTIONS, "main", body, "connections.v1/api/main/1", at(), "api")])


async def backfill(producer: Producer, after: datetime, before: datetime) -> None:
    asked = BackfillAsked(created_from=after, created_to=before)
    event = Command(command_id="c1", connection_id="main", mode="backfill", actor="admin", at=at(), backfill=asked)
    body = event.model_dump_json().encode()
    await producer.publish([Outgoing(COMMANDS, "main", body, "orders.commands.v1/api/main/c1", at(), "api")])


async def live_order(amazon: Amazon, topics: Topics) -> float:
    """Have one be placed, and wait until it came; returns how long that took once a poll could see it."""
    [amazon_id] = await amazon.generate({"unshipped": 1}, updated_within_s=1.0)
    await amazon.advance(PAST_THE_LAG_S)
    placed = time.monotonic()
    name = f"main:{amazon_id}"
    await until(lambda: name in topics.came, within_s=30, what="the live order")
    return topics.came[name] - placed


async def test_a_back_fill_of_5000_orders_disturbs_no_poll_and_survives_being_killed(
    environment: dict[str, str], amazon: str
) -> None:
    settings = load_settings(Settings, environment)
    await create_topics(settings)
    shown = Amazon(amazon)
    await shown.control("limits", {"operation": "searchOrders", "rate": RATE, "burst": BURST})
    old = await shown.generate({"unshipped": ORDERS})
    start = await shown.advance(3 * 86_400)
    ingestor = Ingestor(environment)
    await ingestor.start()
    try:
        async with reading(settings) as (producer, topics):
            await connect(producer, settings, start - timedelta(hours=1))
            await until(lambda: shown.searches("lastUpdated"), within_s=60, what="the first poll")
            without = [await live_order(shown, topics) for _ in range(LIVE_BEFORE)]

            await backfill(producer, start - timedelta(days=10), start - timedelta(hours=2))
            beside = [await live_order(shown, topics) for _ in range(LIVE_BEFORE)]
            asked = len(await shown.searches("created"))
            assert 0 < asked < 50, "it is under way"
            await ingestor.kill()
            stood = len(await shown.searches("created"))
            await ingestor.start()
            await until(lambda: _more(shown, stood), within_s=60, what="the next page")
            while not topics.ends:
                beside.append(await live_order(shown, topics))
            await until(lambda: {f"main:{each}" for each in old} <= topics.came.keys(), what="every order")
    finally:
        await ingestor.kill()

    [end] = topics.ends
    assert (end["state"], end["progress"]["orders"], end["progress"]["published"]) == ("done", ORDERS, ORDERS)
    assert end["outcome"] == f"{ORDERS} orders, {ORDERS} of them with news"
    kept = [fact for each in old for fact in topics.imports[f"main:{each}"]]
    assert {(fact["seq"], fact["disposition"]["kind"]) for fact in kept} == {(1, "import")}

    pages = Counter(tuple(sorted(call["order_ids"])) for call in await shown.searches("created"))
    assert len(pages) == math.ceil(ORDERS / 100), "one slice"
    assert sorted(pages.values())[:-1] == [1] * (len(pages) - 1), "none is asked for twice but the one in flight"
    assert max(pages.values()) <= 2
    polls = await shown.searches("lastUpdated")
    assert all(call["first_page"] and call["window_orders"] <= 100 for call in polls), "a poll is one call"

    # A poll interval is the bound, where the machine is busy with the pages.
    assert median(beside) < median(without) + 1.0, f"{_told(without)} without, {_told(beside)} beside the back-fill"


async def _more(shown: Amazon, than: int) -> bool:
    return len(await shown.searches("created")) > than


def _told(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s (at most {max(seconds):.2f} s, of {len(seconds)})"
