"""Kafka, at least once: the only place that knows aiokafka, with the settings that neither lose nor reorder.

Records carry CloudEvents 1.0 headers in Kafka's binary mode (contract section 2). The topic prefix is added and
taken off here; everybody else speaks of topics as the contract names them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import ssl
import struct
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from .errors import ConfigurationError, Unavailable
from .settings import KafkaSettings, load_settings
from .topics import TOPICS, Topic

_START_DEADLINE_S = 10.0
_SEND_DEADLINE_S = 30.0
_TOPIC_ALREADY_EXISTS = 36
_MIX = 0x5BD1E995
_WORD = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Received:
    """A record as it came; ``topic`` without the prefix, ``value`` None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes | None
    headers: dict[str, str]


class Outgoing(NamedTuple):
    """A record to publish; ``value`` None is a tombstone."""

    topic: str
    key: str
    value: bytes | None
    ce_id: str
    ce_time: datetime
    source: str
    traceparent: str | None = None
    command_id: str | None = None


def headers_of(record: Outgoing) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0 headers of the Kafka binding's binary mode, and W3C trace context."""
    *first, last = _headers_of_all(record.topic, record.source)
    headers = [
        *first,
        ("ce_subject", record.key.encode()),
        ("ce_id", record.ce_id.encode()),
        ("ce_time", _written(record.ce_time)),
        last,
    ]
    if record.traceparent:
        headers.append(("traceparent", record.traceparent.encode()))
    if record.command_id:
        headers.append(("command_id", record.command_id.encode()))
    return headers


@lru_cache(maxsize=64)
def _headers_of_all(topic: str, source: str) -> tuple[tuple[str, bytes], ...]:
    """What all records of a service on a topic have in common."""
    return (
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        ("ce_type", b"orderbridge." + topic.encode()),
        ("ce_source", b"/orderbridge/" + source.encode()),
        ("ce_dataschema", b"/schemas/" + topic.encode() + b".json"),
    )


@lru_cache(maxsize=64)
def _written(time: datetime) -> bytes:
    """RFC 3339; the records of one transaction share their time."""
    return time.isoformat().replace("+00:00", "Z").encode()


