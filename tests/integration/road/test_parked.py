"""What cannot be taken stops one order or one connection, says why on the order, and is freed once it is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orderbridge.kafka import Received
from orderbridge.shopify.order_input import build_order_input
from orderbridge.topics import COMMANDS_ENDED, IMPORTED
from orderbridge_creator.domain.intake import take_import
from orderbridge_creator.steps import creating, intake
from orderbridge_matcher.adapters.shop import Shops
from tests.support.road import SECOND_SELLER, SECOND_SHOP, Road
from tests.support.step import until

PARKED = ("failed", "message_parked")
CREATED = ("created", None)


async def three_orders(road: Road) -> list[str]:
    """At Amazon, of a connection that has not polled yet; the first is the one that things happen to."""
    placed = await road.place({"unshipped": 3})
    await road.connect()
    ids: list[str] = placed["unshipped"]
    return ids


async def the_others_are_created(road: Road, ids: list[str]) -> None:
    for one in ids[1:]:
        await road.comes_to(one, *CREATED)


def failing_for(victim: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, but for one order, where it has a bug."""

    def buggy(*given: Any, **named: Any) -> Any:
        if any(victim in str(getattr(one, "order_id", "")) for one in given):
            raise RuntimeError("a planted bug")
        return real(*given, **named)

    return buggy


async def ends_said(road: Road, command_id: str) -> int:
    return sum(one.topic == COMMANDS_ENDED and one.headers["command_id"] == command_id for one in road.bus.log)


async def test_a_message_that_cannot_be_read_stops_its_order_alone_until_a_newer_one_can(road: Road) -> None:
    victim, *_ = ids = await three_orders(road)

    def garbled(record: Received) -> Received:
        if (record.topic, record.key) != (IMPORTED, f"main:{victim}"):
            return record
        return Received(record.topic, 0, 0, record.key, b'{"order_id": 17', record.headers)

    road.bus.spoil = garbled
    async with road.running():
        await road.poll()
        await road.comes_to(victim, *PARKED)
        await the_others_are_created(road, ids)
        await road.settled()
        parked = await road.parked(victim)
        assert set(parked) == {"matcher", "creator", "api"}
        refused = await road.client.post(f"/v1/orders/main:{victim}/retry", json={"mode": "retry"})
        assert (refused.status_code, refused.json()["code"]) == (409, "message_parked")

        # Nothing was mended: it stays where it is.
        for parked_id in parked.values():
            assert await road.ended(await road.replay(parked_id)) == ("rejected", "message_parked")
        assert await road.stands(victim) == PARKED
        assert victim not in await road.sold()

        road.bus.spoil = lambda record: record
        await road.retitle(victim, "Amazon says it anew")
        await road.poll()
        await road.comes_to(victim, *CREATED)
        assert await road.parked(victim) == {}
    assert await road.sold() == sorted(ids)


