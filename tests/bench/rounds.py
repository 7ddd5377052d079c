"""The three measurements. What they read is published before their clock starts, so that filling costs them nothing.

A rate counts arrivals on the broker, by the broker's clock, from the end of the first tenth to the last record.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from deploy.local.errors import StartError
from deploy.local.supervisor import Supervisor
from orderbridge.topics import IMPORTED, MATCHED

from .broker import Offsets, rate, spread
from .machine import rss_mib
from .orders import imports
from .rig import Rig

PEER_SOURCE: Final = "bench.peer-imported"
PEER_TARGET: Final = "bench.peer-matched"
RAW_TARGET: Final = "bench.copied"
WARM_UP: Final = 5_000
_WITHIN_S: Final = 300.0
_POLL_S: Final = 0.1


@dataclass
class Measuring:
    """Runs rounds on one rig; every round takes orders that no round had before."""

    rig: Rig
    orders: int
    peer_orders: int
    profile: str | None = None
    """Where the matcher's profile is written; it is several times slower under the profiler."""
    matcher_rss_mib: float = 0.0
    """The most that the matcher held while it worked."""
    _next: int = 0
    _last: tuple[Offsets, list[str]] | None = field(default=None, repr=False)

    async def prepare(self) -> None:
        """The topics of the other two, and a first load for the matcher: its catalogue, its caches, its tables."""
        await asyncio.to_thread(self.rig.broker.create, PEER_SOURCE, PEER_TARGET, RAW_TARGET)
        await self._hop(WARM_UP)

    async def hop(self) -> float:
        """Imported to matched, through the real service in its own process."""
        return await self._hop(self.orders)

    async def _hop(self, orders: int) -> float:
        before = await self._filled(IMPORTED, orders)
        options = ("-m", "cProfile", "-o", self.profile) if self.profile else ()

        async def work(done: Callable[[], Awaitable[bool]]) -> None:
            async with self.rig.running(self.rig.service("matcher", options)) as services:
                await self._until(done, services)

        answered = await self._arrivals(MATCHED, orders, work)
        self._last = before
        return rate(list(answered.values()))

    async def raw(self) -> float:
        """The records of the last hop, copied."""
        if self._last is None:
            raise RuntimeError("there is nothing to copy before the first hop")
        offsets, keys = self._last
        program = self.rig.program(
            "raw_copy",
            self.rig.broker.bootstrap,
            self.rig.broker.prefix + IMPORTED,
            self.rig.broker.prefix + RAW_TARGET,
            str(len(keys)),
            json.dumps([offsets[partition] for partition in sorted(offsets)]),
        )

        async def work(_done: Callable[[], Awaitable[bool]]) -> None:
            await self.rig.once(program)

        return rate(list((await self._arrivals(RAW_TARGET, len(keys), work)).values()))

    async def peer(self) -> float:
        """One message, one transaction, one publish, in its own process."""
        await self._filled(PEER_SOURCE, self.peer_orders)
        program = self.rig.program(
            "peer",
            self.rig.broker.bootstrap,
            self.rig.database_url,
            self.rig.broker.prefix + PEER_SOURCE,
            self.rig.broker.prefix + PEER_TARGET,
        )

        async def work(done: Callable[[], Awaitable[bool]]) -> None:
            async with self.rig.running(program) as services:
                await self._until(done, services)

        return rate(list((await self._arrivals(PEER_TARGET, self.peer_orders, work)).values()))

    async def _filled(self, topic: str, count: int) -> tuple[Offsets, list[str]]:
        """Publish orders that are new; where they begin, and their ids."""
        records = list(imports(self._next, count))
        self._next += count
        before = await asyncio.to_thread(self.rig.broker.ends, topic)
        await asyncio.to_thread(self.rig.broker.fill, topic, records)
        return before, [record.key for record in records]

    async def _arrivals(
        self, topic: str, count: int, work: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
    ) -> dict[str, int]:
        """Have the work done; when each of ``count`` orders came on the topic. Every one must have come."""
        before = await asyncio.to_thread(self.rig.broker.ends, topic)

        async def done() -> bool:
            return spread(before, await asyncio.to_thread(self.rig.broker.ends, topic)) >= count

        await work(done)
        after = await asyncio.to_thread(self.rig.broker.ends, topic)
        arrived = await asyncio.to_thread(self.rig.broker.arrivals, topic, before, after)
        if len(arrived) != count:
            raise StartError(f"{len(arrived)} of {count} orders came on {topic}", "look at what the processes said")
        return arrived

    async def _until(self, done: Callable[[], Awaitable[bool]], services: Supervisor) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not await done():
            if time.monotonic() > deadline:
                names = ", ".join(services.names())
                said = "; ".join(self.rig.log.last_line(name) for name in services.names())
                raise StartError(f"{names} was not done in {_WITHIN_S:g} s", f"it last said: {said}")
            for pid in services.pids("matcher") if "matcher" in services.names() else ():
                self.matcher_rss_mib = max(self.matcher_rss_mib, rss_mib(pid))
            await asyncio.sleep(_POLL_S)
