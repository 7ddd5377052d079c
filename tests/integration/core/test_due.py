"""Due work on a real database: nearest ship-by first, fair, once at a time, never lost with its worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from orderbridge.errors import Blocked, Permanent, SessionLost, Unavailable
from orderbridge.events import ConnectionChanged
from orderbridge.postgres import SessionLocks, open_session_locks
from orderbridge.step import DueWorkers, Store, Unit, Work
from orderbridge.step.connections import Connections, take_connections
from orderbridge.step.unit import DueRow
from orderbridge.topics import COMMANDS_ENDED, CONNECTIONS_STATUS, PARKED
from tests.integration.core.test_step import connection_changed
from tests.support.facts import at
from tests.support.step import end, open_step_store, published, rows, until

Doing = Callable[[DueRow], Awaitable[None]]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store[Unit]]:
    async with open_step_store(database_url) as opened:
        yield opened


class Watched:
    """Remembers which connections were blocked and restored."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def blocked(self, connection_id: str, why: Blocked, unit: Unit) -> None:
        self.said.append(f"{connection_id} blocked")

    async def restored(self, connection_id: str, unit: Unit) -> None:
        self.said.append(f"{connection_id} restored")


class Vendor:
    """Lets every connection work but those it is told to refuse."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.silent: set[str] = set()

    async def try_connection(self, connection: ConnectionChanged) -> None:
        if connection.connection_id in self.silent:
            raise Unavailable("https://main.example cannot be reached")
        if connection.connection_id in self.refuses:
            raise Blocked("misconfigured", "the metafield definition is missing", missing=("amazon_order_id",))


@asynccontextmanager
async def workers(
    store: Store[Unit],
    handlers: Mapping[str, Doing],
    *,
    vendor: Vendor | None = None,
    watcher: Watched | None = None,
    at_once: int = 16,
    each: int = 6,
    locks: SessionLocks | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    async with open_session_locks(store.engine) as own_locks:
        connections = Connections(store, (vendor or Vendor()).try_connection, watcher or Watched())
        stop = asyncio.Event()
        running = DueWorkers(store, locks or own_locks, connections, handlers, at_once=at_once, each=each)
        task = asyncio.create_task(running.run(stop))
        try:
            yield task
        finally:
            if not task.done():
                await end(stop, [task])


async def schedule(store: Store[Unit], *works: Work) -> None:
    async with store.transaction() as unit:
        for work in works:
            unit.schedule(work)


def finishing(store: Store[Unit], done: list[str]) -> Doing:
    async def handle(row: DueRow) -> None:
        done.append(row.key)
        async with store.transaction() as unit:
            await unit.finish(row)

    return handle


async def test_the_nearest_ship_by_goes_first(store: Store[Unit]) -> None:
    done: list[str] = []
    await schedule(
        store,
        Work("w", "main:later", "main", ship_by=at(20)),
        Work("w", "main:never", "main"),
        Work("w", "main:soon", "main", ship_by=at(10)),
    )

    async with workers(store, {"w": finishing(store, done)}, at_once=1):
        await until(lambda: len(done) == 3)

    assert done == ["main:soon", "main:later", "main:never"]


async def test_a_connection_whose_vendor_hangs_does_not_delay_another(store: Store[Unit]) -> None:
    done: list[str] = []
    release = asyncio.Event()
    finish = finishing(store, done)

    async def handle(row: DueRow) -> None:
        if row.connection_id == "slow":
            await release.wait()
        await finish(row)

    await schedule(
        store,
        *(Work("w", f"slow:{n}", "slow", ship_by=at(0)) for n in range(20)),
        *(Work("w", f"quick:{n}", "quick", ship_by=at(60)) for n in range(20)),
    )
    async with workers(store, {"w": handle}, at_once=8, each=4):
        await until(lambda: sum(key.startswith("quick") for key in done) == 20)
        release.set()
        await until(lambda: len(done) == 40)


async def test_work_that_is_asked_for_again_while_it_runs_runs_again(store: Store[Unit]) -> None:
    seen: list[str] = []
    finish = finishing(store, [])

    async def handle(row: DueRow) -> None:
        seen.append(str(row.payload["n"]))
        if len(seen) == 1:
            await schedule(store, Work("w", "main:1", "main", {"n": "second"}))
        await finish(row)

    await schedule(store, Work("w", "main:1", "main", {"n": "first"}))
    async with workers(store, {"w": handle}):
        await until(lambda: seen == ["first", "second"])

    assert await rows(store, "select * from due") == []


async def test_work_of_a_worker_whose_session_ended_is_taken_at_once(store: Store[Unit]) -> None:
    done: list[str] = []
    await schedule(store, Work("w", "main:1", "main"))
    async with store.engine.begin() as connection:
        # A number that no session holds: its worker is dead.
        await connection.execute(text("update due set taken_by = 42"))

    async with workers(store, {"w": finishing(store, done)}):
        await until(lambda: done == ["main:1"], within_s=3)


async def test_work_of_a_living_worker_is_not_taken_by_another(store: Store[Unit]) -> None:
    done: list[str] = []
    async with open_session_locks(store.engine) as living:
        await living.lock_number(42)
        await schedule(store, Work("w", "main:1", "main"), Work("w", "main:2", "main"))
        async with store.engine.begin() as connection:
            await connection.execute(text("update due set taken_by = 42 where key = 'main:1'"))

        async with workers(store, {"w": finishing(store, done)}):
            await until(lambda: "main:2" in done)
            # Two sweeps go by.
            await schedule(store, *(Work("w", "main:3", "main", delay_s=2.2),))
            await until(lambda: "main:3" in done)

        assert "main:1" not in done


async def test_trouble_that_may_pass_is_tried_again_for_ever(store: Store[Unit]) -> None:
    tried: list[str] = []
    finish = finishing(store, [])

    async def handle(row: DueRow) -> None:
        tried.append(row.key)
        if len(tried) <= 6:
            raise Unavailable("away")
        await finish(row)

    await schedule(store, Work("w", "main:1", "main"))
    async with workers(store, {"w": handle}):
        # The wait grows with each failure; hurry it, as time would.
        async def hurried() -> bool:
            async with store.engine.begin() as connection:
                await connection.execute(text("update due set run_at = now() where taken_by is null"))
            return len(tried) == 7

        await until(hurried)

    assert await published(store, PARKED) == []


async def test_a_bug_parks_its_work_after_five_tries_and_ends_its_command(store: Store[Unit]) -> None:
    tried: list[str] = []

    async def handle(row: DueRow) -> None:
        tried.append(row.key)
        raise RuntimeError("planted, and speaking of Jane Example")

    order = "main:113-1234567-7654321"
    await schedule(store, Work("w", order, "main", {"a": 1}, cause_source="ingestor", cause_seq=3, command_id="c1"))
    async with workers(store, {"w": handle}):
        await until(lambda: published(store, PARKED), within_s=15)

    [parked] = await published(store, PARKED)
    assert len(tried) == 5
    assert (parked["order_id"], parked["origin"], parked["reason"]) == (order, "due:w", "RuntimeError")
    [ended] = await published(store, COMMANDS_ENDED)
    assert (ended["state"], ended["reason"]["code"]) == ("rejected", "message_parked")
    assert await rows(store, "select * from due") == []


async def test_what_will_not_change_is_parked_at_once(store: Store[Unit]) -> None:
    tried: list[str] = []

    async def handle(row: DueRow) -> None:
        tried.append(row.key)
        raise Permanent("it cannot be")

    await schedule(store, Work("w", "main:113-1234567-7654321", "main"))
    async with workers(store, {"w": handle}):
        await until(lambda: published(store, PARKED))

    assert len(tried) == 1


async def test_a_blocked_connection_rests_alone_and_goes_on_when_it_works_again(store: Store[Unit]) -> None:
    done: list[str] = []
    vendor, watcher = Vendor(), Watched()
    vendor.refuses.add("main")
    finish = finishing(store, done)

    async def handle(row: DueRow) -> None:
        if row.connection_id in vendor.refuses:
            raise Blocked("misconfigured", "the metafield definition is missing", missing=("amazon_order_id",))
        await finish(row)

    async with store.transaction() as unit:
        await take_connections([connection_changed("main"), connection_changed("other")], unit)
    await schedule(store, Work("w", "main:1", "main"), Work("w", "other:1", "other"))
    async with workers(store, {"w": handle}, vendor=vendor, watcher=watcher):
        await until(lambda: done == ["other:1"] and "main blocked" in watcher.said)
        vendor.refuses.clear()

        async def a_minute_later() -> bool:
            async with store.engine.begin() as connection:
                await connection.execute(text("update due set run_at = now() where kind = 'check'"))
            return "main:1" in done

        await until(a_minute_later)

    assert watcher.said == ["main blocked", "main restored"]
    said = [s for s in await published(store, CONNECTIONS_STATUS) if s["connection_id"] == "main"]
    assert [(s["state"], s["missing"]) for s in said] == [("misconfigured", ["amazon_order_id"]), ("ok", [])]


async def test_a_vendor_that_answers_no_try_is_named_and_goes_on_when_it_answers(store: Store[Unit]) -> None:
    vendor, watcher = Vendor(), Watched()
    vendor.silent.add("main")
    async with store.transaction() as unit:
        await take_connections([connection_changed("main")], unit)
    async with workers(store, {}, vendor=vendor, watcher=watcher):
        await until(lambda: watcher.said == ["main blocked"])
        vendor.silent.clear()
        async with store.engine.begin() as connection:
            await connection.execute(text("update due set run_at = now() where kind = 'check'"))
        await until(lambda: watcher.said == ["main blocked", "main restored"])
    [named, mended] = await published(store, CONNECTIONS_STATUS)
    assert (named["state"], named["missing"]) == ("misconfigured", ["a vendor that answers"])
    assert named["message"] == "https://main.example cannot be reached"
    assert mended["state"] == "ok"


async def test_a_worker_whose_locks_are_gone_ends_at_once(store: Store[Unit]) -> None:
    async with open_session_locks(store.engine) as locks:
        stop = asyncio.Event()
        watch = asyncio.create_task(locks.watch(stop, every_s=0.05))
        await until(lambda: rows(store, "select 1 as n from pg_stat_activity where query like 'select 1%'"))
        async with store.engine.begin() as connection:
            await connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                    " and datname = current_database()"
                )
            )

        with pytest.raises(SessionLost):
            await asyncio.wait_for(watch, 5)
