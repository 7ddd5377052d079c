"""A whole stack for tests: real processes, kept in an event loop of its own so that it outlives any single test."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.infrastructure import Infrastructure
from deploy.local.ports import free_ports
from deploy.local.run import Run, open_run
from deploy.local.stack import Options, Stack, open_stack

T = TypeVar("T")
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 60.0


class RunningStack:
    """``run`` its coroutines from any thread; they are carried out in the loop that keeps the processes."""

    def __init__(self, stack: Stack, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.stack = stack
        self.logs = folder / "logs"
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _Keeper(threading.Thread):
    def __init__(self, run: Run, infrastructure: Infrastructure) -> None:
        super().__init__(name="stack", daemon=True)
        self._run = run
        self._infrastructure = infrastructure
        self._settled = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._running: RunningStack | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._keep())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._settled.set()

    async def _keep(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        options = Options(ports=free_ports())
        async with open_stack(self._run, self._infrastructure, options, say=print) as stack:
            self._running = RunningStack(stack, self._run.folder, self._loop)
            self._settled.set()
            await self._stopping.wait()

    def running(self) -> RunningStack:
        assert self._settled.wait(READY_WITHIN_S), "the stack is not ready in time"
        if self._error is not None:
            raise self._error
        assert self._running is not None
        return self._running

    def end(self) -> None:
        if self._loop is not None and self._stopping is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self.join(STOPPED_WITHIN_S)
        assert not self.is_alive(), "the stack does not stop"


@contextlib.contextmanager
def running_stack(infrastructure: Infrastructure) -> Iterator[RunningStack]:
    """All services and stand-ins on free ports; stopped at the end."""
    with open_run() as run:
        keeper = _Keeper(run, infrastructure)
        keeper.start()
        try:
            yield keeper.running()
        finally:
            keeper.end()
