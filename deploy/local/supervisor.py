"""Keeps processes running: waits until each is ready, starts again what ended by itself, stops all in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import time
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import StartError
from .guard import Guard
from .process_log import ProcessLog

# A service ends with this code when its set-up is wrong: starting it again cannot help.
WRONG_SETUP = 2
READY_WITHIN_S = 60.0
POLL_S = 0.1
FIRST_PAUSE_S = 0.5
# Without the proxies of the environment: what is asked runs on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LONGEST_PAUSE_S = 30.0
# Who ran this long was well: the next pause is the first one again.
STEADY_AFTER_S = 60.0
# Longer than a service takes to drain (45 s), so that none is cut off in the middle of its work.
STOP_WITHIN_S = 50.0


@dataclass(frozen=True)
class Process:
    """``env`` is its whole environment; with a ``ready_url`` it is ready when a GET of it answers 200, else at once."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready_url: str | None = None


class Supervised:
    """One process and what becomes of it; ended on purpose until `wanted`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.wanted = True
        self.running: asyncio.subprocess.Process | None = None
        self.keeper: asyncio.Task[None] | None = None


class Supervisor:
    """``say`` takes one line for the operator. Use within one event loop, and `stop` at the end."""

    def __init__(
        self,
        *,
        guard: Guard,
        log: ProcessLog,
        folder: Path,
        say: Callable[[str], None],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._guard = guard
        self._log = log
        self._folder = folder
        self._say = say
        self._first_pause_s = first_pause_s
        self._all: dict[str, Supervised] = {}
        self._failed: asyncio.Future[StartError] = asyncio.get_running_loop().create_future()

    async def run_once(self, process: Process) -> None:
        """Run it to its end. Raises ``StartError`` with its own last line when the code is not 0."""
        once = Supervised(process)
        try:
            code = await self._follow(once)
        finally:
            if once.running is not None and once.running.returncode is None:
                once.running.kill()
        if code != 0:
            raise self._error(process.name, code)

    async def start(self, *processes: Process) -> None:
        """Start them together and wait until all are ready; afterwards each is started again when it ends by itself.

        Raises ``StartError`` when one's set-up is wrong or it is not ready in time.
        """
        for process in processes:
            self._keep(self._all.setdefault(process.name, Supervised(process)))
        await self._ready(*(self._all[process.name] for process in processes))

    async def start_again(self, name: str) -> None:
        """Start what `kill` ended, and wait until it is ready."""
        supervised = self._all[name]
        supervised.wanted = True
        self._keep(supervised)
        await self._ready(supervised)

    async def kill(self, name: str) -> None:
        """SIGKILL; it stays down until `start_again`."""
        await self._end(self._all[name], signal.SIGKILL)

    def names(self) -> tuple[str, ...]:
        """Of all that were started, in that order."""
        return tuple(self._all)

    def pids(self, name: str) -> tuple[int, ...]:
        """Empty while it is down."""
        running = self._all[name].running
        return (running.pid,) if running is not None and running.returncode is None else ()

    async def failure(self) -> StartError:
        """Wait until a process ends with the code of a wrong set-up; its last line is in the error."""
        return await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """End all, the newest first: SIGTERM, time to drain, SIGKILL."""
        for supervised in reversed(self._all.values()):
            await self._end(supervised, signal.SIGTERM)

    def _keep(self, supervised: Supervised) -> None:
        supervised.keeper = asyncio.create_task(self._keep_running(supervised), name=supervised.process.name)

    async def _keep_running(self, supervised: Supervised) -> None:
        pause_s = self._first_pause_s
        name = supervised.process.name
        while True:
            started = time.monotonic()
            code = await self._follow(supervised)
            if not supervised.wanted:
                return
            if code == WRONG_SETUP:
                if not self._failed.done():
                    self._failed.set_result(self._error(name, code))
                return
            if time.monotonic() - started > STEADY_AFTER_S:
                pause_s = self._first_pause_s
            self._say(f"{name} ended by itself ({_ending(code)}), starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _follow(self, supervised: Supervised) -> int:
        process = supervised.process
        supervised.running = running = await asyncio.create_subprocess_exec(
            *process.argv,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=self._folder,
            env=dict(process.env),
            start_new_session=True,
        )
        self._guard.watch_process(running.pid, signal.SIGKILL)
        assert running.stdout is not None  # noqa: S101 - asked for above
        await self._log.follow(process.name, running.stdout)
        return await running.wait()

    async def _ready(self, *waiting: Supervised) -> None:
        failure = asyncio.create_task(self.failure())
        tasks = {asyncio.create_task(self._becomes_ready(supervised.process)) for supervised in waiting}
        try:
            while tasks:
                done, _ = await asyncio.wait({failure, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                if failure in done:
                    raise failure.result()
                for task in done:
                    task.result()
                tasks -= done
        finally:
            await _cancelled(failure, *tasks)

    async def _becomes_ready(self, process: Process) -> None:
        if process.ready_url is None:
            return
        deadline = time.monotonic() + READY_WITHIN_S
        while not await asyncio.to_thread(_answers, process.ready_url):
            if time.monotonic() > deadline:
                said = self._log.last_line(process.name)
                raise StartError(f"{process.name} is not ready after {READY_WITHIN_S:g} s", f"it last said: {said}")
            await asyncio.sleep(POLL_S)

    async def _end(self, supervised: Supervised, number: signal.Signals) -> None:
        supervised.wanted = False
        keeper, running = supervised.keeper, supervised.running
        if keeper is None or keeper.done():
            return
        if running is None or running.returncode is not None:
            keeper.cancel()  # it is between two starts
        else:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(number)
        _, late = await asyncio.wait({keeper}, timeout=STOP_WITHIN_S)
        if late and running is not None:
            self._say(f"{supervised.process.name} does not stop, killing it")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            await asyncio.wait({keeper})

    def _error(self, name: str, code: int) -> StartError:
        return StartError(f"{name} cannot run ({_ending(code)})", self._log.last_line(name))


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ending(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name


def _answers(url: str) -> bool:
    try:
        with DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):  # refused, cut off, 503 while it gets ready, or no HTTP
        return False
