"""Receiving: a member of a group that says itself what is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from ..settings import KafkaSettings
from .connection import connection, started
from .records import Received


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
            **connection(settings),
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
        await started(self._client, self._settings)

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
