"""What is said of a connection while it works: its last poll, how far behind Amazon it is, the quota left, and how
far its back-fills are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orderbridge.events import ConnectionChanged

from ..domain.scans import progress_of
from ..ports import Amazon, Transactions, Unit

TELL_EVERY_S = 30.0
"""The figures change with every poll; more often than this they are not worth an event."""


PROGRESS_EVERY_S = 3.0
"""Somebody who asked for a back-fill looks at it."""


class Reports:
    def __init__(self, store: Transactions, amazon: Amazon, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._amazon = amazon
        self._monotonic = monotonic
        self._said: dict[str, tuple[str | None, float]] = {}
        self._progress_said: dict[str, float] = {}

    async def working(self, connection: ConnectionChanged, remark: str | None = None) -> None:
        """Tell the figures; ``remark`` is what a person should know although the connection works."""
        name = connection.connection_id
        said = self._said.get(name)
        if said is not None and said[0] == remark and self._monotonic() - said[1] < TELL_EVERY_S:
            return
        figures = await self._figures(connection)
        async with self._store.transaction() as unit:
            await figures.tell(name, remark, unit)
        self._said[name] = (remark, self._monotonic())

    async def progressed(self, connection: ConnectionChanged, *, ended: bool) -> None:
        """A back-fill went on or has ended; what is said of the connection else stays, and nothing if it is blocked."""
        name = connection.connection_id
        said = self._progress_said.get(name)
        if not ended and said is not None and self._monotonic() - said < PROGRESS_EVERY_S:
            return
        self._progress_said[name] = self._monotonic()
        figures = await self._figures(connection)
        async with self._store.transaction() as unit:
            remark = await unit.remark_of(name)
            if await unit.why_blocked(name) is None:
                await figures.tell(name, remark, unit)

    async def _figures(self, connection: ConnectionChanged) -> _Figures:
        return _Figures(await self._amazon.now(connection), await self._amazon.quota_left(connection))

    async def again(self, connection_id: str) -> None:
        """The answer to a check says nothing of the polls: their figures follow."""
        self.forget(connection_id)
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(connection_id)
            blocked = await unit.why_blocked(connection_id)
            polled = await unit.polled(connection_id)
        if connection is not None and blocked is None and polled.last_poll_at is not None:
            await self.working(connection)

    def forget(self, connection_id: str) -> None:
        """Something else was said of the connection: the next figures are told at once."""
        self._said.pop(connection_id, None)


@dataclass(frozen=True)
class _Figures:
    """What Amazon and the budget say; the rest is read with the telling."""

    now: datetime
    quota_left: float | None

    async def tell(self, name: str, remark: str | None, unit: Unit) -> None:
        polled = await unit.polled(name)
        scans = await unit.scans_of(name)
        told = {
            "last_poll_at": polled.last_poll_at,
            "lag_s": (self.now - polled.watermark).total_seconds() if polled.watermark else None,
            "quota_left": self.quota_left,
            "backfills": {scan.command_id: progress_of(scan) for scan in scans if scan.command_id is not None},
        }
        await unit.say_working(name, remark, told)
