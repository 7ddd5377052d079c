"""What is said of a connection while it works: its last poll, how far behind Amazon it is, and the quota left."""

from __future__ import annotations

from collections.abc import Callable

from orderbridge.events import ConnectionChanged

from ..ports import Amazon, Transactions

TELL_EVERY_S = 30.0
"""The figures change with every poll; more often than this they are not worth an event."""


class Reports:
    def __init__(self, store: Transactions, amazon: Amazon, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._amazon = amazon
        self._monotonic = monotonic
        self._said: dict[str, tuple[str | None, float]] = {}

    async def working(self, connection: ConnectionChanged, remark: str | None = None) -> None:
        """Tell the figures; ``remark`` is what a person should know although the connection works."""
        name = connection.connection_id
        said = self._said.get(name)
        if said is not None and said[0] == remark and self._monotonic() - said[1] < TELL_EVERY_S:
            return
        now = await self._amazon.now(connection)
        quota_left = await self._amazon.quota_left(connection)
        async with self._store.transaction() as unit:
            polled = await unit.polled(name)
            lag_s = (now - polled.watermark).total_seconds() if polled.watermark else None
            told = {"last_poll_at": polled.last_poll_at, "lag_s": lag_s, "quota_left": quota_left}
            await unit.say_working(name, remark, told)
        self._said[name] = (remark, self._monotonic())

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
