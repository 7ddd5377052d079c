"""What a back-fill may ask for: a range of time that Amazon still keeps, or orders by their ids."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from orderbridge.events import BackfillAsked

from .problems import unusable

KEPT = timedelta(days=730)
"""Amazon's model of Orders v2026-01-01: orders older than two years are not returned, but in three marketplaces."""
KEPT_SINCE_2016 = frozenset({"A1VC38T7YXB528", "A39IBJ37TRP1C6", "A19VAU5U5O7RUS"})
"""Japan, Australia and Singapore."""
_2016 = datetime(2016, 1, 1, tzinfo=UTC)


def kept_from(marketplace_ids: Collection[str], now: datetime) -> datetime:
    """The oldest moment of which Amazon tells, for all of the marketplaces."""
    return _2016 if KEPT_SINCE_2016.issuperset(marketplace_ids) else now - KEPT


def checked_backfill(asked: BackfillAsked, marketplace_ids: Collection[str], now: datetime) -> BackfillAsked:
    """Raises a 422 ``Problem`` that names the bound."""
    after, before = asked.created_from, asked.created_to
    if after is None or before is None:
        return asked
    after, before, oldest = after.astimezone(UTC), before.astimezone(UTC), kept_from(marketplace_ids, now)
    if after >= before:
        raise unusable(
            "from",
            _shown(after),
            f"The range is empty: from must be before to, which is {_shown(before)}.",
            "Swap the two, or ask for a longer range.",
        )
    if before > now:
        raise unusable(
            "to",
            _shown(before),
            f"The range ends in the future: to may be {_shown(now)} at the latest.",
            "End the range now; what comes later is imported by itself.",
        )
    if after < oldest:
        kept = "since 2016" if oldest == _2016 else "for two years"
        raise unusable(
            "from",
            _shown(after),
            f"Amazon keeps these orders {kept}: from may be {_shown(oldest)} at the earliest.",
            f"Begin the range at {_shown(oldest)} or later.",
        )
    return BackfillAsked(created_from=after, created_to=before)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
