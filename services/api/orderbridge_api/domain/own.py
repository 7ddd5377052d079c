"""The api's own changes of an order, numbered and kept like every other fact: messages parked, attention set."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from orderbridge.events import Attention, Event, Fact, MessageParked

OwnKind = Literal["parked", "replayed", "superseded", "attention_set", "attention_cleared"]
Seqs = tuple[int, int, int]
"""The newest ``seq`` of import, match and creation; 0 where there is none."""


class BoundAttention(Event):
    """An attention and the facts it was said of: a newer fact ends it by itself."""

    attention: Attention
    seqs: Seqs


class OwnFact(Fact):
    """The api's whole own view of one order, and the change that made it.

    Its ``seq`` counts the changes, whatever order they came in; ``latest_at`` is the latest time of any of them.
    """

    source: Literal["api"] = "api"
    kind: OwnKind
    seen: tuple[str, ...] = ()
    """Every ``<parked_id>/<state>`` heard of, sorted."""
    attention: tuple[BoundAttention, ...] = ()
    latest_at: datetime
    parked_id: str | None = None
    note: str | None = None
    """One sentence about the change, for the timeline."""


def open_parked(own: OwnFact | None) -> list[str]:
    """Ids of the order's messages that are parked and not closed, sorted."""
    if own is None:
        return []
    closed = {said.rpartition("/")[0] for said in own.seen if not said.endswith("/parked")}
    parked = {said.rpartition("/")[0] for said in own.seen if said.endswith("/parked")}
    return sorted(parked - closed)


def heard(own: OwnFact | None, event: MessageParked) -> OwnFact | None:
    """The own view after a word about a parked message; None when it was heard before."""
    said = f"{event.parked_id}/{event.state}"
    if own is not None and said in own.seen:
        return None
    return OwnFact(
        order_id=event.order_id or "",
        seq=(own.seq if own else 0) + 1,
        at=event.at,
        kind=event.state,
        seen=tuple(sorted({*(own.seen if own else ()), said})),
        attention=own.attention if own else (),
        latest_at=max(event.at, own.latest_at) if own else event.at,
        parked_id=event.parked_id,
        note=event.reason,
    )


def with_stuck(own: OwnFact | None, order_id: str, seqs: Seqs, message: str | None, now: datetime) -> OwnFact:
    """The own view with the attention ``stuck`` saying ``message``, or without it."""
    others = tuple(item for item in (own.attention if own else ()) if item.attention.code != STUCK)
    said = Attention(code=STUCK, message=message, since=now) if message else None
    return OwnFact(
        order_id=order_id,
        seq=(own.seq if own else 0) + 1,
        at=now,
        kind="attention_set" if said else "attention_cleared",
        seen=own.seen if own else (),
        attention=(*others, BoundAttention(attention=said, seqs=seqs)) if said else others,
        latest_at=max(now, own.latest_at) if own else now,
        note=message or "The order moves again.",
    )


STUCK = "stuck"
