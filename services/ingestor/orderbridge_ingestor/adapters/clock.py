"""Amazon's time: the ``Date`` of its newest answer, carried on by a clock that nobody can set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from orderbridge.errors import Unavailable


class AmazonClock:
    """No wall clock of ours takes part: it may be minutes off, and Amazon refuses a window that ends too late."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told: tuple[datetime, float] | None = None

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take the time of an answer that has just come."""
        try:
            moment = parsedate_to_datetime(headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):
            return
        if moment.tzinfo is None:  # "-0000": UTC of an unknown place
            moment = moment.replace(tzinfo=UTC)
        self._told = (moment.astimezone(UTC), self._monotonic())

    @property
    def known(self) -> bool:
        return self._told is not None

    def now(self) -> datetime:
        """:raises Unavailable: no answer has told the time yet."""
        if self._told is None:
            raise Unavailable("no answer of Amazon's has told the time")
        moment, then = self._told
        return moment + timedelta(seconds=self._monotonic() - then)
