"""The stand-in's own time, and the one text form in which Amazon takes and gives instants."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

_ISO_8601: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock:
    """Real time plus an offset that the control door moves; nobody has to wait for a safety lag."""

    def __init__(self, seconds: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._offset_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds() + self._offset_s, UTC)

    def advance(self, seconds: float) -> None:
        self._offset_s += seconds

    def set_to(self, moment: datetime) -> None:
        """Make ``moment`` the present; it may lie in the past."""
        self._offset_s = moment.timestamp() - self._seconds()


def instant(text: str) -> datetime:
    """Read ISO 8601 with a zone, as Amazon asks for it; anything else is a :class:`ValueError`."""
    if not _ISO_8601.fullmatch(text):
        raise ValueError(f"not an ISO 8601 date-time with a zone: {text!r}")
    return datetime.fromisoformat(text).astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Amazon's usual form, whole seconds in UTC, rounded down."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_stamp(moment: datetime) -> str:
    """The same with the fraction of a second that it has."""
    moment = moment.astimezone(UTC)
    return stamp(moment) if not moment.microsecond else moment.isoformat().replace("+00:00", "Z")


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact: the sort key of an instant."""
    return (moment - _EPOCH) // _MICROSECOND


def http_date(moment: datetime) -> str:
    """The form of the ``Date`` header."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)
