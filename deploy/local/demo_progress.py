"""What a person sees while the demo plays: lines that stay, and under them how the orders stand right now."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

STATUSES = ("imported", "matched", "creating", "created", "skipped", "pending", "unmatched", "failed", "canceled")
COLOURS = {"created": "green", "failed": "red", "unmatched": "yellow", "pending": "cyan", "skipped": "bright_black"}
LINE_EVERY_S = 2.0
BAR_WIDTH = 40


class Progress:
    """On a terminal one view that renews itself; elsewhere a plain line every 2 s, and only when something changed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._began = time.monotonic()
        self._live: Live | None = None
        self._last_line = ""
        self._last_at = float("-inf")
        if self._stream.isatty():
            console = Console(file=self._stream, highlight=False)
            self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.finish()

    def finish(self) -> None:
        """The view goes away; what is printed from now on stays below the lines."""
        if self._live is not None:
            self._live.stop()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        """A line that stays, with the seconds since the beginning."""
        self._write(f"{self.seconds:6.1f} s  {line}")

    def show(self, counts: Mapping[str, Any]) -> None:
        """How the orders stand: the answer of `GET /v1/orders/counts`."""
        if self._live is not None:
            self._live.update(_view(counts))
            return
        line = told(counts)
        if line != self._last_line and time.monotonic() - self._last_at >= LINE_EVERY_S:
            self._last_line, self._last_at = line, time.monotonic()
            self.say(f"  {line}")

    def _write(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, soft_wrap=True)
        else:
            self._stream.write(f"{line}\n")
            self._stream.flush()


def told(counts: Mapping[str, Any]) -> str:
    """The same in one line."""
    parts = [f"{counts['by_status'][status]} {status}" for status in STATUSES if counts["by_status"].get(status)]
    return f"{counts['total']} orders: {', '.join(parts) or 'none yet'}"


def _view(counts: Mapping[str, Any]) -> Table:
    view = Table.grid(padding=(0, 2))
    view.add_row("", f"{counts['total']} orders", "")
    for status in STATUSES:
        number = counts["by_status"].get(status, 0)
        bar = "█" * round(BAR_WIDTH * number / max(1, counts["total"]))
        view.add_row(status, str(number), f"[{COLOURS.get(status, 'blue')}]{bar}[/]")
    return view
