"""Parked messages by REST: listed, and replayed by whoever keeps them."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged
from orderbridge.postgres import open_session_locks
from orderbridge.step import Connections, DueWorkers
from orderbridge.step.replay import REPLAY, Replayer
from orderbridge.topics import COMMANDS, COMMANDS_ENDED, MATCHED, PARKED
from tests.support.facts import ORDER, imported
from tests.support.step import end, published, received, until

from .support import Api, parked, problem


async def test_the_list_shows_coordinates_newest_first_page_by_page(api: Api) -> None:
    first = parked()
    await api.take(*(parked(parked_id=f"p{n}", at=first.at + timedelta(minutes=n)) for n in range(5)))
    await api.take(parked("replayed", "p3"))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = (await api.client.get("/v1/parked", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ["p4", "p2", "p1", "p0"]
    [replayed] = (await api.client.get("/v1/parked", params={"state": "replayed"})).json()["items"]
    assert replayed == {
        "id": "p3",
        "state": "replayed",
        "order_id": ORDER,
        "connection_id": "main",
        "service": "creator",
        "origin": MATCHED,
        "partition": 3,
        "offset": 17,
        "reason": "not of the form promised",
        "at": "2026-11-20T12:08:00Z",
        "ended_at": "2026-11-20T12:05:00Z",
    }


async def test_an_end_that_comes_first_stays(api: Api) -> None:
    await api.take(parked("superseded"))
    await api.take(parked())
    assert (await api.client.get("/v1/parked")).json()["items"] == []


async def test_a_replay_is_a_command_to_the_service_that_keeps_the_message(api: Api) -> None:
    await api.take(imported(), parked())
    answers = await asyncio.gather(*(api.client.post("/v1/parked/p1/replay") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    [command_id] = {answer.json()["command_id"] for answer in answers}
    [event] = await published(api.store, COMMANDS)
    assert (event["mode"], event["service"], event["parked_id"]) == ("replay", "creator", "p1")
    assert (event["command_id"], event["order_id"]) == (command_id, ORDER)


@pytest.mark.parametrize(("parked_id", "status", "code"), [("p1", 409, "not_applicable"), ("p2", 404, "not_found")])
async def test_only_what_is_parked_can_be_replayed(api: Api, parked_id: str, status: int, code: str) -> None:
    await api.take(parked(), parked("superseded"))
    problem(await api.client.post(f"/v1/parked/{parked_id}/replay"), status, code)


class NoVendor:
    async def blocked(self, connection_id: str, why: Blocked, unit: Any) -> None: ...

    async def restored(self, connection_id: str, unit: Any) -> None: ...


async def no_vendor(connection: ConnectionChanged) -> None: ...


async def test_what_the_api_parked_is_taken_again_and_frees_its_order(api: Api) -> None:
    """A fact that the database refused, until its rule is mended."""
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("alter table facts add constraint bug check (source <> 'ingestor')")
    await api.take(imported())
    [word] = await published(api.store, PARKED)
    await api.runtime.process([received(PARKED, json.dumps(word).encode(), ORDER, f"{word['parked_id']}/parked")])
    assert (await api.order())["reason"]["code"] == "message_parked"

    async with open_session_locks(api.store.engine) as locks:
        workers = DueWorkers(
            api.store,
            locks,
            Connections(api.store, no_vendor, NoVendor()),
            {REPLAY: Replayer(api.store, api.runtime).replay},
        )
        stop = asyncio.Event()
        running = asyncio.create_task(workers.run(stop))

        still = await replayed(api, word["parked_id"], endings=1)
        assert still["state"] == "rejected"
        assert still["reason"]["code"] == "message_parked"

        async with api.store.transaction() as unit:
            await unit.connection.exec_driver_sql("alter table facts drop constraint bug")
        done = await replayed(api, word["parked_id"], endings=2)
        await end(stop, [running])
    assert (done["state"], done["outcome"]) == ("done", "replayed")
    said = (await published(api.store, PARKED))[-1]
    await api.runtime.process([received(PARKED, json.dumps(said).encode(), ORDER, f"{said['parked_id']}/replayed")])
    order = await api.order()
    assert (order["status"], order["version"]) == ("imported", 3)


async def replayed(api: Api, parked_id: str, endings: int) -> dict[str, Any]:
    """Ask for the replay, wait for its end, hand that to the api, and give the command back."""
    command = (await api.client.post(f"/v1/parked/{parked_id}/replay")).json()

    async def ended() -> bool:
        return len(await published(api.store, COMMANDS_ENDED)) == endings

    await until(ended, what="the replay")
    event = (await published(api.store, COMMANDS_ENDED))[-1]
    await api.runtime.process([received(COMMANDS_ENDED, json.dumps(event).encode(), ORDER, event["command_id"])])
    closed: dict[str, Any] = (await api.client.get(f"/v1/commands/{command['command_id']}")).json()
    return closed
