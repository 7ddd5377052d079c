"""The consumer's side of the step on a real database: once each, a bad one alone, none lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import Command, ConnectionChanged, OrderImported
from orderbridge.kafka import Received
from orderbridge.postgres import open_session_locks
from orderbridge.step import DueWorkers, Handler, Runtime, Store, Unit, take_connections
from orderbridge.step.connections import SET_ASIDE, Connections
from orderbridge.step.replay import Replayer, replay_work
from orderbridge.topics import COMMANDS, COMMANDS_ENDED, CONNECTIONS, IMPORTED, PARKED
from tests.support.facts import ORDER, at, imported
from tests.support.step import end, open_step_store, published, received, rows, until

OTHER = "main:113-1234567-0000002"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store[Unit]]:
    async with open_step_store(database_url) as opened:
        async with opened.engine.begin() as connection:
            await connection.execute(text("create table seen (order_id text, seq bigint, title text)"))
        yield opened


def connection_changed(connection_id: str = "main", rev: int = 1) -> ConnectionChanged:
    return ConnectionChanged(
        connection_id=connection_id,
        rev=rev,
        amazon=AmazonAccount(region="na", seller_id="A1SELLER", marketplace_ids=("ATVPDKIKX0DER",)),
        shopify=ShopifyAccount(shop="shop.myshopify.com"),
        settings=ConnectionSettings(),
        added_at=at(),
        at=at(),
    )


async def see(events: Sequence[OrderImported], unit: Unit) -> None:
    for event in events:
        title = event.lines[0].title or ""
        if title == "bug":
            raise RuntimeError(f"a bug that speaks of {title}")
        await unit.connection.execute(
            text("insert into seen values (:order_id, :seq, :title)"),
            {"order_id": event.order_id, "seq": event.seq, "title": title},
        )


async def replay(events: Sequence[Command], unit: Unit) -> None:
    for event in events:
        unit.schedule(replay_work(event))


def runtime_of(store: Store[Unit], step: Any = see, *, knows_all: bool = True) -> Runtime[Unit]:
    return Runtime(
        store,
        [
            Handler(CONNECTIONS, ConnectionChanged, take_connections),
            Handler(IMPORTED, OrderImported, step),
            Handler(COMMANDS, Command, replay),
        ],
        knows_all_connections=knows_all,
    )


def titled(order_id: str, title: str, seq: int = 1) -> Received:
    event = imported(seq, order_id=order_id)
    line = event.lines[0].model_copy(update={"title": title})
    return received(IMPORTED, event.model_copy(update={"lines": (line,)}), order_id)


async def test_a_message_delivered_twice_has_one_effect(store: Store[Unit]) -> None:
    runtime = runtime_of(store)
    message = received(IMPORTED, imported(), ORDER)

    await runtime.process([message, message])
    await runtime.process([message])

    assert len(await rows(store, "select * from seen")) == 1


async def test_an_unreadable_message_is_parked_and_the_others_of_its_batch_go_on(store: Store[Unit]) -> None:
    await runtime_of(store).process([received(IMPORTED, b"{", ORDER), titled(OTHER, "Mug")])

    assert [row["order_id"] for row in await rows(store, "select * from seen")] == [OTHER]
    [parked] = await published(store, PARKED)
    assert (parked["order_id"], parked["state"], parked["origin"]) == (ORDER, "parked", IMPORTED)


async def test_a_bug_in_a_step_parks_only_the_message_that_meets_it(store: Store[Unit]) -> None:
    await runtime_of(store).process([titled(ORDER, "bug"), titled(OTHER, "Mug")])

    assert [row["order_id"] for row in await rows(store, "select * from seen")] == [OTHER]
    [parked] = await published(store, PARKED)
    assert parked["order_id"] == ORDER
    # An error's text could hold a value of the message: only its kind is told.
    assert parked["reason"] == "RuntimeError"


async def test_a_value_that_the_database_refuses_parks_its_message(store: Store[Unit]) -> None:
    await runtime_of(store).process([titled(ORDER, "a\0b"), titled(OTHER, "Mug")])

    assert [row["order_id"] for row in await rows(store, "select * from seen")] == [OTHER]
    [parked] = await published(store, PARKED)
    assert "the database refuses it" in parked["reason"]


async def test_the_body_of_a_parked_message_is_only_in_the_vault(store: Store[Unit]) -> None:
    await runtime_of(store).process([received(IMPORTED, b'{"secret":', ORDER)])

    [row] = await rows(store, "select * from parked")
    assert "secret" not in json.dumps(row, default=str)
    async with store.engine.connect() as connection:
        assert await store.vault.get(connection, "parked", row["parked_id"]) == b'{"secret":'


async def test_a_newer_readable_snapshot_supersedes_a_parked_one(store: Store[Unit]) -> None:
    runtime = runtime_of(store)
    await runtime.process([titled(ORDER, "bug", seq=1)])

    await runtime.process([titled(ORDER, "Mug", seq=2)])

    assert [event["state"] for event in await published(store, PARKED)] == ["parked", "superseded"]


async def test_an_older_snapshot_does_not_supersede_a_parked_one(store: Store[Unit]) -> None:
    runtime = runtime_of(store)
    await runtime.process([titled(ORDER, "bug", seq=2)])

    await runtime.process([titled(ORDER, "Mug", seq=1)])

    assert [event["state"] for event in await published(store, PARKED)] == ["parked"]


async def test_an_event_of_an_unknown_connection_waits_for_it_and_holds_nobody_up(store: Store[Unit]) -> None:
    runtime = runtime_of(store, knows_all=False)
    await runtime.process([received(IMPORTED, imported(), ORDER)])
    assert await rows(store, "select * from seen") == []

    await runtime.process([received(CONNECTIONS, connection_changed(), "main")])

    [ready] = await rows(store, "select kind, run_at <= now() as ready from due where kind = :kind", kind=SET_ASIDE)
    assert ready["ready"]


class Nobody:
    async def blocked(self, connection_id: str, why: Exception, unit: Unit) -> None: ...

    async def restored(self, connection_id: str, unit: Unit) -> None: ...


async def run_due(store: Store[Unit], locks: Any, runtime: Runtime[Unit], until_: Any) -> None:
    async def fine(connection: ConnectionChanged) -> None: ...

    workers = DueWorkers(
        store,
        locks,
        Connections(store, fine, Nobody()),
        {"replay": Replayer(store, runtime).replay, SET_ASIDE: runtime.take_set_aside},
    )
    stop = asyncio.Event()
    task = asyncio.create_task(workers.run(stop))
    await until(until_)
    await end(stop, [task])


async def test_a_set_aside_event_is_taken_once_its_connection_is_known(store: Store[Unit]) -> None:
    runtime = runtime_of(store, knows_all=False)
    await runtime.process([received(IMPORTED, imported(), ORDER)])
    await runtime.process([received(CONNECTIONS, connection_changed(), "main")])

    async with open_session_locks(store.engine) as locks:
        await run_due(store, locks, runtime, lambda: rows(store, "select * from seen"))

    assert len(await rows(store, "select * from seen")) == 1
    assert await rows(store, "select * from due where kind = :kind", kind=SET_ASIDE) == []


def replay_command(parked_id: str) -> Command:
    return Command(
        command_id="c1",
        order_id=ORDER,
        connection_id="main",
        mode="replay",
        actor="admin",
        at=at(),
        service="matcher",
        parked_id=parked_id,
    )


async def test_a_replay_after_the_repair_takes_the_message_and_ends_the_command(store: Store[Unit]) -> None:
    await runtime_of(store).process([titled(ORDER, "bug")])
    [parked] = await published(store, PARKED)
    command = replay_command(parked["parked_id"])

    async def repaired(events: Sequence[OrderImported], unit: Unit) -> None:
        await unit.connection.execute(text("insert into seen values ('repaired', 1, '')"))

    runtime = runtime_of(store, repaired)
    await runtime.process([received(COMMANDS, command, ORDER, "c1")])
    async with open_session_locks(store.engine) as locks:
        await run_due(store, locks, runtime, lambda: published(store, COMMANDS_ENDED))

    [ended] = await published(store, COMMANDS_ENDED)
    assert (ended["command_id"], ended["state"]) == ("c1", "done")
    assert [event["state"] for event in await published(store, PARKED)] == ["parked", "replayed"]
    assert [row["order_id"] for row in await rows(store, "select * from seen")] == ["repaired"]


async def test_a_replay_without_a_repair_leaves_it_parked_and_rejects_the_command(store: Store[Unit]) -> None:
    runtime = runtime_of(store)
    await runtime.process([titled(ORDER, "bug")])
    [parked] = await published(store, PARKED)
    command = replay_command(parked["parked_id"])

    await runtime.process([received(COMMANDS, command, ORDER, "c1")])
    async with open_session_locks(store.engine) as locks:
        await run_due(store, locks, runtime, lambda: published(store, COMMANDS_ENDED))

    [ended] = await published(store, COMMANDS_ENDED)
    assert (ended["state"], ended["reason"]["code"]) == ("rejected", "message_parked")
    assert [row["state"] for row in await rows(store, "select state from parked")] == ["parked"]


async def test_a_replay_needs_no_known_connection(store: Store[Unit]) -> None:
    await runtime_of(store).process([titled(ORDER, "bug")])
    [parked] = await published(store, PARKED)
    command = replay_command(parked["parked_id"])

    await runtime_of(store, knows_all=False).process([received(COMMANDS, command, ORDER, "c1")])

    assert [row["kind"] for row in await rows(store, "select kind from due")] == ["replay"]
