"""What an operator may ask of an order, by REST: taken or refused as the order shows, and sent as it was said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbridge.events import Event, Reason
from orderbridge.topics import COMMANDS
from tests.support.facts import ORDER, created, failed, imported, matched, progress, unmatched
from tests.support.step import published

from .support import Api, parked, problem

CHANGED = Reason(
    code="sku_changed_after_import",
    message="The variant had the SKU MUG when the order was matched, and has CUP now.",
    details={"old_sku": "MUG", "new_sku": "CUP"},
)
GID = "gid://shopify/Order/450789469"


def name(number: int) -> str:
    return f"main:113-0000000-{number:07}"


def standing_everywhere() -> dict[str, list[Event]]:
    """An order of each kind that the table of the contract tells apart."""
    stories: list[list[Event]] = [
        [imported(kind="skip", reason="import_disabled")],
        [imported(), progress("resolved")],
        [imported(kind="wait", reason="awaiting_payment")],
        [imported()],
        [imported(), matched()],
        [imported(), matched(), progress("sending")],
        [imported(), matched(), progress("unknown")],
        [imported(), unmatched()],
        [imported(), unmatched(code="ambiguous_title")],
        [imported(), unmatched(reason=CHANGED)],
        [imported(), unmatched(code="variant_missing")],
        [imported(), matched(), failed()],
        [imported(), matched(), failed(code="money_mismatch")],
        [imported(), matched(), failed(code="connection_unauthorized")],
        [imported(), parked(parked_id="p-of-a-table")],
        [imported(), matched(), created()],
        [imported(kind="cancel", reason="canceled_by_buyer")],
        [imported(), matched(), progress("canceled")],
    ]
    return {
        name(number): [event.model_copy(update={"order_id": name(number)}) for event in story]
        for number, story in enumerate(stories)
    }


async def ask(api: Api, order_id: str, mode: str, **more: Any) -> Any:
    if mode in ("resolve", "cancel"):
        body = {"shopify_order_id": None, "reason": "invented"} if mode == "resolve" else {}
        return await api.client.post(f"/v1/orders/{order_id}/{mode}", json=body | more)
    said = {"mode": mode, "reason": "invented"} | more
    return await api.client.post(f"/v1/orders/{order_id}/retry", json=said)


async def test_what_an_order_shows_as_its_actions_is_what_asking_answers(api: Api) -> None:
    stories = standing_everywhere()
    for story in stories.values():
        await api.take(*story)
    allowed = 0
    for order_id in stories:
        order = await api.order(order_id)
        assert list(order["actions"]) == ["retry", "force", "rematch", "refetch"]
        for mode, action in order["actions"].items():
            answer = await ask(api, order_id, mode)
            if action["allowed"]:
                allowed += 1
                assert (answer.status_code, answer.json()["mode"]) == (202, mode)
            else:
                said = problem(answer, 409, action["code"])
                assert said.get("remedy") == action["remedy"]
    sent = await published(api.store, COMMANDS)
    assert len(sent) == allowed > 20
    assert {event["mode"] for event in sent} == {"retry", "force", "rematch", "refetch"}


async def test_an_order_is_resolved_or_canceled_only_where_the_table_says_so(api: Api) -> None:
    stories = standing_everywhere()
    for story in stories.values():
        await api.take(*story)
    answers: dict[str, dict[str, list[str]]] = {"resolve": {}, "cancel": {}}
    for order_id in stories:
        status = (await api.order(order_id))["status"]
        for mode, found in answers.items():
            answer = await ask(api, order_id, mode)
            found.setdefault(status, []).append("yes" if answer.status_code == 202 else answer.json()["code"])
    assert answers["resolve"] == {
        "skipped": ["import_disabled", "resolved_by_operator"],
        "pending": ["yes"],
        "imported": ["yes"],
        "matched": ["yes"],
        "creating": ["in_progress", "in_progress"],
        "unmatched": ["yes"] * 4,
        "failed": ["yes"] * 4,
        "created": ["already_created"],
        "canceled": ["canceled_by_buyer", "canceled_by_operator"],
    }
    assert answers["cancel"]["created"] == ["yes"]
    assert [code for status, codes in answers["cancel"].items() if status != "created" for code in codes].count(
        "yes"
    ) == 0


async def test_a_changed_sku_refuses_an_export_with_the_old_and_the_new_one(api: Api) -> None:
    await api.take(imported(), unmatched(reason=CHANGED))
    for mode in ("retry", "force"):
        said = problem(await ask(api, ORDER, mode), 409, "sku_changed_after_import")
        assert CHANGED.message in said["detail"]
        assert said["details"] == {"old_sku": "MUG", "new_sku": "CUP"}
        assert said["remedy"].startswith("Rematch")
    assert await published(api.store, COMMANDS) == []


async def test_details_that_are_not_the_cause_are_left_out(api: Api) -> None:
    figures = {"amazon": "10.00", "shopify": "9.99"}
    reason = Reason(code="money_mismatch", message="Two figures differ.", details=figures)
    await api.take(imported(), matched(), failed(reason=reason))
    said = problem(await ask(api, ORDER, "force"), 409, "stock_only")
    assert "details" not in said


async def test_a_command_is_sent_with_its_mode(api: Api) -> None:
    await api.take(imported(), unmatched())
    for mode in ("rematch", "refetch", "retry"):
        answer = await ask(api, ORDER, mode, reason="the product was renamed")
        event = (await published(api.store, COMMANDS))[-1]
        assert (event["command_id"], event["mode"], event["order_id"]) == (answer.json()["command_id"], mode, ORDER)
        assert (event["reason"], event["actor"]) == ("the product was renamed", "admin")


@pytest.mark.parametrize("said", [GID, 450789469])
async def test_an_order_is_linked_to_a_shopify_order_by_gid_or_number(api: Api, said: Any) -> None:
    await api.take(imported(), unmatched())
    answer = await ask(api, ORDER, "resolve", shopify_order_id=said, reason="made by hand")
    assert answer.status_code == 202
    command = answer.json()
    assert answer.headers["location"] == f"/v1/commands/{command['command_id']}"
    assert (command["mode"], command["shopify_order_id"]) == ("resolve", GID)
    assert command["operator_reason"] == "made by hand"
    [event] = await published(api.store, COMMANDS)
    assert (event["mode"], event["shopify_order_id"], event["reason"]) == ("resolve", GID, "made by hand")
    assert (await api.client.get(answer.headers["location"])).json() == command


async def test_an_order_is_closed_as_handled_elsewhere(api: Api) -> None:
    await api.take(imported(), unmatched())
    command = (await ask(api, ORDER, "resolve", reason="refunded by hand")).json()
    assert command["shopify_order_id"] is None
    [event] = await published(api.store, COMMANDS)
    assert (event["mode"], event["shopify_order_id"]) == ("resolve", None)
    items = (await api.client.get(f"/v1/orders/{ORDER}/timeline")).json()["items"]
    assert items[-1]["summary"] == "admin asked for resolve, handled elsewhere: refunded by hand"


async def test_a_body_that_makes_no_sense_names_its_field_and_sends_nothing(api: Api) -> None:
    await api.take(imported(), unmatched())
    for path, body, field in (
        ("resolve", {"reason": "forgotten what it is"}, "shopify_order_id"),
        ("resolve", {"shopify_order_id": "#1001", "reason": "x"}, "shopify_order_id"),
        ("resolve", {"shopify_order_id": None}, "reason"),
        ("cancel", {"restock": "yes"}, "restock"),
        ("cancel", {"colour": "red"}, "colour"),
    ):
        answer = await api.client.post(f"/v1/orders/{ORDER}/{path}", json=body)
        said = problem(answer, 422, "invalid_request")
        assert [error["field"] for error in said["errors"]] == [field]
    assert await published(api.store, COMMANDS) == []


@pytest.mark.parametrize(("body", "restock"), [({}, True), ({"restock": False}, False)])
async def test_a_created_order_is_canceled_with_or_without_restocking(
    api: Api, body: dict[str, Any], restock: bool
) -> None:
    await api.take(imported(), matched(), created())
    answer = await api.client.post(f"/v1/orders/{ORDER}/cancel", json=body | {"reason": "asked for by phone"})
    assert (answer.status_code, answer.json()["mode"], answer.json()["restock"]) == (202, "cancel", restock)
    [event] = await published(api.store, COMMANDS)
    assert (event["mode"], event["restock"], event["reason"]) == ("cancel", restock, "asked for by phone")


async def test_a_canceled_order_still_shows_its_shopify_order(api: Api) -> None:
    shopify = {"order_id": GID, "name": "#1001", "admin_url": "https://shop.example/orders/1"}
    await api.take(imported(), matched(), created(shopify=shopify), progress("canceled", 2, shopify=shopify))
    order = await api.order()
    assert (order["status"], order["reason"]["code"], order["shopify"]) == ("canceled", "canceled_by_operator", shopify)


async def test_asked_at_once_by_many_it_is_one_command(api: Api) -> None:
    await api.take(imported(), unmatched())
    for number, mode in enumerate(("resolve", "rematch", "refetch"), start=1):
        answers = await asyncio.gather(*(ask(api, ORDER, mode) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["command_id"] for answer in answers}) == 1
        assert len(await published(api.store, COMMANDS)) == number


async def test_commands_of_different_kinds_are_open_side_by_side(api: Api) -> None:
    await api.take(imported(), matched(), failed())
    modes = ("retry", "rematch", "force", "refetch", "resolve")
    answers = [await ask(api, ORDER, mode) for mode in modes]
    assert [answer.status_code for answer in answers] == [202] * 5
    assert [event["mode"] for event in await published(api.store, COMMANDS)] == list(modes)


async def test_an_unknown_order_is_not_found(api: Api) -> None:
    for path in ("resolve", "cancel"):
        problem(await ask(api, ORDER, path), 404, "not_found")
        problem(await ask(api, "nonsense", path), 404, "not_found")


async def test_a_viewer_asks_nothing_of_an_order(api: Api) -> None:
    await api.take(imported(), matched(), created())
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("update api_keys set role = 'viewer'")
    for mode in ("retry", "resolve", "cancel"):
        problem(await ask(api, ORDER, mode), 403, "forbidden")


async def test_the_same_idempotency_key_gives_the_stored_answer(api: Api) -> None:
    await api.take(imported(), unmatched())
    body, key = {"shopify_order_id": None, "reason": "handled"}, {"Idempotency-Key": "k1"}
    answers = [await api.client.post(f"/v1/orders/{ORDER}/resolve", json=body, headers=key) for _ in range(2)]
    assert answers[0].text == answers[1].text
    other = await api.client.post(f"/v1/orders/{ORDER}/resolve", json=body | {"reason": "other"}, headers=key)
    problem(other, 422, "idempotency_key_reused")
