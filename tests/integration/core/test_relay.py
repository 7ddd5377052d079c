"""The relay and the consumer on real Kafka: what is committed is published, in order per key, with its headers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer as ForeignConsumer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is there, unlisted

from deploy.local.servers import KafkaServer
from orderbridge.errors import ConfigurationError
from orderbridge.events import Breakdown, BreakdownDetail, ImportedLine, OrderImported
from orderbridge.kafka import Consumer, check_topics, create_topics, open_consumer, open_producer
from orderbridge.outbox import Relay
from orderbridge.settings import KafkaSettings, load_settings
from orderbridge.step import Store, Unit
from orderbridge.topics import IMPORTED, STATUS, TOPICS
from tests.support.facts import ORDER, imported, usd
from tests.support.step import end, open_step_store, rows, store_of, until


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store[Unit]]:
    async with open_step_store(database_url) as opened:
        yield opened


@pytest.fixture
async def settings(kafka_server: KafkaServer, topic_prefix: str) -> KafkaSettings:
    values = load_settings(
        KafkaSettings,
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
            "ORDERBRIDGE_TOPIC_PREFIX": topic_prefix,
            "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "6000",
        },
    )
    await create_topics(values)
    return values


@asynccontextmanager
async def relaying(store: Store[Unit], settings: KafkaSettings) -> AsyncIterator[None]:
    async with open_producer(settings) as producer:
        stop = asyncio.Event()
        task = asyncio.create_task(Relay(store, producer).run(stop))
        try:
            yield
        finally:
            await end(stop, [task])


async def publish(store: Store[Unit], first: int, last: int, order_id: str = ORDER) -> None:
    async with store.transaction() as unit:
        for seq in range(first, last + 1):
            unit.publish_fact(IMPORTED, imported(seq, order_id=order_id))


async def empty(store: Store[Unit]) -> bool:
    return await rows(store, "select id from outbox limit 1") == []


def everything(bootstrap: str, topic: str, at_least: int) -> list[Any]:
    """Read a topic from its beginning with a client that is not ours."""
    consumer = ForeignConsumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        batch = [message for message in consumer.consume(1000, 0.5) if message.error() is None]
        found.extend(batch)
        if not batch and len(found) >= at_least:
            break
    consumer.close()
    return found


def ce_id_of_record(message: Any) -> str:
    return str(dict(message.headers())["ce_id"].decode())


async def test_a_foreign_client_reads_cloud_events_in_order_per_key(
    store: Store[Unit], settings: KafkaSettings
) -> None:
    other = "main:113-1234567-0000002"
    async with relaying(store, settings):
        await publish(store, 1, 50)
        await publish(store, 1, 50, other)
        await publish(store, 51, 60)
        await until(lambda: empty(store))

    topic = settings.orderbridge_topic_prefix + IMPORTED
    found = await asyncio.to_thread(everything, settings.kafka_bootstrap_servers, topic, 110)

    by_key: dict[str, list[int]] = {}
    for message in found:
        event = from_binary(KafkaMessage(dict(message.headers()), message.key(), message.value()), JSONFormat())
        data: Any = event.get_data()
        assert event.get_id() == f"{IMPORTED}/matcher/{data['order_id']}/{data['seq']}"
        assert event.get_type() == f"orderbridge.{IMPORTED}"
        assert event.get_source() == "/orderbridge/matcher"
        assert event.get_subject() == data["order_id"] == message.key().decode()
        assert event.get_dataschema() == f"/schemas/{IMPORTED}.json"
        by_key.setdefault(data["order_id"], []).append(data["seq"])
    assert by_key == {ORDER: list(range(1, 61)), other: list(range(1, 51))}


async def test_of_two_relays_one_works_and_the_other_takes_over(store: Store[Unit], settings: KafkaSettings) -> None:
    second = store_of(store.engine)
    async with relaying(second, settings):
        async with relaying(store, settings):
            await publish(store, 1, 5)
            await until(lambda: empty(store))
        await publish(store, 6, 9)
        await until(lambda: empty(store))

    topic = settings.orderbridge_topic_prefix + IMPORTED
    found = await asyncio.to_thread(everything, settings.kafka_bootstrap_servers, topic, 9)
    assert [ce_id_of_record(message).rpartition("/")[2] for message in found] == [str(n) for n in range(1, 10)]


async def test_a_broker_that_is_restarted_loses_nothing(
    store: Store[Unit], settings: KafkaSettings, kafka_server: KafkaServer
) -> None:
    async with relaying(store, settings):
        await publish(store, 1, 100)
        restart = asyncio.create_task(asyncio.to_thread(kafka_server.restart))
        for first in range(101, 1001, 100):
            await publish(store, first, first + 99)
        await restart
        await until(lambda: empty(store), within_s=60)

    topic = settings.orderbridge_topic_prefix + IMPORTED
    found = await asyncio.to_thread(everything, settings.kafka_bootstrap_servers, topic, 1000)
    ids = [ce_id_of_record(message) for message in found]
    assert len(set(ids)) == 1000
    firsts = [int(ce_id.rpartition("/")[2]) for ce_id in dict.fromkeys(ids)]
    assert firsts == list(range(1, 1001))


async def take(consumer: Consumer, count: int) -> list[int]:
    seqs: list[int] = []

    async def enough() -> bool:
        batch = await consumer.receive(100, 200)
        await consumer.commit(batch)
        seqs.extend(int(record.headers["ce_id"].rpartition("/")[2]) for record in batch)
        return len(seqs) >= count

    await until(enough, within_s=30)
    return seqs


async def test_a_consumer_goes_on_where_the_last_one_committed(store: Store[Unit], settings: KafkaSettings) -> None:
    async with relaying(store, settings):
        await publish(store, 1, 10)
        async with open_consumer(settings, "matcher", [IMPORTED]) as consumer:
            assert await take(consumer, 10) == list(range(1, 11))
        await publish(store, 11, 20)
        async with open_consumer(settings, "matcher", [IMPORTED]) as consumer:
            assert await take(consumer, 10) == list(range(11, 21))


async def test_making_topics_twice_makes_them_once(settings: KafkaSettings) -> None:
    assert await create_topics(settings) == []

    await check_topics(settings, [topic.name for topic in TOPICS])


async def test_missing_topics_are_named_with_the_command_that_makes_them(
    settings: KafkaSettings, topic_prefix: str
) -> None:
    elsewhere = settings.model_copy(update={"orderbridge_topic_prefix": topic_prefix + "none."})

    with pytest.raises(ConfigurationError, match=r"topics are missing: .*orders\.imported\.v1.*topics create"):
        await check_topics(elsewhere, [IMPORTED])


async def test_a_topic_with_the_wrong_cleanup_policy_is_named(settings: KafkaSettings, topic_prefix: str) -> None:
    name = f"{topic_prefix}x.{STATUS}"
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1, config={"cleanup.policy": "delete"})])[name].result(10)
    await until(lambda: name in admin.list_topics(timeout=5).topics)

    with pytest.raises(ConfigurationError, match=r"has cleanup\.policy delete, it must be compact"):
        await check_topics(settings.model_copy(update={"orderbridge_topic_prefix": f"{topic_prefix}x."}), [STATUS])


async def test_a_broker_that_is_not_there_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbridge.kafka.connection.START_DEADLINE_S", 0.5)
    nowhere = load_settings(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})

    with pytest.raises(ConfigurationError, match=r"KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka at 127\.0\.0\.1:1"):
        await check_topics(nowhere, [IMPORTED])


async def test_an_order_of_ten_thousand_lines_is_published_whole(store: Store[Unit], settings: KafkaSettings) -> None:
    chance = random.Random(7)
    lines = tuple(
        ImportedLine(
            order_item_id=f"{chance.randrange(10**13, 10**14)}",
            amazon_sku=f"SKU-{chance.randrange(10**8):08d}",
            asin=f"B0{chance.randrange(10**8):08d}",
            title=f"An invented thing {chance.randrange(10**6)} - Size: XL, Color: {chance.choice(('Blue', 'Red'))}",
            quantity=1,
            unit_price=usd("10.00"),
            total=usd("10.80"),
            breakdowns=(
                Breakdown(type="ITEM", subtotal=usd("10.00")),
                Breakdown(
                    type="TAX", subtotal=usd("0.80"), details=(BreakdownDetail(subtype="ITEM", value=usd("0.80")),)
                ),
            ),
        )
        for _ in range(10_000)
    )
    fact = imported(1, lines=lines)
    async with store.transaction() as unit:
        unit.publish_fact(IMPORTED, fact)
    async with relaying(store, settings), open_consumer(settings, "matcher", [IMPORTED]) as consumer:
        await until(lambda: empty(store), within_s=30)
        [received] = await until(lambda: consumer.receive(10, 500), within_s=30)
    assert OrderImported.model_validate_json(received.value or b"") == fact
