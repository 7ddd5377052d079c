"""Back-fills by REST: asked for, refused with the bound, shown with their progress, ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbridge.events import BackfillProgress, CommandEnded, Reason
from orderbridge.topics import COMMANDS
from tests.support.facts import at
from tests.support.step import published

from .support import Api, problem
from .test_connections import body, status

ADDRESS = "/v1/connections/main/backfill"
ID = "113-1234567-7654321"


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def connected(api: Api) -> None:
    assert (await api.client.post("/v1/connections", json=body())).status_code == 201


async def asked(api: Api, **said: Any) -> dict[str, Any]:
    answer = await api.client.post(ADDRESS, json=said)
    assert answer.status_code == 202, answer.text
    command: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/commands/{command['command_id']}"
    return command


async def command(api: Api, command_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"/v1/commands/{command_id}")).json()
    return found


async def test_a_back_fill_of_a_range_is_a_command_of_its_connection(api: Api) -> None:
    await connected(api)
    after, before = ago(30), ago(1)

    made = await asked(api, **{"from": after, "to": before})

    assert (made["mode"], made["order_id"], made["connection_id"]) == ("backfill", None, "main")
    assert (made["state"], made["progress"]) == ("open", None)
    assert made["backfill"] == {"created_from": after, "created_to": before, "amazon_order_ids": []}
    assert await command(api, made["command_id"]) == made
    [event] = await published(api.store, COMMANDS)
    assert (event["command_id"], event["order_id"], event["mode"]) == (made["command_id"], None, "backfill")
    assert event["backfill"] == made["backfill"]


async def test_a_back_fill_of_orders_names_each_once(api: Api) -> None:
    await connected(api)

    made = await asked(api, amazon_order_ids=[ID, f" {ID} ", "113-0000000-0000000"])

    assert made["backfill"]["amazon_order_ids"] == [ID, "113-0000000-0000000"]


@pytest.mark.parametrize(
    ("said", "field", "value", "words"),
    [
        ({"from": ago(1), "to": ago(2)}, "from", True, "from must be before to"),
        ({"from": ago(1), "to": ago(-1)}, "to", True, "in the future"),
        ({"from": ago(731), "to": ago(1)}, "from", True, "at the earliest"),
        ({"from": "2026-11-20T12:00:00", "to": ago(1)}, "from", True, "timezone"),
        ({"from": ago(2)}, "body", False, "either from and to, or amazon_order_ids"),
        ({"to": ago(2)}, "body", False, "either from and to, or amazon_order_ids"),
        ({}, "body", False, "either from and to, or amazon_order_ids"),
        ({"from": ago(2), "to": ago(1), "amazon_order_ids": [ID]}, "body", False, "either from and to, or"),
        ({"amazon_order_ids": []}, "amazon_order_ids", False, "at least 1"),
        ({"amazon_order_ids": [ID] * 1001}, "amazon_order_ids", False, "at most 1000"),
        ({"amazon_order_ids": [ID, "main:113-1"]}, "amazon_order_ids.1", True, "such as 113-1234567-7654321"),
        ({"amazon_order_ids": [7]}, "amazon_order_ids.0", True, "string"),
        ({"from": ago(2), "to": ago(1), "until": "x"}, "until", False, "not permitted"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field_value_and_bound(
    api: Api, said: dict[str, Any], field: str, value: bool, words: str
) -> None:
    await connected(api)

    refused = problem(await api.client.post(ADDRESS, json=said), 422, "invalid_request")

    [error] = refused["errors"]
    assert (error["field"], error["value"] is not None) == (field, value)
    assert words in error["message"]
    assert refused["remedy"]
    assert await published(api.store, COMMANDS) == []


async def test_a_connection_that_is_unknown_has_none(api: Api) -> None:
    problem(await api.client.post(ADDRESS, json={"amazon_order_ids": [ID]}), 404, "not_found")


async def test_only_an_admin_may_ask_for_one(api: Api) -> None:
    await connected(api)
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("update api_keys set role = 'operator'")

    problem(await api.client.post(ADDRESS, json={"amazon_order_ids": [ID]}), 403, "forbidden")


async def test_a_double_click_is_one_back_fill(api: Api) -> None:
    await connected(api)
    said = {"from": ago(30), "to": ago(1)}

    made = await asyncio.gather(*(asked(api, **said) for _ in range(4)))

    assert len({one["command_id"] for one in made}) == 1
    assert len(await published(api.store, COMMANDS)) == 1
    other = await asked(api, **{**said, "from": ago(31)})
    assert other["command_id"] != made[0]["command_id"]
    # Once it has ended, it may be asked for again.
    await api.take(ending(made[0]["command_id"]))
    assert (await asked(api, **said))["command_id"] != made[0]["command_id"]


async def test_an_idempotency_key_gives_the_same_answer_again(api: Api) -> None:
    await connected(api)
    headers = {"Idempotency-Key": "invented"}
    first = await api.client.post(ADDRESS, json={"amazon_order_ids": [ID]}, headers=headers)
    await api.take(ending(first.json()["command_id"]))

    again = await api.client.post(ADDRESS, json={"amazon_order_ids": [ID]}, headers=headers)

    assert (again.status_code, again.text) == (202, first.text)
    other = await api.client.post(ADDRESS, json={"amazon_order_ids": ["113-0000000-0000000"]}, headers=headers)
    problem(other, 422, "idempotency_key_reused")


def ending(command_id: str, **more: Any) -> CommandEnded:
    values = {
        "command_id": command_id,
        "connection_id": "main",
        "service": "ingestor",
        "state": "done",
        "outcome": "300 orders, 300 of them with news",
        "progress": BackfillProgress(orders=300, published=300, done=1.0),
        "at": at(9),
    }
    return CommandEnded.model_validate(values | more)


async def test_its_progress_is_shown_while_it_is_open_and_at_its_end(api: Api) -> None:
    await connected(api)
    made = await asked(api, **{"from": ago(30), "to": ago(1)})
    name = made["command_id"]
    half = BackfillProgress(orders=100, published=90, not_found=0, done=0.5)

    await api.take(status("ingestor", 1, rev=1, backfills={name: half}))

    assert (await command(api, name))["progress"] == half.model_dump()
    shown = (await api.client.get("/v1/connections/main")).json()
    assert shown["status"]["ingestor"]["backfills"] == {name: half.model_dump()}

    await api.take(ending(name))
    # Words that were said before, and come after.
    await api.take(status("ingestor", 1, rev=2, backfills={name: half}))
    ended = await command(api, name)
    assert (ended["state"], ended["outcome"]) == ("done", "300 orders, 300 of them with news")
    assert (ended["progress"]["orders"], ended["progress"]["done"]) == (300, 1.0)


async def test_a_rejected_one_keeps_its_progress_and_says_why(api: Api) -> None:
    await connected(api)
    name = (await asked(api, amazon_order_ids=[ID]))["command_id"]
    await api.take(status("ingestor", 1, rev=1, backfills={name: BackfillProgress(orders=7, done=0.7)}))
    why = Reason(code="connection_unauthorized", message="Amazon refuses.")

    await api.take(ending(name, state="rejected", outcome=None, reason=why, progress=None))

    ended = await command(api, name)
    assert (ended["state"], ended["reason"]["code"]) == ("rejected", "connection_unauthorized")
    assert ended["progress"]["orders"] == 7


async def test_it_is_no_mode_of_an_order(api: Api) -> None:
    answer = await api.client.post(f"/v1/orders/main:{ID}/retry", json={"mode": "backfill"})

    assert problem(answer, 422, "invalid_request")["errors"][0]["field"] == "mode"
