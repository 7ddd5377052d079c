"""No command hangs, whatever else happens to its order, and whenever it does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from orderbridge.topics import COMMANDS_ENDED, MATCHED
from tests.support.road import Road, open_road
from tests.support.road_bus import Interleaved
from tests.support.step import rows, until

from .interleaving import CONNECTION, Case, Scene, Spoiler, When, cases_of

SETTLES_SOON = {
    "ORDERBRIDGE_SETTLE_S": "2.2",
    "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "1.5",
    "ORDERBRIDGE_SHOPIFY_LATE_S": "0.5",
    "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "0.1",
}
OPEN = {
    "ingestor": "select command_id from commands",
    "matcher": "select command_id from commands",
    "creator": """
        select order_id, one from orders, jsonb_array_elements(asked || remedies) as one
        where one ->> 'state' <> 'ended' or one ->> 'mode' in ('resolve', 'cancel')
    """,
    "api": "select command_id from commands where state = 'open'",
}
"""What each service keeps of commands that have not ended."""

Ending = tuple[str, str]
"""Its state, and its outcome or the code of its reason."""
UNDISTURBED: dict[tuple[str, str], Ending] = {
    ("without stock", "retry"): ("done", "failed"),
    ("without stock", "rematch"): ("done", "failed"),
    ("without stock", "force"): ("done", "created"),
    ("without stock", "refetch"): ("done", "failed"),
    ("without stock", "resolve"): ("done", "skipped"),
    ("without stock", "link"): ("done", "created"),
    ("not found", "retry"): ("done", "unmatched"),
    ("not found", "rematch"): ("done", "unmatched"),
    # What the title says is on sale, and is out of stock.
    ("renamed", "rematch"): ("done", "failed"),
    ("created", "cancel"): ("done", "canceled"),
    ("parked", "replay"): ("rejected", "message_parked"),
    ("parked", "refetch"): ("done", "created"),
    ("unreadable", "replay"): ("rejected", "message_parked"),
}
REFUSED_AFTER = {
    "skipped": "fulfilled_by_amazon",
    "canceled": "canceled_by_amazon",
    "renamed": "sku_changed_after_import",
    "deleted": "variant_missing",
    "import parked": "message_parked",
    "blocked": "connection_unauthorized",
    "switched off": "import_disabled",
}
"""The code of a retry and a force that come when it has happened."""


def expected(case: Case, when: When) -> Ending | None:
    """How the command has to end, where that does not depend on who is quicker."""
    if case.event == "nothing":
        return UNDISTURBED[case.start, case.command]
    if when == "before" and case.command in ("retry", "force") and case.event in REFUSED_AFTER:
        return "rejected", REFUSED_AFTER[case.event]
    if when == "before" and (case.start, case.command) == ("created", "cancel") and case.event != "blocked":
        return "done", "canceled"
    return None


@pytest.mark.parametrize(
    ("when", "seed"), [("before", 1), ("workers", 2), ("creator", 3), ("silent", 4), ("at once", 5)]
)
async def test_every_command_ends_whatever_happens_to_its_order_meanwhile(
    road_database: str, monkeypatch: pytest.MonkeyPatch, when: When, seed: int
) -> None:
    monkeypatch.setattr("orderbridge.step.connections.PROBE_EVERY_S", 0.3)
    async with open_road(road_database, webhooks=True, changed=SETTLES_SOON) as road, road.running():
        scene = Scene(road, cases_of(await road.skus()))
        await scene.set()
        road.bus.plan = Interleaved(seed)
        wrong: list[str] = []
        for event in (None, *CONNECTION):
            await scene.play(event, when)
            wrong += [f"{name} keeps open: {found}" for name, found in (await still_open(road)).items()]
        ours = [order for order in (await road.ledger())["orders"] if not order["by_hand"]]
        sold = {order["amazon_order_id"]: order for order in ours}
        made = Counter(order["amazon_order_id"] for order in ours)
        for case in scene.cases:
            problem = wrong_with(case, when, road, sold.get(case.order))
            if problem is not None or made[case.order] > 1:
                wrong.append(f"{case}: {problem or 'made twice'}")
        assert not wrong, "\n".join(f"{when}, seed {seed}, {one}" for one in wrong)


async def still_open(road: Road) -> dict[str, Any]:
    return {name: found for name, query in OPEN.items() if (found := await rows(road.stores[name], query))}


def wrong_with(case: Case, when: When, road: Road, sold: dict[str, Any] | None) -> str | None:
    """What is not as it has to be; None when all is."""
    if case.command_id is None:
        return None if when == "at once" else "was not accepted"
    state, code = ending = ending_of(case.ended)
    if state not in ("done", "rejected") or code is None:
        return f"has not ended: {ending}"
    said = {ending_of(one) for one in endings_said(road, case.command_id)}
    if said != {ending}:
        return f"ended {ending}, where {said} was said"
    must = expected(case, when)
    if must not in (None, ending):
        return f"ended {ending} instead of {must}"
    return (
        None if carried_out(case, code if state == "done" else None, sold) else f"{ending}, not carried out so: {sold}"
    )


def endings_said(road: Road, command_id: str) -> list[dict[str, Any]]:
    """Two services may find that a command can lead to nothing."""
    return [
        json.loads(one.value or b"")
        for one in road.bus.log
        if one.topic == COMMANDS_ENDED and one.headers["command_id"] == command_id
    ]


def ending_of(command: dict[str, Any]) -> tuple[str, str | None]:
    return command["state"], command["outcome"] if command["state"] == "done" else (command["reason"] or {}).get("code")


def carried_out(case: Case, outcome: str | None, sold: dict[str, Any] | None) -> bool:
    """Whether the shop has what the end of the command says; ``outcome`` is None when it was rejected."""
    status, shopify = case.resource["status"], case.resource["shopify"] or {}
    if case.command == "force":
        forced = sold is not None and "amazon-forced" in sold["tags"]
        return (forced and status == "created") if outcome is not None else not forced
    if case.command == "resolve":
        return outcome is None or (sold is None and status in ("skipped", "canceled"))
    if case.command == "link":
        return (shopify.get("order_id") == case.linked and sold is None) == (outcome is not None)
    if case.command == "cancel":
        return sold is not None and sold["cancelled"] == (outcome is not None)
    return outcome != "created" or (sold is not None and shopify.get("order_id") == sold["gid"])


async def out_of_stock(road: Road) -> str:
    """An order that could not be created; meanwhile there is stock."""
    sku = (await road.skus())[0]
    await road.stock(sku, 0)
    order = str((await road.place({"sku": {sku: 1}}))["sku"][sku][0])
    await road.connect()
    await road.poll()
    await road.comes_to(order, "failed", "unable_to_reserve_inventory")
    await road.settled()
    await road.stock(sku, 5)
    return order


@pytest.mark.parametrize("mode", ["retry", "force"])
async def test_a_command_whose_creation_came_to_nothing_ends_when_what_would_be_sent_instead_is_parked(
    road_database: str, mode: str
) -> None:
    async with open_road(road_database, changed=SETTLES_SOON) as road, road.running():
        order = await out_of_stock(road)
        road.bus.spoil = spoiler = Spoiler()
        await road.at_shop("POST", "trouble", kind="cut_before", operation="orderCreate")
        operation = "orderByIdentifier"
        await road.at_shop("POST", "trouble", kind="http429", operation=operation, times=10_000, retry_after=0.2)
        command = await road.ask(order, mode)
        await road.comes_to(order, "creating", "outcome_unknown")
        spoiler.arm(order, MATCHED)
        await road.retitle(order, "Amazon says it anew")
        await road.poll()
        await until(lambda: road.parked(order), within_s=20, what="the next match is parked")
        await road.at_shop("DELETE", "trouble")
        assert await road.ended(command) == ("rejected", "message_parked")
        await road.comes_to(order, "failed", "message_parked")
        await road.settled()
        assert (await still_open(road), await road.sold()) == ({}, [])


async def test_a_hundred_retries_at_once_are_one_command_and_one_shopify_order(road: Road) -> None:
    async with road.running():
        order = await out_of_stock(road)

        async def press() -> tuple[int, str]:
            answer = await road.client.post(f"/v1/orders/main:{order}/retry", json={"mode": "retry"})
            return answer.status_code, answer.json()["command_id" if answer.status_code == 202 else "code"]

        answers = Counter(await asyncio.gather(*(press() for _ in range(100))))
        commands = {said for status, said in answers if status == 202}
        refused = {said for status, said in answers if status == 409}
        assert (len(commands), {status for status, _ in answers} <= {202, 409}) == (1, True), answers
        assert refused <= {"in_progress", "already_created"}
        await road.settled()
        assert await road.ended(commands.pop()) == ("done", "created")
        asked = await rows(road.stores["api"], "select command_id from commands")
        assert (len(asked), await still_open(road), await road.sold()) == (1, {}, [order])
        [_, created] = (await road.ledger())["order_creates"]
        assert created["outcome"] == "accepted"
