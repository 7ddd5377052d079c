"""Each worker's own copy of the connections, and how it gets on with each: ok, unauthorized or misconfigured.

A blocked connection's due work rests; it is probed every minute, and goes on by itself once a probe succeeds. A removed
one is remembered: its row stays, with nothing in its ``config``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import text

from ..errors import Blocked, Throttled, Transient
from ..events import ConnectionChanged, ConnectionRemoved, ConnectionStatus
from ..topics import CONNECTIONS_STATUS
from .unit import DueRow, Store, Unit, Work

PROBE_EVERY_S = 60.0
UNANSWERED_TRIES = 3
"""A vendor that did not answer so many tries in a row is said to: its address may be wrong, or it is down."""
CHECK = "check"
"""The kind of due work that tries a connection's vendor; it runs although the connection is blocked."""
SET_ASIDE = "message"
"""The kind of due work that is an event whose connection is not known yet."""
REPLAY = "replay"
"""The kind of due work that takes something parked again; it runs although the connection is blocked, or gone."""

State = Literal["ok", "unauthorized", "misconfigured"]
U = TypeVar("U", bound=Unit)
W = TypeVar("W", bound=Unit, contravariant=True)


_KEEP = text("""
    insert into connections (connection_id, rev, config) values (:id, :rev, cast(:config as jsonb))
    on conflict (connection_id) do update set rev = excluded.rev, config = excluded.config
    where connections.rev < excluded.rev returning true
""")

_FORGET_STATUS = text("""
    update connections set state = 'ok', message = null, missing = '[]', status_rev = status_rev + 1
    where connection_id = :id returning status_rev
""")


class Watcher(Protocol[W]):
    """What a service does when a connection stops working, and when it works again, in that transaction."""

    async def blocked(self, connection_id: str, why: Blocked, unit: W) -> None: ...

    async def restored(self, connection_id: str, unit: W) -> None: ...


ConnectionEvent = ConnectionChanged | ConnectionRemoved


def removed(key: str, rev: int) -> ConnectionRemoved:
    """What the tombstone of a connection says."""
    return ConnectionRemoved(connection_id=key, rev=rev)


async def take_connections(events: Sequence[ConnectionEvent], unit: Unit) -> list[str]:
    """Keep the newest settings, release events that waited for the connection, and try its vendor.

    Returns the connections that were removed: what is open of them is the caller's to end, and then theirs to drop.
    """
    gone: list[str] = []
    for event in events:
        name = event.connection_id
        config = event.model_dump_json() if isinstance(event, ConnectionChanged) else "null"
        taken = await unit.connection.scalar(_KEEP, {"id": name, "rev": event.rev, "config": config})
        if not taken:
            continue
        await unit.connection.execute(
            text("update due set run_at = now() where connection_id = :id and kind = :kind"),
            {"id": name, "kind": SET_ASIDE},
        )
        gone = [one for one in gone if one != name]
        if isinstance(event, ConnectionChanged):
            unit.schedule(Work(CHECK, name, name, {"check": event.check}))
        else:
            gone.append(name)
            await _take_back_status(unit, name)
    return gone


async def _take_back_status(unit: Unit, connection_id: str) -> None:
    """Nothing is said of a removed connection any more, and nothing of it rests."""
    rev = await unit.connection.scalar(_FORGET_STATUS, {"id": connection_id})
    unit.publish(CONNECTIONS_STATUS, f"{connection_id}:{unit.service}", int(rev), None)


async def drop_work(unit: Unit, connection_id: str, kept: Collection[str] = ()) -> None:
    """Of a removed connection nothing is due any more but work of the ``kept`` kinds, replays, and events set aside."""
    await unit.connection.execute(
        text("delete from due where connection_id = :id and kind <> all(cast(:kept as text[]))"),
        {"id": connection_id, "kept": [SET_ASIDE, REPLAY, *kept]},
    )


async def connection_of(unit: Unit, connection_id: str) -> ConnectionChanged | None:
    config = await unit.connection.scalar(
        text("select config from connections where connection_id = :id"), {"id": connection_id}
    )
    return ConnectionChanged.model_validate(config) if config is not None else None


async def all_connections(unit: Unit) -> list[ConnectionChanged]:
    found = await unit.connection.execute(
        text("select config from connections where config <> 'null' order by connection_id")
    )
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
            where connection_id = :id and config <> 'null' for update
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
            if connection is None:
                await unit.finish(row)
                return
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
                select :kind, connection_id, connection_id, now() + make_interval(secs => :delay) from connections
                where connection_id = :id and config <> 'null' on conflict (kind, key) do nothing
            """),
            {"kind": CHECK, "id": connection_id, "delay": PROBE_EVERY_S},
        )
