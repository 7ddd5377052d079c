"""Facts from Kafka become orders, on a real database."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbridge.events import ConnectionStatus, Event, ImportedLine
from orderbridge.topics import IMPORTED, PARKED, STATUS
from orderbridge_api.app import republish_all
from orderbridge_api.projection import mind_stuck_orders
from tests.support.facts import ORDER, at, created, failed, imported, matched, progress, unmatched
from tests.support.step import published, received, rows

from .support import Api, parked, record


async def resource_text(api: Api, order_id: str = ORDER) -> str:
    [row] = await rows(api.store, "select cast(resource as text) as text from orders where order_id = :id", id=order_id)
    return str(row["text"])


async def test_the_last_published_status_is_what_rest_answers(api: Api) -> None:
    for event in (imported(), matched(), progress("planned"), progress("sending", 2), created(3)):
        await api.take(event)
    found = await rows(
        api.store,
        "select key, ce_id, cast(payload as bytea) as payload from outbox where topic = :t order by id",
        t=STATUS,
    )
    order = await api.order()
    assert json.loads(found[-1]["payload"]) == order
    assert found[-1]["payload"].decode() == await resource_text(api)
    assert [row["ce_id"] for row in found] == [f"{STATUS}/api/{ORDER}/{version}" for version in (1, 2, 3, 4, 5)]
    assert order["status"] == "created"


@pytest.mark.parametrize("order", range(6))
async def test_created_before_matched_before_imported_and_twice_changes_nothing(api: Api, order: int) -> None:
    history: list[Event] = [imported(), matched(), created(2)]
    for event in list(itertools.permutations(history))[order]:
        await api.take(event, event)
    await api.take(*history)
    [row] = await rows(api.store, "select count(*) as facts from facts")
    assert row["facts"] == 3
    assert (await api.order())["version"] == 4
    assert (await api.order())["status"] == "created"


async def test_one_batch_and_single_messages_give_the_same_bytes(api: Api) -> None:
    other = "main:113-0000000-0000001"
    history: list[Event] = [imported(), unmatched(), matched(2), progress("planned"), failed(2, 2)]
    await api.take(*history)
    for event in reversed(history):
        await api.take(event.model_copy(update={"order_id": other}))
    assert (await resource_text(api)).replace(ORDER, other).replace("113-1234567-7654321", "113-0000000-0000001") == (
        await resource_text(api, other)
    )


async def test_a_fact_older_than_the_newest_is_kept_and_changes_nothing(api: Api) -> None:
    await api.take(imported(2))
    before = await resource_text(api)
    await api.take(imported(1, "skip", "import_disabled"))
    assert await resource_text(api) == before
    assert len(await published(api.store, STATUS)) == 1
    [row] = await rows(api.store, "select count(*) as facts from facts")
    assert row["facts"] == 2


async def test_a_rebuild_from_the_kept_facts_gives_the_same_bytes(api: Api) -> None:
    details = {"z": {"b": 1, "a": "x"}, "a": [1.5, 2]}
    reason = {"code": "money_mismatch", "message": "Two figures differ.", "details": details}
    other = "main:113-0000000-0000001"
    await api.take(imported(), matched(), failed(2, reason=reason), imported(order_id=other))
    await api.take(parked(order_id=other), parked("replayed", order_id=other), parked(parked_id="p2", order_id=other))
    before = [await resource_text(api), await resource_text(api, other)]

    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("delete from orders")
        await unit.connection.exec_driver_sql("delete from outbox")
    assert await republish_all(api.store) == 2

    assert [await resource_text(api), await resource_text(api, other)] == before
    assert [json.loads(text) for text in reversed(before)] == await published(api.store, STATUS)
    # Facts that come after it go on from there.
    await api.take(matched(2))
    assert (await api.order())["version"] == json.loads(before[0])["version"] + 1


async def test_a_title_with_a_nul_holds_just_its_own_order(api: Api) -> None:
    line = ImportedLine(order_item_id="1", amazon_sku="MUG", title="Mu\0g", quantity=1)
    other = "main:113-0000000-0000001"
    await api.take(imported(lines=(line,)), imported(order_id=other))
    assert (await api.order(other))["status"] == "imported"
    # What the api parks comes back to it by its own topic, like everybody's.
    [word] = await published(api.store, PARKED)
    assert word["service"] == "api"
    assert "\0" not in json.dumps(word)
    await api.runtime.process([received(PARKED, json.dumps(word).encode(), ORDER, f"{word['parked_id']}/parked")])
    order = await api.order()
    assert (order["status"], order["reason"]["code"], order["lines"]) == ("failed", "message_parked", None)

    await api.take(imported(2))
    [_, ended] = await published(api.store, PARKED)
    assert ended["state"] == "superseded"
    await api.runtime.process([received(PARKED, json.dumps(ended).encode(), ORDER, f"{ended['parked_id']}/superseded")])
    order = await api.order()
    assert (order["status"], order["version"]) == ("imported", 4)


async def test_a_message_that_cannot_be_read_lists_its_order_as_failed(api: Api) -> None:
    await api.runtime.process([received(IMPORTED, b"{", ORDER)])
    [word] = await published(api.store, PARKED)
    await api.runtime.process([received(PARKED, json.dumps(word).encode(), ORDER, f"{word['parked_id']}/parked")])
    order = await api.order()
    assert (order["status"], order["reason"]["code"], order["total"]) == ("failed", "message_parked", None)


async def test_a_word_about_a_parked_message_that_is_itself_parked_ends_there(api: Api) -> None:
    await api.take(imported(), parked(origin=PARKED))
    assert (await api.order())["status"] == "imported"
    listed = (await api.client.get("/v1/parked")).json()["items"]
    assert [item["origin"] for item in listed] == [PARKED]


async def test_two_stores_that_fold_the_same_orders_at_once_lose_nothing(api: Api) -> None:
    orders = [f"main:113-0000000-{number:07}" for number in range(200)]
    events = [make(order_id=name) for name in orders for make in (imported, matched, created)]
    batches = [[record(event) for event in events[start::4]] for start in range(4)]
    await asyncio.gather(*(api.runtime.process(batch) for batch in batches))
    found = await rows(api.store, "select status, version, count(*) as number from orders group by 1, 2")
    assert found == [{"status": "created", "version": 3, "number": 200}]


# --- what only time changes


def lately(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def said_by_creator(state: str, rev: int) -> ConnectionStatus:
    return ConnectionStatus.model_validate(
        {"connection_id": "main", "service": "creator", "rev": rev, "state": state, "at": lately(0)}
    )


async def minded(api: Api) -> list[dict[str, Any]]:
    async with api.store.transaction() as unit:
        await mind_stuck_orders(unit)
    attention: list[dict[str, Any]] = (await api.order())["attention"]
    return attention


async def test_an_order_without_an_outcome_for_ten_minutes_is_stuck_until_it_moves(api: Api) -> None:
    await api.take(imported(at=lately(9)))
    assert await minded(api) == []
    await api.take(imported(2, at=lately(10.1)))
    [attention] = await minded(api)
    assert (attention["code"], attention["message"]) == ("stuck", "The order has had no outcome for 10 minutes.")
    version = (await api.order())["version"]
    assert await minded(api) == [attention]
    assert (await api.order())["version"] == version == 3
    assert (await published(api.store, STATUS))[-1] == await api.order()
    await api.take(matched(1, 2, at=lately(0)))
    assert (await api.order())["attention"] == []
    assert await minded(api) == []


async def test_an_order_of_a_blocked_connection_is_stuck_at_once_and_free_when_it_works_again(api: Api) -> None:
    await api.take(imported(at=lately(1)), said_by_creator("unauthorized", 1))
    [attention] = await minded(api)
    assert "unauthorized" in attention["message"]
    await api.take(said_by_creator("ok", 2))
    assert await minded(api) == []
    story = (await api.client.get(f"/v1/orders/{ORDER}/timeline")).json()["items"]
    assert [item["kind"] for item in story] == ["imported", "attention_set", "attention_cleared"]


async def test_an_order_with_an_outcome_is_never_stuck(api: Api) -> None:
    await api.take(imported(at=at(-999)), unmatched(at=at(-999)), said_by_creator("unauthorized", 1))
    assert await minded(api) == []


@pytest.mark.parametrize("ce_id", ["nonsense", "a/b/c/²", f"{IMPORTED}/ingestor/x/{10**30}", "\ud7ff"])
async def test_a_record_from_a_stranger_is_parked_and_the_line_goes_on(api: Api, ce_id: str) -> None:
    stranger = received(IMPORTED, b"{", ORDER)
    stranger.headers["ce_id"] = ce_id
    await api.runtime.process([stranger, record(imported(order_id="main:113-0000000-0000001"))])
    assert (await api.order("main:113-0000000-0000001"))["status"] == "imported"
    assert len(await published(api.store, PARKED)) == 1
