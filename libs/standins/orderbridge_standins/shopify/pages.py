"""Connections: key-set pages with opaque cursors, so that a page does not shift under inserted rows."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from graphql import GraphQLError

LARGEST_PAGE: Final = 250
EVERYTHING: Final = 2**31
"""A page without end: no GraphQL Int is as large, so only a bulk operation can ask for it."""
Key = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edge:
    cursor: str
    node: Any


@dataclass(frozen=True, slots=True)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    edges: tuple[Edge, ...]
    page_info: PageInfo

    @property
    def nodes(self) -> tuple[Any, ...]:
        return tuple(edge.node for edge in self.edges)


def page(
    rows: Iterable[T], key: Callable[[T], Key], *, first: int | None, after: str | None, reverse: bool = False
) -> Connection:
    """One page of the rows in the order of their keys.

    :raises GraphQLError: without ``first``, with one out of 0 to 250, or with a cursor that is not ours.
    """
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})
    if not 0 <= first <= LARGEST_PAGE and first != EVERYTHING:
        raise GraphQLError(f"first must be between 0 and {LARGEST_PAGE}", extensions={"code": "BAD_REQUEST"})
    keyed = sorted(((key(row), row) for row in rows), key=lambda pair: pair[0], reverse=reverse)
    if after is not None:
        mark = _opened(after)
        keyed = [pair for pair in keyed if (pair[0] < mark if reverse else pair[0] > mark)]
    sealed = _sealed if first <= LARGEST_PAGE else _no_cursor
    edges = tuple(Edge(sealed(mark), row) for mark, row in keyed[:first])
    info = PageInfo(
        has_next_page=len(keyed) > first,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Connection(edges, info)


def _no_cursor(_: Key) -> str:
    """What has no next page needs no marks."""
    return ""


def _sealed(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _opened(cursor: str) -> Key:
    try:
        return tuple(json.loads(base64.urlsafe_b64decode(cursor)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_REQUEST"}) from error
