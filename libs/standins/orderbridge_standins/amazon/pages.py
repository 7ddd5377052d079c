"""Paging: opaque tokens that hold good for a day, for the very same search, and for one seller."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .orderstore import Key
from .problems import bad_page_token
from .search import SearchRequest

TOKEN_LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Cursor:
    """Where a search goes on: behind ``behind``, up to the bound in microseconds that its first page fixed."""

    seller_id: str
    signature: frozenset[tuple[str, str]]
    before: int
    answered_bound: str
    behind: Key | None
    window_orders: int
    issued_at: datetime


class PageTokens:
    def __init__(self) -> None:
        self._cursors: dict[str, Cursor] = {}

    def issue(self, cursor: Cursor) -> str:
        """A token that holds ``/``, ``+`` and ``=``, so that a client which forgets to encode it is found out."""
        token = ""
        while not ("/" in token and "+" in token):
            token = base64.b64encode(secrets.token_bytes(64)).decode()
        self._cursors[token] = cursor
        return token

    def open(self, token: str, seller_id: str, request: SearchRequest, now: datetime) -> Cursor:
        """The cursor behind a token, or the 400; a token may be used again while it lives."""
        cursor = self._cursors.get(token)
        if cursor is None or cursor.seller_id != seller_id or cursor.signature != request.signature:
            raise bad_page_token()
        if now - cursor.issued_at > TOKEN_LIFE:
            del self._cursors[token]
            raise bad_page_token()
        return cursor
