"""Where the stand-in reads the time; tests give it another clock and never wait."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamps, monotonic seconds for lags, tokens and the point bucket."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clocks; stamps are whole seconds, as Shopify's are."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(int(time.time()), UTC)

    def monotonic(self) -> float:
        return time.monotonic()
