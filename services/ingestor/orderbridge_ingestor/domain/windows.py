"""Which window of time a poll asks for, and how far the watermark moves after it (facts: Amazon section 6).

Every time in here is Amazon's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

TOKEN_LIFE = timedelta(hours=24)
"""How long Amazon keeps a page token."""


@dataclass(frozen=True)
class Window:
    """The parameters of a search, in the very text that each of its pages repeats."""

    after: str
    before: str
    marketplace_ids: str
    axis: Literal["lastUpdated", "created"] = "lastUpdated"
    """Which time of an order lies between the bounds, in the parameters' own words."""


@dataclass(frozen=True)
class Progress:
    """How far a poll has come; what is kept of it lets another process go on with the next page."""

    window: Window
    pages: int = 0
    orders: int = 0
    token: str | None = None
    token_at: datetime | None = None
    bound: datetime | None = None
    """How far the watermark may move once the last page is stored; None when Amazon did not say."""
    seen: frozenset[str] = field(default_factory=frozenset)
    """Digests of the pages and tokens that came already."""

    def resumable(self, now: datetime) -> bool:
        """Whether the next page can still be asked for."""
        return self.token is not None and self.token_at is not None and now - self.token_at < TOKEN_LIFE

    def waiting_for(self, token: str | None, now: datetime) -> Progress:
        """The page that ``token``, which came ``now``, leads to is the next; None: there is none."""
        return replace(self, token=token, token_at=now if token else None)


def text_of(moment: datetime) -> str:
    """Whole seconds, rounded down, in UTC: the one form in which times are sent."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def next_window(
    *,
    start: datetime,
    watermark: datetime | None,
    overlap_s: int,
    safety_lag_s: int,
    now: datetime,
    marketplace_ids: Sequence[str],
) -> Window | None:
    """The window to ask for ``now``, None while it would be empty; the first begins at ``start``."""
    after = start if watermark is None else watermark - timedelta(seconds=overlap_s)
    window = Window(
        after=text_of(after),
        before=text_of(now - timedelta(seconds=safety_lag_s)),
        marketplace_ids=",".join(sorted(marketplace_ids)),
    )
    return window if moment_of(window.before) > moment_of(window.after) else None


def advanced(
    progress: Progress, *, page: str | None, orders: int, token: str | None, answered: datetime | None
) -> Progress | None:
    """After one more page, without its token yet; None when the search goes in circles.

    ``page`` is a digest of the page's order ids (None for a page without orders), ``token`` one of the token that came
    with it; ``answered`` its ``lastUpdatedBefore``, of which that of the first page counts.
    """
    marks = {*({f"page {page}"} if page else ()), *({f"token {token}"} if token else ())}
    if marks & progress.seen:
        return None
    bound = progress.bound
    if progress.pages == 0 and answered is not None:
        bound = min(moment_of(progress.window.before), answered)
    return replace(
        progress, pages=progress.pages + 1, orders=progress.orders + orders, bound=bound, seen=progress.seen | marks
    )


def watermark_after(watermark: datetime | None, progress: Progress) -> datetime | None:
    """Where the watermark stands after the last page: never further back than before."""
    if progress.bound is None:
        return watermark
    return progress.bound if watermark is None else max(watermark, progress.bound)
