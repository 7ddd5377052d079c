"""The most that Kafka and aiokafka give in one process: the same bytes from one topic to another, nothing else.

``python -m tests.bench.raw_copy BOOTSTRAP SOURCE TARGET COUNT OFFSETS``; offsets are JSON, one for each partition.
The producer's settings are those of ``orderbridge.kafka``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

BATCH = 2000


async def copy(bootstrap: str, source: str, target: str, count: int, offsets: list[int]) -> None:
    """Copy ``count`` records from the given offsets on; done when all are acknowledged."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=2 * 1024 * 1024)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=256 * 1024,
        max_request_size=4 * 1024 * 1024,
    )
    try:
        await producer.start()
        await consumer.start()
        consumer.assign([TopicPartition(source, partition) for partition in range(len(offsets))])
        for partition, offset in enumerate(offsets):
            consumer.seek(TopicPartition(source, partition), offset)
        pending: list[Any] = []
        while count > 0:
            found = await consumer.getmany(timeout_ms=250, max_records=BATCH)
            # One batch is under way while the next is fetched.
            await asyncio.gather(*pending)
            pending = []
            for partition, records in found.items():
                count -= len(records)
                pending += await _send(producer, target, partition.partition, records)
        await asyncio.gather(*pending)
    finally:
        await consumer.stop()
        await producer.stop()


async def _send(producer: Any, target: str, partition: int, records: list[Any]) -> list[Any]:
    sent = []
    batch = producer.create_batch()
    for record in records:
        message = {"timestamp": None, "key": record.key, "value": record.value, "headers": [*record.headers]}
        if batch.append(**message) is None:
            sent.append(await producer.send_batch(batch, target, partition=partition))
            batch = producer.create_batch()
            batch.append(**message)
    sent.append(await producer.send_batch(batch, target, partition=partition))
    return sent


if __name__ == "__main__":
    asyncio.run(copy(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), json.loads(sys.argv[5])))
