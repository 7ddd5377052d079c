"""Each worker's own copy of the connections, and how it gets on with each: ok, unauthorized or misconfigured.

A blocked connection's due work rests; it is probed every minute, and goes on by itself once a probe succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import text

from ..errors import Blocked, Throttled, Transient
from ..events import ConnectionChanged, ConnectionStatus
from ..topics import CONNECTIONS_STATUS
from .unit import DueRow, Store, Unit, Work

PROBE_EVERY_S = 60.0
UNANSWERED_TRIES = 3
"""A vendor that did not answer so many tries in a row is said to: its address may be wrong, or it is down."""
CHECK = "check"
"""The kind of due work that tries a connection's vendor; it runs although the connection is blocked."""
SET_ASIDE = "message"
"""The kind of due work that is an event whose connection is not known yet."""

State = Literal["ok", "unauthorized", "misconfigured"]
U = TypeVar("U", bound=Unit)
W = TypeVar("W", bound=Unit, contravariant=True)


class Watcher(Protocol[W]):
    """What a service does when a connection stops working, and when it works again, in that transaction."""

    async def blocked(self, connection_id: str, why: Blocked, unit: W) -> None: ...

    async def restored(self, connection_id: str, unit: W) -> None: ...


async def take_connections(events: Sequence[ConnectionChanged], unit: Unit) -> None:
    """Keep the newest settings, release events that waited for the connection, and try its vendor."""
    for event in events:
        taken = await unit.connection.scalar(
            text("""
                insert into connections (connection_id, rev, config) values (:id, :rev, cast(:config as jsonb))
                on conflict (connection_id) do update set rev = excluded.rev, config = excluded.config
                where connections.rev < excluded.rev returning true
            """),
            {"id": event.connection_id, "rev": event.rev, "config": event.model_dump_json()},
        )
        if not taken:
            continue
        await unit.connection.execute(
            text("update due set run_at = now() where connection_id = :id and kind = :kind"),
            {"id": event.connection_id, "kind": SET_ASIDE},
        )
        unit.schedule(Work(CHECK, event.connection_id, event.connection_id, {"check": event.check}))


async def connection_of(unit: Unit, connection_id: str) -> ConnectionChanged | None:
    config = await unit.connection.scalar(
        text("select config from connections where connection_id = :id"), {"id": connection_id}
    )
    return ConnectionChanged.model_validate(config) if config is not None else None


async def all_connections(unit: Unit) -> list[ConnectionChanged]:
    found = await unit.connection.execute(text("select config from connections order by connection_id"))
    return [ConnectionChanged.model_validate(config) for config in found.scalars()]


async def state_of(unit: Unit, connection_id: str) -> Blocked | None:
    """Why the connection is blocked, None when it works."""
    found = await unit.connection.execute(
        text("select state, message, missing from connections where connection_id = :id"), {"id": connection_id}
    )
    row = found.mappings().first()
    if row is None or row["state"] == "ok":
        return None
    return Blocked(row["state"], row["message"] or row["state"], missing=tuple(row["missing"]))


async def say(unit: Unit, connection_id: str, state: State, why: Blocked | None, **told: Any) -> bool:
    """Store and publish how the connection does, when that changed or a check asked; True when the state changed.

    ``told`` are further fields of ``ConnectionStatus``; ``check`` is the number of the check this answers.
    """
    found = await unit.connection.execute(
        text("""
            select state, status_rev, check_answered, coalesce(message, '') as message from connections
            where connection_id = :id for update
        """),
        {"id": connection_id},
    )
    row = found.mappings().first()
    if row is None:
        return False
    changed = bool(row["state"] != state)
    check = max(told.pop("check", 0), row["check_answered"])
    new_words = row["message"] != (str(why) if why else "")
    if not (changed or new_words or told or check > row["check_answered"] or row["status_rev"] == 0):
        return False
    status = ConnectionStatus(
        connection_id=connection_id,
        service=unit.service,
        rev=row["status_rev"] + 1,
        state=state,
        message=str(why) if why else None,
        missing=why.missing if why else (),
        check=check,
        at=unit.now,
        **told,
    )
    await unit.connection.execute(
        text("""
            update connections set state = :state, message = :message, missing = cast(:missing as jsonb),
                status_rev = :rev, check_answered = :check where connection_id = :id
        """),
        {
            "id": connection_id,
            "state": state,
            "message": status.message,
            "missing": json.dumps(status.missing),
            "rev": status.rev,
            "check": check,
        },
    )
    unit.publish(CONNECTIONS_STATUS, f"{connection_id}:{unit.service}", status.rev, status)
    return changed


class Connections:
    """Blocks and restores connections; ``try_vendor`` raises ``Blocked`` when a connection cannot work now."""

    def __init__(
        self,
        store: Store[U],
        try_vendor: Callable[[ConnectionChanged], Awaitable[None]],
        watcher: Watcher[U],
    ) -> None:
        self._store: Store[Any] = store
        self._try_vendor = try_vendor
        self._watcher: Watcher[Any] = watcher

    async def check(self, row: DueRow) -> None:
        """Due work of kind ``check``: ask the vendor, and say what came."""
        async with self._store.transaction() as unit:
            connection = await connection_of(unit, row.connection_id)
        if connection is not None:
            try:
                await self._try_vendor(connection)
            except Blocked as why:
                await self.block(row, why)
                return
            except Throttled:
                raise
            except Transient as error:
                if row.waits + 1 < UNANSWERED_TRIES:
                    raise
                await self.block(row, Blocked("misconfigured", str(error), missing=("a vendor that answers",)))
                return
        async with self._store.transaction() as unit:
            if await say(unit, row.connection_id, "ok", None, check=int(row.payload.get("check", 0))):
                await self._watcher.restored(row.connection_id, unit)
                self._store.due_written.set()
            await unit.finish(row)

    async def block(self, row: DueRow, why: Blocked) -> None:
        """The vendor refuses the connection: say so, let its work rest, and probe again in a minute."""
        async with self._store.transaction() as unit:
            await self.say_blocked(unit, row.connection_id, why, check=int(row.payload.get("check", 0)))
            await unit.postpone(row, PROBE_EVERY_S if row.kind == CHECK else 0.0)

    async def say_blocked(self, unit: Any, connection_id: str, why: Blocked, *, check: int = 0) -> None:
        state: State = "unauthorized" if why.state == "unauthorized" else "misconfigured"
        if await say(unit, connection_id, state, why, check=check):
            await self._watcher.blocked(connection_id, why, unit)
        await unit.connection.execute(
            text("""
                insert into due (kind, key, connection_id, run_at)
                values (:kind, :id, :id, now() + make_interval(secs => :delay)) on conflict (kind, key) do nothing
            """),
            {"kind": CHECK, "id": connection_id, "delay": PROBE_EVERY_S},
        )
