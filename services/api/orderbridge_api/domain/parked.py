"""A message, or a piece of due work, that a service gave up on, as the api lists it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from orderbridge.events import Event, MessageParked, Service

ParkedState = Literal["parked", "replayed", "superseded"]


class ParkedMessage(Event):
    """Coordinates and reason, never the body; ``at`` is when it was parked, ``ended_at`` when that ended."""

    id: str
    state: ParkedState
    order_id: str | None
    connection_id: str | None
    service: Service
    origin: str
    partition: int | None
    offset: int | None
    reason: str
    at: datetime
    ended_at: datetime | None


class ParkedPage(Event):
    items: tuple[ParkedMessage, ...]
    next: str | None


def noted(events: Sequence[MessageParked]) -> list[ParkedMessage]:
    """One row a parked message, whatever order the words about it came in; an end is final."""
    rows: dict[str, ParkedMessage] = {}
    for event in events:
        known = rows.get(event.parked_id)
        rows[event.parked_id] = merged(known, event) if known else _row(event)
    return list(rows.values())


def _row(event: MessageParked) -> ParkedMessage:
    return ParkedMessage(
        id=event.parked_id,
        state=event.state,
        order_id=event.order_id,
        connection_id=event.connection_id,
        service=event.service,
        origin=event.origin,
        partition=event.partition,
        offset=event.offset,
        reason=event.reason,
        at=event.at,
        ended_at=None if event.state == "parked" else event.at,
    )


def merged(known: ParkedMessage, event: MessageParked) -> ParkedMessage:
    if event.state == "parked":
        return known.model_copy(update={"at": event.at})
    return known.model_copy(update={"state": event.state, "ended_at": event.at})
