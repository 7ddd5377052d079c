"""Lists: what is asked for, and the opaque cursor that goes on after an item."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from orderbridge.status import Status

from .problems import unusable

SortField = Literal["purchased_at", "ship_by", "updated_at"]
Sort = Literal["purchased_at", "-purchased_at", "ship_by", "-ship_by", "updated_at", "-updated_at"]


@dataclass(frozen=True)
class OrderFilter:
    """All that is given must hold; several values of one field are alternatives."""

    connection: tuple[str, ...] = ()
    q: str | None = None
    ship_by_before: datetime | None = None
    status: tuple[Status, ...] = ()
    reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class Position:
    """The last item of a page: its sort value (None: it has none) and its id."""

    value: datetime | None
    id: str


@dataclass(frozen=True)
class Page:
    """``field`` descending or not, items without a value last; ``after`` is where the last page ended."""

    limit: int
    field: str
    descending: bool
    after: Position | None = None


def page_of(sort: str, limit: int, cursor: str | None) -> Page:
    """Raises a 422 ``Problem`` for a cursor that is not of this list and sort."""
    after = _position(sort, cursor) if cursor is not None else None
    return Page(limit, sort.removeprefix("-"), sort.startswith("-"), after)


def cursor_of(sort: str, position: Position) -> str:
    value = position.value.isoformat() if position.value else None
    return base64.urlsafe_b64encode(json.dumps([sort, value, position.id]).encode()).decode().rstrip("=")


def _position(sort: str, cursor: str) -> Position:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        said: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        of, value, item = said
        if of == sort and isinstance(item, str) and "\0" not in item:
            moment = datetime.fromisoformat(value) if value is not None else None
            if moment is None or moment.tzinfo is not None:
                return Position(moment, item)
    except (binascii.Error, ValueError, TypeError):
        pass
    raise unusable(
        "cursor",
        cursor[:200],
        "This is no cursor of this list and sort.",
        "Take the cursor from next of the page before, with the same sort.",
    )
