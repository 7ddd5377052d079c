"""A small process that outlives its owner and clears up after it, should the owner be killed outright.

Run as a script, it reads orders from standard input, one JSON object a line. When the input ends, it ends what is left
of the processes and removes what is left of the folders it was told of, the newest first.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 10.0
PAUSE_S = 0.05


class Guard:
    """The owner's side. Telling it of a process or folder takes effect at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def watch_process(self, pid: int, stop_signal: signal.Signals) -> None:
        """``stop_signal`` is what ends this program soonest without waiting for its clients."""
        with contextlib.suppress(psutil.NoSuchProcess):
            created = psutil.Process(pid).create_time()
            self._tell({"process": pid, "created": created, "signal": int(stop_signal)})

    def watch_folder(self, folder: Path) -> None:
        self._tell({"folder": str(folder)})

    def finish(self) -> None:
        """Have it clear up whatever the owner has left, and end."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, order: dict[str, Any]) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                self._process.stdin.flush()


def keep_watch(lines: Iterable[str]) -> None:
    """Remember what is ordered until the input ends; then clear it up."""
    orders: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for order in reversed(orders):
        if "process" in order:
            _end(order["process"], order["created"], order["signal"])
    for order in reversed(orders):
        if "folder" in order:
            shutil.rmtree(order["folder"], ignore_errors=True)


def _end(pid: int, created: float, stop_signal: int) -> None:
    # The start time tells our process from a later one that was given the same id.
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        process = psutil.Process(pid)
        if process.create_time() != created:
            return
        process.send_signal(stop_signal)
        deadline = time.monotonic() + PATIENCE_S
        # Ended, but not yet fetched by a parent that lives, is ended too.
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                return
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    keep_watch(sys.stdin)
