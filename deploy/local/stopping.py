"""Turning the signals that end a program into an exception, so that everything open is closed in order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP do what Ctrl-C does: raise ``KeyboardInterrupt``, in asyncio cancel the main task."""
    before = {number: signal.signal(number, _as_interrupt) for number in SIGNALS}
    # A shell's background job is started with SIGINT ignored, and so are its children.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
