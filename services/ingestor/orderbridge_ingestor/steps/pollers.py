"""A poller per connection, wherever in the fleet: who holds the connection's lock polls it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

import structlog

from orderbridge.errors import Blocked, OrderBridgeError, Throttled, Transient
from orderbridge.step.parking import described

from ..ports import Connections, Locks, RequestRefused, Watched
from .polling import Poller
from .reports import Reports

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""How often the connections are looked at; a new one is polled from then on."""
REFUSED_WAIT_S = 60.0
"""A request that Amazon calls invalid is not repeated sooner: either it is a bug, or an outage of hours."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_REMARKED_AFTER = 3
"""How many polls in a row may fail by trouble before it is said of the connection."""


def backoff(tries: int) -> float:
    """Full jitter under a doubling bound."""
    return random.uniform(0.1, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(tries, 10)))  # noqa: S311 - no secret


class Pollers:
    """Polls every connection whose lock it gets; ``may_pass`` tells which errors of the database may not come again."""

    def __init__(
        self,
        poller: Poller,
        reports: Reports,
        connections: Connections,
        locks: Locks,
        *,
        monotonic: Callable[[], float],
        may_pass: Callable[[BaseException], bool],
        backoff: Callable[[int], float] = backoff,
    ) -> None:
        self._poller = poller
        self._reports = reports
        self._connections = connections
        self._locks = locks
        self._monotonic = monotonic
        self._may_pass = may_pass
        self._backoff = backoff
        self._watched: dict[str, Watched] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; polls under way end with the page they are at. Ends with ``SessionLost`` with the locks."""
        try:
            while not stop.is_set():
                await self._look(stop)
                await _pause(stop, LOOK_EVERY_S)
            await asyncio.gather(*self._tasks.values())
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self, stop: asyncio.Event) -> None:
        try:
            watched = await self._connections.watched()
        except Exception as error:
            if not self._may_pass(error):
                raise
            log.warning("pollers wait for the database", why=described(error))
            return
        self._watched = {each.connection.connection_id: each for each in watched}
        for name in [name for name, task in self._tasks.items() if task.done()]:
            self._tasks.pop(name).result()
            await self._locks.unlock(_lock_of(name))
        for name in self._watched.keys() - self._tasks.keys():
            if await self._locks.try_lock(_lock_of(name)):
                log.info("polling", connection_id=name)
                self._tasks[name] = asyncio.create_task(self._keep_polling(name, stop))

    async def _keep_polling(self, name: str, stop: asyncio.Event) -> None:
        """Until ``stop``, or until the connection is gone."""
        started, tries = self._monotonic(), 0
        due: float | None = started  # None: by the interval, of which a change counts at once
        while not stop.is_set() and (watched := self._watched.get(name)) is not None:
            if watched.blocked:
                due, tries = self._monotonic(), 0
                self._reports.forget(name)
                await _pause(stop, LOOK_EVERY_S)
                continue
            next_at = started + watched.connection.settings.poll_interval_s if due is None else due
            if (rest_s := next_at - self._monotonic()) > 0:
                await _pause(stop, min(rest_s, LOOK_EVERY_S))
                continue
            await self._locks.check()  # else another process polls by now
            started = self._monotonic()
            try:
                wait_s = await self._poll(watched, tries, stop)
            except Exception as error:
                if not self._may_pass(error):
                    raise
                log.warning("poll waits for the database", connection_id=name, why=described(error))
                wait_s = self._backoff(tries)
            if wait_s is None:
                due, tries = None, 0
            else:
                due, tries = self._monotonic() + wait_s, tries + 1

    async def _poll(self, watched: Watched, tries: int, stop: asyncio.Event) -> float | None:
        """Poll once; None when that went well, else how long to wait. ``tries`` polls in a row failed before."""
        connection = watched.connection
        name = connection.connection_id
        try:
            await self._poller.poll(connection, stop.is_set)
            await self._reports.working(connection)
        except Blocked as why:
            await self._connections.say_blocked(name, why)
            self._watched[name] = Watched(connection, blocked=True)
            return 0.0
        except RequestRefused as error:
            await self._remark(watched, error)
            return max(REFUSED_WAIT_S, connection.settings.poll_interval_s)
        except Transient as error:
            log.warning("poll postponed", connection_id=name, why=str(error), wait_s=error.retry_after_s)
            if tries + 1 >= _REMARKED_AFTER and not isinstance(error, Throttled):
                await self._remark(watched, error)
            return error.retry_after_s or self._backoff(tries)
        return None

    async def _remark(self, watched: Watched, error: OrderBridgeError) -> None:
        name = watched.connection.connection_id
        log.warning("poll failed", connection_id=name, why=str(error))
        # Amazon may be the very thing that does not answer.
        with contextlib.suppress(Transient):
            await self._reports.working(watched.connection, f"Orders are read late: {error}")


def _lock_of(connection_id: str) -> str:
    return f"poll:{connection_id}"


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
