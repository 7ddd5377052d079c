"""A record as it comes and as it goes, with its CloudEvents headers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple


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
