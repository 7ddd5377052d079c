"""The topics as Strimzi's custom resources, for clusters whose operator owns them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orderbridge.topics import Topic


def kafka_topics(topics: Iterable[Topic]) -> list[dict[str, Any]]:
    """One KafkaTopic each (kafka.strimzi.io/v1); the replication factor is the broker's own default."""
    return [
        {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": "orderbridge"}},
            "spec": {
                "topicName": topic.name,
                "partitions": topic.partitions,
                "config": {name: int(value) if value.isdecimal() else value for name, value in topic.settings.items()},
            },
        }
        for topic in topics
    ]
