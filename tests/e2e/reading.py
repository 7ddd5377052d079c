"""Reading topics from their first record to their last, by librdkafka: no code of ours lies between."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

ANSWERS_WITHIN_S = 30.0


@dataclass(frozen=True)
class Record:
    topic: str
    key: bytes
    value: bytes
    headers: dict[str, str]


def topics_of(bootstrap: str) -> list[str]:
    """All topics but Kafka's own."""
    consumer = _consumer(bootstrap)
    try:
        return sorted(name for name in consumer.list_topics(timeout=ANSWERS_WITHIN_S).topics if name[:2] != "__")
    finally:
        consumer.close()


def records_of(bootstrap: str, topics: Collection[str]) -> Iterator[Record]:
    """Everything that is in them now; the order holds within a partition, and so for each key."""
    consumer = _consumer(bootstrap)
    try:
        ends = _ends(consumer, topics)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in ends])
        while ends:
            message = consumer.poll(ANSWERS_WITHIN_S)
            assert message is not None, f"no more records, before the end of {', '.join(sorted(map(str, ends)))}"
            partition = (str(message.topic()), cast("int", message.partition()))
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ends.pop(partition, None)
            elif partition in ends:
                yield Record(partition[0], message.key() or b"", message.value() or b"", _headers(message))
                if cast("int", message.offset()) + 1 >= ends[partition]:
                    ends.pop(partition)
    finally:
        consumer.close()


def _headers(message: Message) -> dict[str, str]:
    """As librdkafka gives them: pairs of a name and bytes."""
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return {name: (value or b"").decode(errors="replace") for name, value in pairs}


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reading",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )


def _ends(consumer: Consumer, topics: Collection[str]) -> dict[tuple[str, int], int]:
    """Behind the last record of each partition that has some."""
    known = consumer.list_topics(timeout=ANSWERS_WITHIN_S).topics
    ends = {}
    for topic in topics:
        for number in known[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWERS_WITHIN_S)
            if high > low:
                ends[topic, number] = high
    return ends
