"""Orders by REST: listed, counted, looked at, retried."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbridge.events import CommandEnded, Reason
from orderbridge.topics import COMMANDS
from tests.support.facts import ORDER, at, created, failed, imported, matched, unmatched
from tests.support.step import published, rows

from .support import Api, ids, parked, problem

RETRY = f"/v1/orders/{ORDER}/retry"


def name(number: int) -> str:
    return f"main:113-0000000-{number:07}"


async def fill(api: Api) -> None:
    """Ten orders, an hour apart; two without a purchase time; by turns unmatched, failed, created and imported."""
    for number in range(10):
        order = name(number)
        when = None if number >= 8 else at(60 * number)
        events: list[Any] = [imported(order_id=order, purchased_at=when, ship_by=at(60 * (20 - number)))]
        if number % 4 == 0:
            events.append(unmatched(order_id=order))
        if number % 4 in (1, 2):
            events += [matched(order_id=order), (failed if number % 4 == 1 else created)(order_id=order)]
        await api.take(*events)


async def pages(api: Api, **query: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        answer = await api.client.get("/v1/orders", params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += ids(answer.json()["items"])
        cursor = answer.json()["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("-purchased_at", [7, 6, 5, 4, 3, 2, 1, 0, 9, 8]),
        ("purchased_at", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("ship_by", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("-ship_by", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
async def test_pages_go_through_all_orders_once_in_the_order_asked_for(api: Api, sort: str, numbers: list[int]) -> None:
    await fill(api)
    assert await pages(api, sort=sort, limit=3) == [name(number) for number in numbers]
    assert await pages(api, sort=sort, limit=10) == [name(number) for number in numbers]


async def test_a_list_has_whole_resources_newest_first(api: Api) -> None:
    await fill(api)
    answer = (await api.client.get("/v1/orders")).json()
    assert ids(answer["items"])[:2] == [name(7), name(6)]
    assert answer["items"][0] == await api.order(name(7))
    assert answer["next"] is None


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"status": "unmatched"}, [8, 4, 0]),
        ({"status": ["unmatched", "failed"]}, [5, 4, 1, 0, 9, 8]),
        ({"reason": "unable_to_reserve_inventory"}, [5, 1, 9]),
        ({"connection": "other"}, []),
        ({"q": "0000000-0000007"}, [7]),
        ({"q": "  mug "}, [7, 6, 5, 4, 3, 2, 1, 0, 9, 8]),
        ({"q": "100%"}, []),
        ({"ship_by_before": "2026-11-20T23:30:00Z"}, [9]),
        ({"ship_by_before": "2026-11-21T00:30:00+01:00"}, [9]),
    ],
)
async def test_filters_hold_together(api: Api, query: dict[str, Any], numbers: list[int]) -> None:
    await fill(api)
    assert sorted(await pages(api, **query)) == sorted(name(number) for number in numbers)


async def test_counts_take_the_filters_and_name_every_status(api: Api) -> None:
    await fill(api)
    counts = (await api.client.get("/v1/orders/counts")).json()
    assert counts["total"] == 10
    assert counts["by_status"] == {
        "imported": 2,
        "pending": 0,
        "skipped": 0,
        "unmatched": 3,
        "matched": 0,
        "creating": 0,
        "created": 2,
        "failed": 3,
        "canceled": 0,
    }
    assert counts["by_reason"] == {"sku_not_found": 3, "unable_to_reserve_inventory": 3}
    assert (await api.client.get("/v1/orders/counts", params={"q": "0000007"})).json()["total"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 201}, "limit"),
        ({"limit": 0}, "limit"),
        ({"status": "lost"}, "status.0"),
        ({"sort": "price"}, "sort"),
        ({"cursor": "x"}, "cursor"),
        ({"ship_by_before": "2026-11-20T12:00:00"}, "ship_by_before"),
        ({"q": "a\0b"}, "q"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_query_that_makes_no_sense_names_its_field(api: Api, query: dict[str, Any], field: str) -> None:
    said = problem(await api.client.get("/v1/orders", params=query), 422, "invalid_request")
    assert [error["field"] for error in said["errors"]] == [field]
    assert said["remedy"]


@pytest.mark.parametrize("spelled", [ORDER, ORDER.replace(":", "%3A"), ORDER.replace(":", "%3a").replace("-", "%2D")])
async def test_an_order_id_stands_in_a_path_as_it_is_or_encoded(api: Api, spelled: str) -> None:
    await api.take(imported())
    assert (await api.order(spelled))["order_id"] == ORDER


@pytest.mark.parametrize("spelled", [name(1), "nonsense", "main:%00", "a%2Fb"])
async def test_what_names_no_order_is_not_found(api: Api, spelled: str) -> None:
    problem(await api.client.get(f"/v1/orders/{spelled}"), 404, "not_found")


async def test_the_timeline_tells_every_fact_and_command_in_order(api: Api) -> None:
    await api.take(imported(), matched(at=at(2)), failed(at=at(3)), parked())
    await api.take(parked("replayed", at=at(6)))
    command = (await api.client.post(RETRY, json={"mode": "force", "reason": "back order"})).json()
    await api.take(ended(command["command_id"], "rejected", at=at(999999)))
    items = (await api.client.get(f"/v1/orders/{ORDER}/timeline")).json()["items"]
    assert [(item["kind"], item["source"], item["seq"]) for item in items] == [
        ("imported", "ingestor", 1),
        ("matched", "matcher", 1),
        ("failed", "creator", 1),
        ("parked", "api", 1),
        ("replayed", "api", 2),
        ("command", "api", None),
        ("command_ended", "creator", None),
    ]
    assert items[2]["reason"]["code"] == "unable_to_reserve_inventory"
    assert items[5]["actor"] == "admin"
    assert "back order" in items[5]["summary"]
    assert items[6]["reason"]["code"] == "stock_only"
    assert all(item["at"].endswith("Z") for item in items)


# --- retry


def ended(command_id: str, state: str = "done", **more: Any) -> CommandEnded:
    values: dict[str, Any] = {
        "command_id": command_id,
        "order_id": ORDER,
        "connection_id": "main",
        "service": "creator",
        "state": state,
        "outcome": "created" if state == "done" else None,
        "reason": Reason(code="stock_only", message="Only stock can be forced.") if state == "rejected" else None,
        "at": at(1000),
    }
    return CommandEnded.model_validate(values | more)


async def test_a_retry_is_accepted_sent_and_answered(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    answer = await api.client.post(RETRY, json={"mode": "retry"})
    assert answer.status_code == 202
    command = answer.json()
    assert answer.headers["location"] == f"/v1/commands/{command['command_id']}"
    assert (command["state"], command["mode"], command["actor"]) == ("open", "retry", "admin")

    [sent] = await rows(api.store, "select key, ce_id, command_id from outbox where topic = :t", t=COMMANDS)
    assert sent == {
        "key": ORDER,
        "ce_id": f"{COMMANDS}/api/{ORDER}/{command['command_id']}",
        "command_id": command["command_id"],
    }
    [event] = await published(api.store, COMMANDS)
    assert (event["mode"], event["order_id"], event["connection_id"]) == ("retry", ORDER, "main")

    await api.take(ended(command["command_id"]))
    await api.take(ended(command["command_id"], "rejected", service="matcher"))
    closed = (await api.client.get(answer.headers["location"])).json()
    assert (closed["state"], closed["outcome"], closed["reason"]) == ("done", "created", None)
    assert closed["ended_at"] == "2026-11-21T04:40:00Z"


async def test_a_rejected_command_says_why(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    command = (await api.client.post(RETRY, json={"mode": "retry"})).json()
    await api.take(ended(command["command_id"], "rejected"))
    closed = (await api.client.get(f"/v1/commands/{command['command_id']}")).json()
    assert (closed["state"], closed["outcome"], closed["reason"]["code"]) == ("rejected", None, "stock_only")
    # It is closed, so that the next one is another.
    again = (await api.client.post(RETRY, json={"mode": "retry"})).json()
    assert again["command_id"] != command["command_id"]


async def test_a_hundred_retries_at_once_are_one_command(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    answers = await asyncio.gather(*(api.client.post(RETRY, json={"mode": "retry"}) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["command_id"] for answer in answers}) == 1
    assert len(await published(api.store, COMMANDS)) == 1
    # The other mode is another kind of command.
    forced = await api.client.post(RETRY, json={"mode": "force", "reason": "back order"})
    assert forced.status_code == 202
    assert len(await published(api.store, COMMANDS)) == 2


async def test_a_created_order_is_refused_with_its_shopify_link(api: Api) -> None:
    url = "https://shop.example/admin/orders/1"
    shopify = {"order_id": "gid://shopify/Order/1", "name": "#1001", "admin_url": url}
    await api.take(imported(), matched(), created(shopify=shopify))
    said = problem(await api.client.post(RETRY, json={"mode": "retry"}), 409, "already_created")
    assert url in said["remedy"]
    assert await published(api.store, COMMANDS) == []


async def test_only_stock_can_be_forced(api: Api) -> None:
    await api.take(imported(), unmatched())
    body = {"mode": "force", "reason": "please"}
    said = problem(await api.client.post(RETRY, json=body), 409, "stock_only")
    assert said["remedy"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "replay"}, "mode"),
        ({"mode": "force"}, "body"),
        ({"mode": "force", "reason": "  "}, "body"),
        ({"mode": "retry", "colour": "red"}, "colour"),
        ({}, "mode"),
        (["retry"], "body"),
        ("{", "body"),
    ],
)
async def test_a_retry_that_makes_no_sense_names_its_field(api: Api, body: Any, field: str) -> None:
    await api.take(imported(), matched(), failed())
    if isinstance(body, str):
        answer = await api.client.post(RETRY, content=body, headers={"Content-Type": "application/json"})
    else:
        answer = await api.client.post(RETRY, json=body)
    said = problem(answer, 422, "invalid_request")
    assert [error["field"] for error in said["errors"]] == [field]


async def test_a_retry_of_an_unknown_order_is_not_found(api: Api) -> None:
    problem(await api.client.post(RETRY, json={"mode": "retry"}), 404, "not_found")


async def test_the_same_idempotency_key_gives_the_stored_answer(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    key = {"Idempotency-Key": "k1"}
    first = await api.client.post(RETRY, json={"mode": "retry"}, headers=key)
    await api.take(ended(first.json()["command_id"]))
    again = await api.client.post(RETRY, json={"mode": "retry"}, headers=key)
    assert (again.status_code, again.text, again.headers["location"]) == (
        first.status_code,
        first.text,
        first.headers["location"],
    )
    assert len(await published(api.store, COMMANDS)) == 1
    other = await api.client.post(RETRY, json={"mode": "retry", "reason": "other"}, headers=key)
    problem(other, 422, "idempotency_key_reused")


async def test_a_refused_request_leaves_its_idempotency_key_free(api: Api) -> None:
    await api.take(imported())
    key = {"Idempotency-Key": "k1"}
    problem(await api.client.post(RETRY, json={"mode": "retry"}, headers=key), 409, "in_progress")
    await api.take(matched(), failed())
    assert (await api.client.post(RETRY, json={"mode": "retry"}, headers=key)).status_code == 202


async def test_parallel_requests_with_one_key_have_one_effect(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    key = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(api.client.post(RETRY, json={"mode": "retry"}, headers=key) for _ in range(20)))
    assert len({answer.text for answer in answers}) == 1
    assert len(await published(api.store, COMMANDS)) == 1
