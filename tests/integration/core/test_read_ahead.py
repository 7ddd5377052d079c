"""The loop over a consumer: the next batch is read while one is taken, and nothing is said to be done that is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from orderbridge.events import OrderImported
from orderbridge.kafka import Consumer, Received
from orderbridge.step import Handler, Health, Runtime, Store, Unit
from orderbridge.topics import IMPORTED
from tests.support.facts import imported
from tests.support.step import open_step_store, received, until


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store[Unit]]:
    async with open_step_store(database_url) as opened:
        yield opened


def order(number: int) -> str:
    return f"main:113-0000000-{number:07d}"


def batch(number: int) -> list[Received]:
    return [received(IMPORTED, imported(order_id=order(number)), order(number), offset=number)]


class Line:
    """Gives its batches one by one, then nothing; remembers what was asked for and what was committed."""

    def __init__(self, *batches: list[Received]) -> None:
        self._batches = list(batches)
        self.given = 0
        self.committed: list[int] = []

    def bring(self, batch: list[Received]) -> None:
        self._batches.append(batch)

    async def receive(self, _max_records: int, timeout_ms: int) -> list[Received]:
        if self.given == len(self._batches):
            await asyncio.sleep(timeout_ms / 1000)
            return []
        self.given += 1
        return self._batches[self.given - 1]

    async def commit(self, records: Sequence[Received]) -> None:
        self.committed += [record.offset for record in records]


def runtime_of(store: Store[Unit], step: Any) -> Runtime[Unit]:
    return Runtime(store, [Handler(IMPORTED, OrderImported, step)], knows_all_connections=True)


async def test_the_next_batch_is_read_while_one_is_taken_and_taken_after_it(store: Store[Unit]) -> None:
    line, stop, taken = Line(batch(1), batch(2)), asyncio.Event(), list[str]()

    async def take(events: Sequence[OrderImported], _unit: Unit) -> None:
        if not taken:
            await until(lambda: line.given == 2, what="the batch read ahead")
            assert line.committed == []
        taken.extend(event.order_id for event in events)

    running = asyncio.create_task(runtime_of(store, take).run(cast("Consumer", line), stop))
    await until(lambda: line.committed == [1, 2], what="both batches")
    stop.set()
    await running

    assert taken == [order(1), order(2)]


async def test_a_batch_read_ahead_of_a_stop_is_neither_taken_nor_committed(store: Store[Unit]) -> None:
    line, stop, taken = Line(batch(1), batch(2)), asyncio.Event(), list[str]()

    async def take(events: Sequence[OrderImported], _unit: Unit) -> None:
        await until(lambda: line.given == 2, what="the batch read ahead")
        stop.set()
        taken.extend(event.order_id for event in events)

    await runtime_of(store, take).run(cast("Consumer", line), stop)

    assert (taken, line.committed) == ([order(1)], [1])


async def test_a_consumer_that_fails_ends_the_loop_once_the_batch_in_hand_is_done(store: Store[Unit]) -> None:
    class Broken(Line):
        async def receive(self, max_records: int, timeout_ms: int) -> list[Received]:
            if self.given == 1:
                raise OSError("the line is cut")
            return await super().receive(max_records, timeout_ms)

    async def take(_events: Sequence[OrderImported], _unit: Unit) -> None:
        """Nothing to do."""

    line = Broken(batch(1))
    with pytest.raises(OSError, match="the line is cut"):
        await runtime_of(store, take).run(cast("Consumer", line), asyncio.Event())

    assert line.committed == [1]


async def test_a_loop_that_only_waits_is_alive_and_one_that_hangs_is_not(
    store: Store[Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge.step.health.STILL_S", 0.6)
    hangs = asyncio.Event()

    async def hang(_events: Sequence[OrderImported], _unit: Unit) -> None:
        await hangs.wait()

    line, stop = Line(), asyncio.Event()
    runtime = runtime_of(store, hang)
    health = Health(store, runtime, cast("Consumer", line))
    started_at = runtime.turned_at
    running = asyncio.create_task(runtime.run(cast("Consumer", line), stop))

    await until(lambda: runtime.turned_at > started_at + 1.0, what="turning without a message")
    assert await health.live() is None
    line.bring(batch(1))
    await until(health.live, what="being seen to hang")
    hangs.set()
    stop.set()
    await running