def _connection(settings: KafkaSettings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": 15_000,
        # Its default of 100 ms makes each client say dozens of times a second that a broker is away.
        "retry_backoff_ms": 500,
    }
    if "SSL" in settings.kafka_security_protocol:
        try:
            arguments["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        except OSError as error:
            raise ConfigurationError(
                f"KAFKA_SSL_CAFILE names {settings.kafka_ssl_cafile}, which cannot be read ({error.strerror}): "
                "mount the authority's certificate"
            ) from None
    if "SASL" in settings.kafka_security_protocol:
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise ConfigurationError(
                f"KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}: "
                "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def _unreachable(settings: KafkaSettings, error: Exception) -> ConfigurationError:
    credentials = ""
    if "SASL" in settings.kafka_security_protocol:
        # A wrong password looks like a broker that is not there.
        credentials = f", or the credentials of {settings.kafka_sasl_username} (KAFKA_SASL_*) are wrong"
    return ConfigurationError(
        f"KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka at {settings.kafka_bootstrap_servers} "
        f"({type(error).__name__}): start it or correct the address{credentials}"
    )


async def _started(client: Any, settings: KafkaSettings) -> None:
    """Start an aiokafka client, waiting up to 10 s for a broker that is just coming up."""
    deadline = asyncio.get_running_loop().time() + _START_DEADLINE_S
    while True:
        try:
            await client.start()
            return
        except KafkaConnectionError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise _unreachable(settings, error) from None
        except KafkaError as error:
            raise _unreachable(settings, error) from None
        await asyncio.sleep(0.2)


# --- producing


class Producer:
    """Publishes batches; every record is acknowledged by all replicas, or the whole call raises."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: Any = None
        self._partitions: dict[str, int] = {}

    async def start(self) -> None:
        self._client = AIOKafkaProducer(
            **_connection(self._settings),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
        )
        try:
            await _started(self._client, self._settings)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.stop()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Publish in order per key; returns when all are acknowledged.

        Raises ``Unavailable`` when any was not: nothing is known of the others, and the next call uses a new
        producer, because after a failed batch aiokafka's sequence numbers no longer fit the broker's.
        """
        if self._client is None:
            try:
                await self.start()
            except ConfigurationError as error:
                raise Unavailable(str(error)) from error
        try:
            async with asyncio.timeout(_SEND_DEADLINE_S):
                acknowledgements = [
                    await self._client.send_batch(batch, topic, partition=partition)
                    for topic, partition, batch in await self._batches(records)
                ]
                await asyncio.gather(*acknowledgements)
        except (KafkaError, TimeoutError, OSError) as error:
            broken, self._client = self._client, None
            await _stop_broken(broken)
            raise Unavailable(f"Kafka did not acknowledge ({type(error).__name__})") from error

    async def _batches(self, records: Sequence[Outgoing]) -> list[tuple[str, int, Any]]:
        prefix = self._settings.orderbridge_topic_prefix
        partitions = {topic: await self._partitions_of(prefix + topic) for topic in {each.topic for each in records}}
        batches: list[tuple[str, int, Any]] = []
        open_batches: dict[tuple[str, int], Any] = {}
        for record in records:
            key = record.key.encode()
            partition = partition_of(key, partitions[record.topic])
            message = {"timestamp": None, "key": key, "value": record.value, "headers": headers_of(record)}
            batch = open_batches.get((record.topic, partition))
            if batch is None or batch.append(**message) is None:
                batch = self._client.create_batch()
                batch.append(**message)
                open_batches[record.topic, partition] = batch
                batches.append((prefix + record.topic, partition, batch))
        return batches

    async def _partitions_of(self, topic: str) -> int:
        if topic not in self._partitions:
            self._partitions[topic] = len(await self._client.partitions_for(topic))
        return self._partitions[topic]


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key (murmur2 over the key's bytes), as every other client does.

    aiokafka's own takes the bytes one by one, three times as long, and this runs once a record.
    """
    whole = len(key) & ~3
    mixed = 0x9747B28C ^ len(key)
    for (word,) in _WORD.iter_unpack(key[:whole]):
        word = word * _MIX & 0xFFFFFFFF
        mixed = (mixed * _MIX ^ (word ^ word >> 24) * _MIX) & 0xFFFFFFFF
    if tail := key[whole:]:
        mixed = (mixed ^ int.from_bytes(tail, "little")) * _MIX & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * _MIX & 0xFFFFFFFF
    return ((mixed ^ mixed >> 15) & 0x7FFFFFFF) % partitions


async def _stop_broken(client: Any) -> None:
    # A producer that cannot flush would wait for its broker for ever.
    try:
        async with asyncio.timeout(5):
            await client.stop()
    except (KafkaError, TimeoutError, OSError):
        return


@asynccontextmanager
async def open_producer(settings: KafkaSettings) -> AsyncIterator[Producer]:
    producer = Producer(settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.close()


# --- consuming


def _text(value: bytes) -> str:
    """Text that PostgreSQL can store: a record with a broken key must still be parked under it."""
    return value.decode("utf-8", "replace").replace("\0", "\ufffd")


def _texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    try:
        texts = {name: value.decode() for name, value in headers if value is not None}
    except UnicodeDecodeError:
        texts = {}
    # One look at all of them: hardly any record needs repair.
    if not texts or "\0" in "".join(texts.values()):
        return {name: _text(value) for name, value in headers if value is not None}
    return texts


def _received(topic: str, record: Any) -> Received:
    key = record.key
    return Received(
        topic,
        record.partition,
        record.offset,
        _text(key) if key is not None else None,
        record.value,
        _texts(record.headers),
    )


class Consumer:
    """One member of the group ``orderbridge.<service>``; offsets are committed only when told."""

    def __init__(self, settings: KafkaSettings, service: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._prefix = settings.orderbridge_topic_prefix
        session_ms = settings.orderbridge_kafka_session_timeout_ms
        self._topics = [self._prefix + topic for topic in topics]
        self._client: Any = AIOKafkaConsumer(
            *self._topics,
            **_connection(settings),
            group_id=f"{self._prefix}orderbridge.{service}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(session_ms // 10, 300),
            rebalance_timeout_ms=max(2 * session_ms, 20_000),
            max_poll_interval_ms=600_000,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )

    async def start(self) -> None:
        await _started(self._client, self._settings)

    async def close(self) -> None:
        """Leave the group."""
        await self._client.stop()

    def joined(self) -> bool:
        """Whether the group has given us our partitions (which may be none)."""
        return bool(self._client.assignment())

    async def receive(self, max_records: int, timeout_ms: int) -> list[Received]:
        """The next records, in order per partition; empty after ``timeout_ms`` without any. Never cancel it."""
        found: Mapping[Any, list[Any]] = await self._client.getmany(timeout_ms=timeout_ms, max_records=max_records)
        received: list[Received] = []
        for partition, records in found.items():
            topic = partition.topic.removeprefix(self._prefix)
            received += [_received(topic, record) for record in records]
        return received

    async def commit(self, records: Sequence[Received]) -> None:
        """Say that these records are done. Losing it only costs a redelivery."""
        if not records:
            return
        following: dict[tuple[str, int], int] = defaultdict(int)
        for record in records:
            partition = record.topic, record.partition
            following[partition] = max(following[partition], record.offset + 1)
        offsets = {
            TopicPartition(self._prefix + topic, number): offset for (topic, number), offset in following.items()
        }
        try:
            await self._client.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            # The group moved on: whoever has the partition now will meet these events in the inbox.
            return
        except KafkaError:
            return

    async def lag(self) -> int:
        """Records that are published on our partitions and not yet received."""
        lag = 0
        for partition in self._client.assignment():
            end = self._client.highwater(partition)
            if end is not None:
                lag += max(end - await self._client.position(partition), 0)
        return lag


@asynccontextmanager
async def open_consumer(settings: KafkaSettings, service: str, topics: Sequence[str]) -> AsyncIterator[Consumer]:
    consumer = Consumer(settings, service, topics)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.close()


# --- topics


def check_extension() -> None:
    """Refuse to run without aiokafka's C extension: everything would be ten times slower and look like a fault."""
    if importlib.util.find_spec("aiokafka.record._crecords") is None:
        raise ConfigurationError(
            "aiokafka's C extension is missing: install its wheel for this platform, or a C compiler, and install again"
        )


@asynccontextmanager
async def _open_admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**_connection(settings))
    try:
        await _started(admin, settings)
        yield admin
    finally:
        await admin.close()


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Make the missing topics, replicated as the broker does by default, and wait until they are listed.

    Returns their full names; empty when all were there.
    """
    prefix = settings.orderbridge_topic_prefix
    async with _open_admin(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS if prefix + topic.name not in existing]
        if not missing:
            return []
        replication = await _default_replication(admin)
        answer = await admin.create_topics(
            [
                NewTopic(prefix + topic.name, topic.partitions, replication, topic_configs=topic.settings)
                for topic in missing
            ]
        )
        for name, code, message in (row[:3] for row in answer.topic_errors):
            if code not in (0, _TOPIC_ALREADY_EXISTS):
                why = message or code
                raise ConfigurationError(f"topic {name} cannot be made ({why}): allow it, or make it by hand")
        made = [prefix + topic.name for topic in missing]
        await _until_listed(admin, set(made))
        return made


async def _until_listed(admin: Any, names: set[str]) -> None:
    """A topic that was just made is not listed at once."""
    deadline = asyncio.get_running_loop().time() + _START_DEADLINE_S
    while not names <= set(await admin.list_topics()):
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigurationError("the broker took the new topics but does not list them: look at its log")
        await asyncio.sleep(0.1)


async def _default_replication(admin: Any) -> int:
    """The broker's own default; aiokafka cannot ask for "as you do by default"."""
    name = "default.replication.factor"
    broker = (await admin.describe_cluster())["brokers"][0]["node_id"]
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.BROKER, str(broker), configs={name: None})]
    )
    values = [entry[1] for answer in answers for resource in answer.resources for entry in resource[4]]
    return int(values[0]) if values else 1


