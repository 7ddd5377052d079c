"""In Kafka's place: what the outboxes hold goes to its readers, in the order and as often as a test decides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import text

from orderbridge.kafka import Outgoing, Received, headers_of
from orderbridge.step import Runtime, Store

Batches = list[list[Received]]
Plan = Callable[[str, Sequence[Received]], Batches]
"""In which batches a reader, named first, gets the records that came."""

_TAKE = text("""
    with taken as (delete from outbox returning id, topic, key, ce_id, ce_time, payload, traceparent, command_id)
    select * from taken order by id
""")


def as_they_come(_reader: str, records: Sequence[Received]) -> Batches:
    return [list(records)]


def everything_twice(_reader: str, records: Sequence[Received]) -> Batches:
    """The batch, the batch again as after a lost commit of its offsets, and each of its records alone."""
    return [list(records), list(records), *([record] for record in records)]


class Interleaved:
    """By seed: records of different topics overtake each other, are cut into batches, and some come again."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, _reader: str, records: Sequence[Received]) -> Batches:
        queues: dict[str, list[Received]] = {}
        for record in records:
            queues.setdefault(record.topic, []).append(record)
        mixed: list[Received] = []
        while queues:
            topic = self._random.choice(sorted(queues))
            mixed.append(queues[topic].pop(0))
            if not queues[topic]:
                del queues[topic]
        batches: Batches = []
        while mixed:
            size = self._random.randint(1, 25)
            batch, mixed = mixed[:size], mixed[size:]
            batches.append(batch)
            if self._random.random() < 0.3:
                batches.append(batch)
        # As when a group goes back to older offsets.
        if batches:
            batches += batches[self._random.randrange(len(batches)) :]
        return batches


def shuffled(seed: int) -> Plan:
    """By seed: in any order at all, and about a third of the records twice."""

    def plan(_reader: str, records: Sequence[Received]) -> Batches:
        chance = random.Random(seed)
        mixed = [*records, *(record for record in records if chance.random() < 0.3)]
        chance.shuffle(mixed)
        return [mixed[start : start + 40] for start in range(0, len(mixed), 40)]

    return plan


class Bus:
    """``log`` is all that was ever published, as its readers see it."""

    def __init__(self, stores: Mapping[str, Store[Any]], readers: Mapping[str, Runtime[Any]]) -> None:
        self.plan: Plan = as_they_come
        self.log: list[Received] = []
        self.held: set[str] = set()
        """Readers that get nothing for now."""
        self.spoil: Callable[[Received], Received] = lambda record: record
        """What becomes of a record on its way."""
        self.turning = asyncio.Lock()
        self._stores = stores
        self._readers = readers
        self._waiting: dict[str, list[Received]] = {name: [] for name in readers}
        self._seen: set[str] = set()
        """Services whose outbox was looked into: from then on a commit says when there is more."""

    @property
    def waiting(self) -> int:
        return sum(len(records) for name, records in self._waiting.items() if name not in self.held)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not await self.turn():
                await asyncio.sleep(0.02)

    async def turn(self) -> bool:
        """Take what was committed, and hand it over; whether there was anything."""
        async with self.turning:
            fresh = [record for store in self._stores.values() for record in await self._published(store)]
            self._keep(fresh)
            due = [name for name in self._readers if self._waiting[name] and name not in self.held]
            for name in due:
                records, self._waiting[name] = self._waiting[name], []
                await self.deliver(name, records, self.plan)
            return bool(fresh or due)

    async def deliver(self, reader: str, records: Sequence[Received], plan: Plan) -> None:
        for batch in plan(reader, records):
            await self._readers[reader].process(batch)

    async def redeliver(self, plan: Plan) -> None:
        """Everything that was ever published to every reader once more."""
        async with self.turning:
            for name, runtime in self._readers.items():
                await self.deliver(name, [one for one in self.log if one.topic in runtime.topics], plan)

    def _keep(self, fresh: Sequence[Received]) -> None:
        for one in map(self.spoil, fresh):
            kept = Received(one.topic, 0, len(self.log), one.key, one.value, one.headers)
            self.log.append(kept)
            for name, runtime in self._readers.items():
                if kept.topic in runtime.topics:
                    self._waiting[name].append(kept)

    async def _published(self, store: Store[Any]) -> list[Received]:
        if store.service in self._seen and not store.outbox_written.is_set():
            return []
        self._seen.add(store.service)
        store.outbox_written.clear()
        async with store.engine.begin() as connection:
            rows = (await connection.execute(_TAKE)).all()
        return [_received(row, store.service) for row in rows]


def _received(row: Any, service: str) -> Received:
    outgoing = Outgoing(
        row.topic, row.key, row.payload, row.ce_id, row.ce_time, service, row.traceparent, row.command_id
    )
    headers = {name: value.decode() for name, value in headers_of(outgoing)}
    return Received(row.topic, 0, 0, row.key, row.payload, headers)
