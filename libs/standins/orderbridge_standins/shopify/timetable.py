"""What is to happen later in a shop."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Final

from .clock import Clock

_TIMER_SLACK_S: Final = 0.005


class Timetable:
    """Effects in the order of their time; those of one moment in the order in which they were asked for."""

    def __init__(self, clock: Clock, before_each: Callable[[], None]) -> None:
        self._clock = clock
        self._before_each = before_each
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._turn = itertools.count()

    def at(self, delay_s: float, effect: Callable[[], None]) -> None:
        """Have something happen later; it is done before the first call that could see it, and without one in time."""
        heapq.heappush(self._due, (self._clock.monotonic() + delay_s, next(self._turn), effect))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next call finds it
        loop.call_later(delay_s + _TIMER_SLACK_S, self.catch_up)

    def catch_up(self) -> None:
        """Let everything happen that is due."""
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            effect = heapq.heappop(self._due)[2]
            self._before_each()
            effect()
        self._before_each()