async def check_topics(settings: KafkaSettings, topics: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` that names every topic that is missing or cleans up another way."""
    prefix = settings.orderbridge_topic_prefix
    wanted = {prefix + topic.name: topic for topic in TOPICS if topic.name in set(topics)}
    async with _open_admin(settings) as admin:
        missing = sorted(set(wanted) - set(await admin.list_topics()))
        if missing:
            raise ConfigurationError(
                f"topics are missing: {', '.join(missing)}: run python -m orderbridge.topics create"
            )
        wrong = _wrong_policies(wanted, await _policies(admin, wanted))
    if wrong:
        raise ConfigurationError("\n".join(wrong))


async def _policies(admin: Any, names: Iterable[str]) -> dict[str, str]:
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": None}) for name in names]
    )
    policies = {}
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            policies[name] = next((entry[1] for entry in entries if entry[0] == "cleanup.policy"), "")
    return policies


def _wrong_policies(wanted: Mapping[str, Topic], found: Mapping[str, str]) -> list[str]:
    return [
        f"topic {name} has cleanup.policy {found[name]}, it must be {topic.cleanup}: "
        f"set it with kafka-configs --alter --add-config cleanup.policy={topic.cleanup}"
        for name, topic in sorted(wanted.items())
        # Without the right to describe a topic the broker names no policy: then it cannot be checked here.
        if found.get(name) and set(found[name].split(",")) != {topic.cleanup}
    ]


def topics_command() -> None:
    """``python -m orderbridge.topics create | check``; needs only ``KAFKA_*``."""
    parser = argparse.ArgumentParser(prog="python -m orderbridge.topics")
    parser.add_argument("action", choices=("create", "check"))
    action = parser.parse_args().action
    try:
        settings = load_settings(KafkaSettings)
        if action == "create":
            made = asyncio.run(create_topics(settings))
            sys.stdout.write(f"made {', '.join(made)}\n" if made else "all topics are there\n")
        asyncio.run(check_topics(settings, [topic.name for topic in TOPICS]))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
