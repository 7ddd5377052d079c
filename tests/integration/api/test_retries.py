"""The same command for all orders that match: taken at once, worked off in the background, each order once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orderbridge.events import CommandEnded
from orderbridge.postgres import open_session_locks
from orderbridge.step import Connections, DueWorkers, Store
from orderbridge.topics import COMMANDS
from orderbridge_api.actions import RETRIES, Desk, work_off
from orderbridge_api.adapters.store import ApiUnit
from tests.support.facts import at, created, failed, imported, matched, unmatched
from tests.support.step import published, rows, until

from .support import Api, problem, working
from .test_parked import NoVendor, no_vendor

RETRY = {"mode": "retry", "filter": {"status": "failed"}}


def name(number: int, connection: str = "main") -> str:
    return f"{connection}:113-0000000-{number:07}"


async def fill(api: Api, numbers: Sequence[int], code: str = "money_mismatch", connection: str = "main") -> None:
    """Failed orders; the higher its number, the nearer an order's ship-by."""
    events: list[Any] = []
    for number in numbers:
        order = name(number, connection)
        events.append(imported(order_id=order, ship_by=at(10_000 - number)))
        events += [matched(order_id=order), failed(order_id=order, code=code)]
    await api.take(*events)


async def start(api: Api, **more: Any) -> dict[str, Any]:
    answer = await api.client.post("/v1/retries", json=RETRY | more)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/retries/{body['retry_id']}"
    return body


