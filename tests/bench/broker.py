"""The bench's own way to Kafka, by another client than the measured ones: fills topics, counts, reads arrivals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from orderbridge.kafka import Outgoing, headers_of

PARTITIONS: Final = 12
_BY_ARRIVAL: Final = ("message.timestamp.type", "LogAppendTime")
_CHUNK: Final = 5_000
_ANSWER_S: Final = 30.0
_POLL_S: Final = 0.1
_NOT_LED_YET: Final = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)

Offsets = Mapping[int, int]
"""The next offset of each partition."""


class Broker:
    """One broker under a prefix of the bench's own; names are without it. Blocks: call it from a thread."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        # What concerns a measurement is raised here; the client's own lines about closing connections are beside it.
        self._connection: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "log_level": 2}
        self._admin: Any = AdminClient(self._connection)

    def create(self, *topics: str) -> None:
        """Make topics whose records carry the broker's own time of arrival."""
        names = [self.prefix + topic for topic in topics]
        config = dict([_BY_ARRIVAL])
        asked = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=config) for name in names]
        for made in self._admin.create_topics(asked).values():
            made.result()

    def stamp_arrivals(self, *topics: str) -> None:
        """Have the broker write its own time of arrival into the records of topics that are there already."""
        entry = ConfigEntry(*_BY_ARRIVAL, incremental_operation=AlterConfigOpType.SET)
        resources = [
            ConfigResource(ResourceType.TOPIC, self.prefix + topic, incremental_configs=[entry]) for topic in topics
        ]
        for changed in self._admin.incremental_alter_configs(resources).values():
            changed.result()

    def delete_all(self) -> None:
        """Delete every topic under the prefix."""
        names = [name for name in self._admin.list_topics(timeout=_ANSWER_S).topics if name.startswith(self.prefix)]
        if names:
            for deleted in self._admin.delete_topics(names).values():
                deleted.result()

    def ends(self, topic: str) -> Offsets:
        """Where each partition ends now; waits for the leaders of a topic that was just made."""
        asked = {
            TopicPartition(self.prefix + topic, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for partition in range(PARTITIONS)
        }
        deadline = time.monotonic() + _ANSWER_S
        while True:
            answers = self._admin.list_offsets(asked, request_timeout=_ANSWER_S)
            try:
                return {partition.partition: answer.result().offset for partition, answer in answers.items()}
            except KafkaException as error:
                if error.args[0].code() not in _NOT_LED_YET or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    def fill(self, topic: str, records: Iterable[Outgoing]) -> None:
        """Publish and wait until all are acknowledged."""
        producer: Any = Producer(
            {
                **self._connection,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 20,
                "partitioner": "murmur2_random",
            }
        )
        refused: list[Any] = []

        def acknowledged(error: Any, _message: Any) -> None:
            if error is not None:
                refused.append(error)

        name = self.prefix + topic
        remaining = iter(records)
        # In pieces that fit the client's queue.
        while chunk := list(itertools.islice(remaining, _CHUNK)):
            for record in chunk:
                producer.produce(
                    name, key=record.key, value=record.value, headers=headers_of(record), on_delivery=acknowledged
                )
            producer.flush(_ANSWER_S)
        if refused or len(producer):
            raise RuntimeError(f"{topic} could not be filled: {refused[:1] or 'not acknowledged in time'}")

    def arrivals(self, topic: str, since: Offsets, until: Offsets) -> dict[str, int]:
        """Between two ends: when the first record of each key came, in milliseconds."""
        consumer: Any = Consumer({**self._connection, "group.id": f"{self.prefix}bench", "enable.auto.commit": False})
        consumer.assign([TopicPartition(self.prefix + topic, number, offset) for number, offset in since.items()])
        missing = spread(since, until)
        first: dict[str, int] = {}
        deadline = time.monotonic() + _ANSWER_S
        try:
            while missing > 0:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{missing} records of {topic} cannot be read back")
                for message in consumer.consume(10_000, timeout=1.0):
                    if message.error() is None and message.offset() < until[message.partition()]:
                        missing -= 1
                        _, at_ms = message.timestamp()
                        key = message.key().decode()
                        first[key] = min(first.get(key, at_ms), at_ms)
        finally:
            consumer.close()
        return first


def spread(since: Offsets, until: Offsets) -> int:
    """How many records lie between two ends."""
    return sum(until[partition] - since[partition] for partition in since)


def rate(arrivals_ms: Sequence[int], warm_up: float = 0.1) -> float:
    """Records a second from arrival to arrival, once the first tenth has come.

    The first records see cold caches, prepared statements that are not there yet and a consumer group that forms.
    """
    ordered = sorted(arrivals_ms)
    start = int(len(ordered) * warm_up)
    return (len(ordered) - 1 - start) / ((ordered[-1] - ordered[start]) / 1000)
