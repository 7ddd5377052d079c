"""Waiting for a server to answer, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

READY_WITHIN_S = 60.0
PAUSE_S = 0.05


def wait_until(condition: Callable[[], bool], *, within_s: float = READY_WITHIN_S) -> bool:
    """Poll until the condition holds; False when the deadline came first."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True