async def progress_of(api: Api, retry: dict[str, Any]) -> dict[str, Any]:
    answer = await api.client.get(f"/v1/retries/{retry['retry_id']}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def asked(api: Api, retry: dict[str, Any]) -> dict[str, Any]:
    """Work it off, and give it back once each of its orders was asked for."""

    async def all_asked() -> dict[str, Any] | None:
        found = await progress_of(api, retry)
        return found if found["accepted"] + sum(found["refused"].values()) == found["total"] else None

    async with working(api):
        found: dict[str, Any] = await until(all_asked, what="the retry's commands")
    return found


def ended(command: dict[str, Any], state: str = "done") -> CommandEnded:
    values = {"service": "creator", "state": state, "outcome": "created" if state == "done" else None, "at": at(9)}
    return CommandEnded.model_validate({k: command[k] for k in ("command_id", "order_id", "connection_id")} | values)


async def test_all_that_match_are_asked_for_and_the_progress_tells_their_ends(api: Api) -> None:
    await fill(api, range(5))
    await api.take(imported(order_id=name(8)), unmatched(order_id=name(8)))
    retry = await start(api, reason="the prices are mended")
    assert (retry["state"], retry["total"], retry["accepted"], retry["open"], retry["ended_at"]) == (
        "open",
        5,
        0,
        5,
        None,
    )
    assert retry["filter"] == {
        "status": ["failed"],
        "reason": [],
        "connection": [],
        "q": None,
        "ship_by_before": None,
    }
    assert (retry["mode"], retry["reason"], retry["actor"]) == ("retry", "the prices are mended", "admin")

    found = await asked(api, retry)
    assert (found["accepted"], found["refused"], found["open"], found["state"]) == (5, {}, 5, "open")
    sent = await published(api.store, COMMANDS)
    # Nearest ship-by first.
    assert [event["order_id"] for event in sent] == [name(number) for number in (4, 3, 2, 1, 0)]
    assert {(event["mode"], event["reason"], event["actor"]) for event in sent} == {
        ("retry", "the prices are mended", "admin")
    }

    await api.take(*(ended(command) for command in sent[:3]), ended(sent[3], "rejected"))
    found = await progress_of(api, retry)
    assert (found["ended"], found["open"], found["state"]) == ({"done": 3, "rejected": 1}, 1, "open")
    await api.take(ended(sent[4]))
    found = await progress_of(api, retry)
    assert (found["ended"], found["open"], found["state"]) == ({"done": 4, "rejected": 1}, 0, "done")
    assert found["ended_at"] is not None


async def test_each_order_is_refused_as_a_single_retry_would_be(api: Api) -> None:
    await fill(api, range(3))
    await fill(api, range(3, 5), code="unable_to_reserve_inventory")
    await api.take(imported(order_id=name(7)), matched(order_id=name(7)), created(order_id=name(7)))
    body = {"mode": "force", "filter": {"connection": "main"}, "reason": "back order"}
    found = await asked(api, await start(api, **body))
    assert (found["total"], found["accepted"]) == (6, 2)
    assert found["refused"] == {"already_created": 1, "stock_only": 3}
    assert {event["order_id"] for event in await published(api.store, COMMANDS)} == {name(3), name(4)}


async def test_when_every_order_is_refused_it_is_done(api: Api) -> None:
    await api.take(imported(order_id=name(1)))
    found = await asked(api, await start(api, filter={"status": ["imported"]}))
    assert (found["state"], found["refused"], found["open"]) == ("done", {"in_progress": 1}, 0)
    assert found["ended_at"] is not None


async def test_a_command_that_is_open_already_is_taken_over_and_not_sent_again(api: Api) -> None:
    await fill(api, range(3))
    single = (await api.client.post(f"/v1/orders/{name(1)}/retry", json={"mode": "retry"})).json()
    first = await start(api)
    found = await asked(api, first)
    second = await start(api)
    again = await asked(api, second)
    assert (found["accepted"], again["accepted"]) == (3, 3)
    sent = await published(api.store, COMMANDS)
    assert len(sent) == 3
    assert sent[0]["command_id"] == single["command_id"]
    # One ending counts for both.
    await api.take(ended(sent[0]))
    for retry in (first, second):
        assert (await progress_of(api, retry))["ended"] == {"done": 1, "rejected": 0}


async def test_an_order_that_comes_to_match_later_is_not_concerned(api: Api) -> None:
    await fill(api, range(2))
    retry = await start(api)
    await fill(api, range(2, 4))
    # Nor is one left out that has stopped to match: it is refused as it stands then.
    await api.take(created(2, order_id=name(0)))
    found = await asked(api, retry)
    assert (found["total"], found["accepted"], found["refused"]) == (2, 1, {"already_created": 1})
    assert [event["order_id"] for event in await published(api.store, COMMANDS)] == [name(1)]


class DyingStore:
    """Every second transaction ends before its commit, and the worker with it."""

    def __init__(self, store: Store[ApiUnit]) -> None:
        self._store = store
        self._opened = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[ApiUnit]:
        self._opened += 1
        async with self._store.transaction() as unit:
            yield unit
            if self._opened % 2 == 0:
                raise asyncio.CancelledError


async def test_a_worker_that_dies_in_the_middle_is_followed_by_one_that_goes_on(api: Api) -> None:
    await fill(api, range(30))
    retry = await start(api)
    handlers = {RETRIES: work_off(Desk(DyingStore(api.store), api.shops), batch=4)}
    for _ in range(4):
        async with open_session_locks(api.store.engine) as locks:
            workers = DueWorkers(api.store, locks, Connections(api.store, no_vendor, NoVendor()), handlers)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(workers.run(asyncio.Event()), 10)
    found = await progress_of(api, retry)
    assert found["accepted"] == 16
    found = await asked(api, retry)
    assert found["accepted"] == 30
    sent = await published(api.store, COMMANDS)
    assert [event["order_id"] for event in sent] == [name(number) for number in reversed(range(30))]
    assert await rows(api.store, "select kind from due") == []


async def test_a_big_one_is_worked_off_in_several_transactions(api: Api) -> None:
    await fill(api, range(450))
    retry = await start(api)
    found = await asked(api, retry)
    assert found["accepted"] == 450
    [row] = await rows(api.store, "select count(distinct created_at) as transactions from commands")
    assert row["transactions"] == 3


async def test_a_filter_holds_as_in_the_list(api: Api) -> None:
    await fill(api, range(3))
    await fill(api, range(3), code="address_missing", connection="other")
    for said, total in (
        ({"connection": ["other"]}, 3),
        ({"reason": ["address_missing", "money_mismatch"]}, 6),
        ({"q": "0000002"}, 2),
        ({"ship_by_before": at(9999).isoformat()}, 2),
        ({"status": "failed", "connection": "main", "q": "0000001"}, 1),
    ):
        listed = await api.client.get("/v1/orders/counts", params={k: v for k, v in said.items() if k != "status"})
        retry = await start(api, filter=said)
        assert retry["total"] == total
        if "reason" not in said:
            assert listed.json()["total"] == total


async def test_of_no_orders_it_is_done_at_once(api: Api) -> None:
    retry = await start(api)
    assert (retry["state"], retry["total"]) == ("done", 0)
    assert retry == await progress_of(api, retry)
    assert await rows(api.store, "select kind from due") == []


async def test_what_makes_no_sense_is_refused_and_asks_nothing(api: Api) -> None:
    await fill(api, range(1))
    for body, field in (
        ({"filter": {}}, "filter"),
        ({"filter": {"q": "  ", "status": []}}, "filter"),
        ({"filter": {"statuss": "failed"}}, "filter.statuss"),
        ({"mode": "cancel"}, "mode"),
        ({"mode": "force"}, "body"),
    ):
        said = problem(await api.client.post("/v1/retries", json=RETRY | body), 422, "invalid_request")
        assert [error["field"] for error in said["errors"]] == [field]
        assert said["remedy"]
    assert await rows(api.store, "select retry_id from retries") == []


async def test_an_unknown_retry_is_not_found_and_a_viewer_starts_none(api: Api) -> None:
    problem(await api.client.get("/v1/retries/none"), 404, "not_found")
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("update api_keys set role = 'viewer'")
    problem(await api.client.post("/v1/retries", json=RETRY), 403, "forbidden")


async def test_the_same_idempotency_key_starts_one(api: Api) -> None:
    await fill(api, range(2))
    key = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(api.client.post("/v1/retries", json=RETRY, headers=key) for _ in range(5)))
    assert len({answer.text for answer in answers}) == 1
    assert len(await rows(api.store, "select retry_id from retries")) == 1


async def test_single_and_bulk_retries_at_once_make_one_command_an_order(api: Api) -> None:
    await fill(api, range(20))
    retry = await start(api)
    async with working(api):
        single = [api.client.post(f"/v1/orders/{name(n)}/retry", json={"mode": "retry"}) for n in range(20)]
        answers = await asyncio.gather(*single)
    assert {answer.status_code for answer in answers} == {202}
    await asked(api, retry)
    sent = await published(api.store, COMMANDS)
    assert sorted(event["order_id"] for event in sent) == [name(number) for number in range(20)]
    assert {event["command_id"] for event in sent} == {answer.json()["command_id"] for answer in answers}
