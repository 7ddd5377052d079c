"""The consumer's side of a step: a batch of messages in, one transaction, offsets after the commit."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from pydantic import ValidationError
from sqlalchemy import text

from ..errors import Permanent, Transient, Unreadable
from ..events import Command, ConnectionChanged, Event, Fact
from ..ids import connection_of, is_order_id
from ..kafka import Consumer, Received
from ..postgres import is_refused, is_transient
from ..telemetry import MESSAGES_TAKEN
from .connections import SET_ASIDE
from .due import TRIES, frames_of
from .parking import Parcel, described, end_rejected, park, seq_of, supersede
from .unit import DueRow, Store, Unit, Work

log = structlog.get_logger(__name__)

BATCH = 2000
"""Measured: a fifth faster than 1000, as each batch costs its round trips to the database."""
_IDLE_MS = 250

E = TypeVar("E", bound=Event)
U = TypeVar("U", bound=Unit)


@dataclass(frozen=True)
class Handler(Generic[E, U]):
    """What a service does with the new events of one topic. Handlers run in the order they are listed.

    ``removed`` makes an event of a tombstone, from its key and the number in its ``ce_id``; without it tombstones are
    passed over.
    """

    topic: str
    model: type[E]
    step: Callable[[Sequence[E], U], Awaitable[object]]
    removed: Callable[[str, int], E] | None = None


class _Message(NamedTuple):
    received: Received
    ce_id: str
    event: Event | None
    trouble: Exception | None = None


class Runtime(Generic[U]):
    """Takes a service's messages in batches; a bad one hurts only itself."""

    def __init__(self, store: Store[U], handlers: Sequence[Handler[Any, U]], *, knows_all_connections: bool = False):
        self._store = store
        self._handlers = {handler.topic: handler for handler in handlers}
        self._known: set[str] | None = None if knows_all_connections else set()
        self.turned_at = asyncio.get_running_loop().time()
        """When the loop last turned, by the event loop's clock: it turns while it waits, too."""

    @property
    def topics(self) -> list[str]:
        return list(self._handlers)

    async def run(self, consumer: Consumer, stop: asyncio.Event) -> None:
        """Until ``stop``: receive, process, commit. While the database works on one batch the next is read."""
        ahead = asyncio.create_task(self._receive(consumer))
        try:
            while not stop.is_set():
                batch, messages = await asyncio.shield(ahead)
                self.turned_at = asyncio.get_running_loop().time()
                ahead = asyncio.create_task(self._receive(consumer))
                if batch:
                    await self._process(messages)
                    await consumer.commit(batch)
        finally:
            # A consumer must not be cancelled while it fetches; what was read ahead is not committed, so comes again.
            await asyncio.gather(ahead, return_exceptions=True)

    async def _receive(self, consumer: Consumer) -> tuple[list[Received], list[_Message]]:
        batch = await consumer.receive(BATCH, _IDLE_MS)
        return batch, self._read_all(batch)

    async def process(self, batch: Sequence[Received]) -> None:
        """Take a batch whole, waiting out a database that is away; if it fails, message by message."""
        await self._process(self._read_all(batch))

    def _read_all(self, batch: Sequence[Received]) -> list[_Message]:
        return [
            self._read(received)
            for received in batch
            if received.value is not None or self._handlers[received.topic].removed is not None
        ]

    async def _process(self, messages: Sequence[_Message]) -> None:
        trouble = await self._attempt(messages)
        if trouble is None:
            return
        log.warning("batch failed, taking it message by message", messages=len(messages), why=described(trouble))
        for message in messages:
            await self._process_one(message)

    async def _process_one(self, message: _Message) -> None:
        trouble: Exception = Unreadable("never tried")
        for attempt in range(TRIES):
            found = await self._attempt([message])
            if found is None:
                return
            trouble = found
            if isinstance(trouble, Permanent) or is_refused(trouble) or attempt == TRIES - 1:
                break
            await asyncio.sleep(0.1 * 2.0**attempt)
        log.error("message parked", topic=message.received.topic, why=described(trouble), trace=frames_of(trouble))
        unreadable = _Message(message.received, message.ce_id, None, trouble)
        if (again := await self._attempt([unreadable])) is not None:
            raise again

    async def _attempt(self, messages: Sequence[_Message]) -> Exception | None:
        """One transaction for all; the error that is in the messages, if one is."""
        waits = 0
        while True:
            try:
                await self._take(messages)
            except Exception as error:  # noqa: BLE001 - the caller isolates and parks what is to blame
                if not (isinstance(error, Transient) or is_transient(error)):
                    return error
                log.warning("waiting for the database", why=described(error))
                await asyncio.sleep(min(0.1 * 2.0**waits, 5.0))
                waits += 1
                self.turned_at = asyncio.get_running_loop().time()
            else:
                return None

    async def _take(self, messages: Sequence[_Message]) -> None:
        async with self._store.transaction() as unit:
            fresh_ids = await unit.enter(self._store.service, {message.ce_id for message in messages})
            fresh = [message for message in messages if message.ce_id in fresh_ids]
            # The same message twice in one batch counts once.
            fresh = list({message.ce_id: message for message in fresh}.values())
            await self._supersede(fresh, unit)
            for message in fresh:
                if message.trouble is not None:
                    await self._park(message, message.trouble, unit)
            await self._dispatch([message for message in fresh if message.event is not None], unit)
        for topic in {message.received.topic for message in messages}:
            count = sum(message.received.topic == topic for message in messages)
            MESSAGES_TAKEN.labels(self._store.service, topic).inc(count)

    async def _dispatch(self, messages: Sequence[_Message], unit: U) -> None:
        by_topic: dict[str, list[_Message]] = {topic: [] for topic in self._handlers}
        for message in messages:
            by_topic[message.received.topic].append(message)
            if message.received.key and (trace := message.received.headers.get("traceparent")):
                unit.traces[message.received.key] = trace
        for topic, chosen in by_topic.items():
            if not chosen:
                continue
            handler = self._handlers[topic]
            ready = chosen if handler.model is ConnectionChanged else await self._of_known(chosen, unit)
            if ready:
                await handler.step([message.event for message in ready], unit)

    async def _of_known(self, messages: list[_Message], unit: Unit) -> list[_Message]:
        """Those whose connection is known; the others are set aside until it is."""
        if self._known is None:
            return messages
        names = {connection_of(message.received.key or "") for message in messages}
        if strangers := names - self._known:
            found = await unit.connection.execute(
                text("select connection_id from connections where connection_id = any(cast(:names as text[]))"),
                {"names": list(strangers)},
            )
            self._known |= set(found.scalars())
        ready = []
        for message in messages:
            if connection_of(message.received.key or "") in self._known or _is_replay(message.event):
                ready.append(message)
            else:
                unit.schedule(_set_aside(message))
        return ready

    async def _supersede(self, messages: Sequence[_Message], unit: Unit) -> None:
        by_source: dict[str, dict[str, int | None]] = {}
        for message in messages:
            if isinstance(message.event, Fact):
                by_source.setdefault(message.event.source, {})[message.event.order_id] = message.event.seq
        for source, newer in by_source.items():
            await supersede(unit, newer, source)

    # --- reading

    def _read(self, received: Received) -> _Message:
        ce_id = received.headers.get("ce_id") or f"{received.topic}/?/{received.partition}/{received.offset}"
        handler = self._handlers[received.topic]
        try:
            event: Event
            if received.value is None and handler.removed is not None:
                event = handler.removed(received.key or "", seq_of(ce_id) or 0)
            else:
                event = handler.model.model_validate_json(received.value or b"")
            if isinstance(event, Fact) and event.order_id != received.key:
                raise Unreadable(f"the key {received.key!r} is not the order_id of the value")
        except (ValidationError, ValueError, Unreadable) as error:
            return _Message(received, ce_id, None, error)
        return _Message(received, ce_id, event)

    async def _park(self, message: _Message, trouble: Exception, unit: Unit) -> None:
        received = message.received
        key = received.key or ""
        command_id = received.headers.get("command_id")
        if received.topic.startswith("orders.commands"):
            # A command is not parked: it ends.
            if command_id:
                end_rejected(unit, command_id, key, "unreadable_command", described(trouble))
            return
        await park(
            unit,
            Parcel(
                origin=received.topic,
                body=received.value,
                reason=described(trouble),
                order_id=key if is_order_id(key) else None,
                connection_id=connection_of(key) or None,
                partition=received.partition,
                offset=received.offset,
                key=key,
                headers={name: value for name, value in received.headers.items() if name.startswith("ce_")},
                message_source=received.headers.get("ce_source", "").rpartition("/")[2] or None,
                message_seq=seq_of(message.ce_id),
            ),
        )
        if command_id and is_order_id(key):
            end_rejected(unit, command_id, key, "message_parked")

    # --- messages that come by another way than Kafka

    async def take_set_aside(self, row: DueRow) -> None:
        """Due work of kind ``message``: an event whose connection has become known."""
        message = self._read(_from_payload(row.payload))
        async with self._store.transaction() as unit:
            if message.event is None:
                await self._park(message, message.trouble or Unreadable("no value"), unit)
            else:
                await self._dispatch([message], unit)
            await unit.finish(row)

    async def retake(self, row: Mapping[str, Any], body: bytes, unit: U) -> None:
        """Take a parked message anew, in the caller's transaction; raises what is wrong with it."""
        message = self._read(
            Received(row["origin"], row["partition"] or 0, row["offset"] or 0, row["key"], body, dict(row["headers"]))
        )
        if message.trouble is not None:
            raise message.trouble
        await self._dispatch([message], unit)


def _is_replay(event: Event | None) -> bool:
    """A replay concerns what is parked here, whatever becomes of the connection."""
    return isinstance(event, Command) and event.mode == "replay"


def _set_aside(message: _Message) -> Work:
    received = message.received
    return Work(
        SET_ASIDE,
        message.ce_id,
        connection_of(received.key or ""),
        {
            "topic": received.topic,
            "partition": received.partition,
            "offset": received.offset,
            "key": received.key,
            "value": None if received.value is None else base64.b64encode(received.value).decode(),
            "headers": received.headers,
        },
        delay_s=float("inf"),
        command_id=message.event.command_id if isinstance(message.event, Command) else None,
    )


def _from_payload(payload: Mapping[str, Any]) -> Received:
    return Received(
        payload["topic"],
        payload["partition"],
        payload["offset"],
        payload["key"],
        None if payload["value"] is None else base64.b64decode(payload["value"]),
        dict(payload["headers"]),
    )
