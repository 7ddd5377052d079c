"""How a shop's catalogue is read: once whole, then again and again what changed since.

Changes are told from each other by Shopify's own times; our clock only measures how long there was no news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

OVERLAP = timedelta(seconds=120)
"""How far a round reaches back before the newest change known: the search index lags behind writes by seconds."""
NO_NEWS = timedelta(seconds=180)
"""After so long without a newer change the index has caught up, and rounds do not reach back any more.
Else a shop whose products all changed at once would be read whole in every round."""
_SECOND = timedelta(seconds=1)
"""As fine as Shopify's times are told; it may know, and filter by, finer ones."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``after`` and ``since`` are the page that comes next; ``seen`` is the newest change met in this round.

    ``newest`` is that of the rounds before, and ``moved_at`` when we first knew of it.
    """

    shop: str
    match_drafts: bool
    complete: bool = False
    after: str | None = None
    since: datetime | None = None
    seen: datetime | None = None
    newest: datetime | None = None
    moved_at: datetime | None = None

    @property
    def round_ended(self) -> bool:
        return self.complete and self.after is None


def advanced(progress: Progress, following: str | None, newest: datetime | None, now: datetime) -> Progress:
    """After a page: ``following`` is the cursor of the next, None when the round is complete."""
    seen = _later(progress.seen, newest)
    if following is not None:
        return replace(progress, after=following, seen=seen)
    latest = _later(progress.newest, seen)
    moved_at = progress.moved_at if latest == progress.newest and progress.moved_at else now
    since = latest and (latest - OVERLAP if now - moved_at < NO_NEWS else latest + _SECOND)
    return replace(progress, complete=True, after=None, since=since, seen=None, newest=latest, moved_at=moved_at)


def restarted(progress: Progress) -> Progress:
    """The round from its first page."""
    return replace(progress, after=None, seen=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)
