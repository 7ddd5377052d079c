"""The same command for all orders that match a filter: what was asked for, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from orderbridge.events import Event, Mode
from orderbridge.status import Status

from .commands import Asked
from .paging import OrderFilter
from .problems import FieldError, Problem
from .projection import utc


@dataclass(frozen=True)
class RetryRecord:
    """``asked_at`` is when the last of its orders was asked for; ``refused`` counts orders by a 409's code."""

    retry_id: str
    filter: OrderFilter
    asked: Asked
    actor: str
    created_at: datetime
    total: int = 0
    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    asked_at: datetime | None = None


@dataclass(frozen=True)
class RetryEndings:
    """How many of a retry's commands have ended, and when the last of them did."""

    done: int = 0
    rejected: int = 0
    at: datetime | None = None


class RetryFilter(Event):
    """As in the list of orders: all that is given must hold, several values of one field are alternatives."""

    status: tuple[Status, ...]
    reason: tuple[str, ...]
    connection: tuple[str, ...]
    q: str | None
    ship_by_before: datetime | None


class RetryEnded(Event):
    done: int
    rejected: int


class RetryResource(Event):
    """``total`` counts the orders that matched when it was asked for; each is refused, ended or still ``open``.

    ``accepted`` counts those for which there is a command, also one that was open before.
    """

    retry_id: str
    filter: RetryFilter
    mode: Mode
    reason: str | None
    actor: str
    state: Literal["open", "done"]
    total: int
    accepted: int
    refused: dict[str, int]
    ended: RetryEnded
    open: int
    created_at: datetime
    ended_at: datetime | None


def shown(retry: RetryRecord, endings: RetryEndings) -> RetryResource:
    still_open = retry.total - sum(retry.refused.values()) - endings.done - endings.rejected
    done = still_open == 0 and retry.asked_at is not None
    ended_at = max((at for at in (retry.asked_at, endings.at) if at is not None), default=None) if done else None
    return RetryResource.model_validate(
        {
            "retry_id": retry.retry_id,
            "filter": _filter(retry.filter),
            "mode": retry.asked.mode,
            "reason": retry.asked.reason,
            "actor": retry.actor,
            "state": "done" if done else "open",
            "total": retry.total,
            "accepted": retry.accepted,
            "refused": dict(sorted(retry.refused.items())),
            "ended": RetryEnded(done=endings.done, rejected=endings.rejected),
            "open": still_open,
            "created_at": utc(retry.created_at),
            "ended_at": utc(ended_at) if ended_at else None,
        }
    )


def counted(retry: RetryRecord, accepted: int, refused: list[str], asked_at: datetime | None) -> RetryRecord:
    """The retry after some more of its orders were asked for; ``asked_at`` once these were the last."""
    counts = dict(retry.refused)
    for code in refused:
        counts[code] = counts.get(code, 0) + 1
    return replace(retry, accepted=retry.accepted + accepted, refused=counts, asked_at=asked_at)


def require_some_filter(asked: OrderFilter) -> None:
    """Raises a 422 ``Problem`` for a filter that any order matches: nobody asks that of all orders by mistake."""
    if asked == OrderFilter():
        raise Problem(
            422,
            "invalid_request",
            "The filter is empty, so it would concern every order.",
            remedy="Say which orders: give at least one of status, reason, connection, q and ship_by_before.",
            errors=(FieldError("filter", "say which orders"),),
        )


def _filter(asked: OrderFilter) -> RetryFilter:
    return RetryFilter(
        status=asked.status,
        reason=asked.reason,
        connection=asked.connection,
        q=asked.q,
        ship_by_before=utc(asked.ship_by_before) if asked.ship_by_before else None,
    )
