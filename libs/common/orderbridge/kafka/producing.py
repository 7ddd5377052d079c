"""Publishing: every record acknowledged by all replicas, in order per key."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ..errors import ConfigurationError, Unavailable
from ..settings import KafkaSettings
from .connection import connection, started
from .records import Outgoing, headers_of

_SEND_DEADLINE_S = 30.0
_MIX = 0x5BD1E995
_WORD = struct.Struct("<I")


class Producer:
    """Publishes batches; every record is acknowledged by all replicas, or the whole call raises."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: Any = None
        self._partitions: dict[str, int] = {}

    async def start(self) -> None:
        self._client = AIOKafkaProducer(
            **connection(self._settings),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
        )
        try:
            await started(self._client, self._settings)
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