async def test_a_reader_with_a_bug_parks_the_message_and_its_replay_creates_the_order(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, *_ = ids = await three_orders(road)
    with monkeypatch.context() as planted:
        planted.setattr(intake, "take_import", failing_for(victim, take_import))
        async with road.running():
            await road.poll()
            await road.comes_to(victim, *PARKED)
            await the_others_are_created(road, ids)
            await road.settled()
            assert set(await road.parked(victim)) == {"creator"}
            assert victim not in await road.sold()
    async with road.running():
        parked = await road.parked(victim)
        assert await road.ended(await road.replay(parked["creator"])) == ("done", "replayed")
        await road.comes_to(victim, *CREATED)
    assert await road.sold() == sorted(ids)


async def test_a_title_with_a_nul_character_parks_its_order_alone_and_a_replay_after_the_mend_creates_it(
    road: Road,
) -> None:
    victim, *_ = ids = await three_orders(road)
    await road.retitle(victim, "A mug\0 with a hole")
    async with road.running():
        await road.poll()
        await road.comes_to(victim, *PARKED)
        await the_others_are_created(road, ids)
        shown = await road.order(victim)
        assert (shown["amazon_order_id"], shown["lines"], shown["total"]) == (victim, None, None)
        parked = await road.parked(victim)
        assert set(parked) == {"ingestor"}
        assert await road.ended(await road.replay(parked["ingestor"])) == ("rejected", "message_parked")

        await road.retitle(victim, "A mug without a hole")
        assert await road.ended(await road.replay(parked["ingestor"])) == ("done", "replayed")
        await road.comes_to(victim, *CREATED)
        assert await road.parked(victim) == {}
    assert await road.sold() == sorted(ids)


async def test_due_work_with_a_bug_is_parked_its_command_ends_and_its_replay_creates_the_order(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = (await road.skus())[0]
    await road.stock(sku, 0)
    [victim] = (await road.place({"sku": {sku: 1}}, seed=9))["sku"][sku]
    others = await three_orders(road)
    async with road.running():
        await road.poll()
        await road.comes_to(victim, "failed", "unable_to_reserve_inventory")
    await road.stock(sku, 5)
    with monkeypatch.context() as planted:
        planted.setattr(creating, "build_order_input", failing_for(victim, build_order_input))
        async with road.running():
            command = await road.ask(victim)
            assert await road.ended(command) == ("rejected", "message_parked")
            await road.comes_to(victim, *PARKED)
            await the_others_are_created(road, others)
            parked = await road.parked(victim)
            assert set(parked) == {"creator"}
            await road.settled()
    async with road.running():
        assert await road.ended(await road.replay(parked["creator"])) == ("done", "replayed")
        await road.comes_to(victim, *CREATED)
        await road.settled()
    assert await ends_said(road, command) == 1
    assert await road.sold() == sorted([victim, *others])


async def test_a_look_up_with_a_bug_is_parked_and_after_its_replay_a_command_goes_through(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, *_ = (await road.place({"unknown_sku": 1}, seed=9))["unknown_sku"]
    others = await three_orders(road)
    async with road.running():
        await road.poll()
        await road.comes_to(victim, "unmatched", "sku_not_found")
        # The next round through the shop's changes is a minute away.
        await road.settled()
        for line in (await road.order(victim))["lines"]:
            if line["reason"] is not None:
                await road.sell(line["amazon_sku"])

    async def buggy(*_given: Any) -> Any:
        raise RuntimeError("a planted bug")

    with monkeypatch.context() as planted:
        planted.setattr(Shops, "with_skus", buggy)
        async with road.running():
            command = await road.ask(victim)
            assert await road.ended(command) == ("rejected", "message_parked")
            await road.comes_to(victim, *PARKED)
            parked = await road.parked(victim)
            assert set(parked) == {"matcher"}
            await the_others_are_created(road, others)
            await road.settled()
    async with road.running():
        assert await road.ended(await road.replay(parked["matcher"])) == ("done", "replayed")
        # The command has ended: without one, Shopify's last word on the SKU counts for some minutes.
        await road.comes_to(victim, "unmatched", "sku_not_found")
        assert await road.ended(await road.ask(victim)) == ("done", "created")
        await road.comes_to(victim, *CREATED)
        await road.settled()
    assert await ends_said(road, command) == 1
    assert await road.sold() == sorted([victim, *others])


async def test_a_missing_metafield_definition_stops_its_connection_alone_and_goes_on_by_itself(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge.step.connections.PROBE_EVERY_S", 0.3)
    await road.make_second_shop()
    await road.at_shop("POST", "settings", shop=SECOND_SHOP, definition_allowed=False)
    ours = (await road.place({"unshipped": 2}))["unshipped"]
    theirs = (await road.place({"unshipped": 2}, seed=8, seller=SECOND_SELLER))["unshipped"]
    async with road.running():
        for name in ("main", "second"):
            await road.connect(name)
            await road.poll(name)
        for one in theirs:
            await road.comes_to(one, "failed", "connection_misconfigured", connection="second")
        for one in ours:
            await road.comes_to(one, *CREATED)

        async def told() -> bool:
            shown = await road.get("/v1/connections/second")
            return shown["status"]["creator"] is not None

        await until(told, what="the creator says how it gets on")
        shown = await road.get("/v1/connections/second")
        assert shown["status"]["creator"]["state"] == "misconfigured"
        assert any("amazon_order_id" in missing for missing in shown["missing"])
        assert (await road.get("/v1/connections/main"))["missing"] == []
        command = await road.ask(theirs[0], connection="second")
        assert await road.ended(command) == ("rejected", "connection_misconfigured")
        assert await road.sold(SECOND_SHOP) == []

        await road.at_shop("POST", "settings", shop=SECOND_SHOP, definition_allowed=True)
        for one in theirs:
            await road.comes_to(one, *CREATED, connection="second")
        await road.settled()
        assert (await road.get("/v1/connections/second"))["missing"] == []
    assert (await road.sold(), await road.sold(SECOND_SHOP)) == (sorted(ours), sorted(theirs))
