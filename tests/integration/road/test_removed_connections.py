"""A connection that is removed stops, its orders say so, and added again it goes on where it was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from orderbridge.topics import COMMANDS_ENDED, CONNECTIONS_STATUS
from tests.support.road import SERVICES, Road, open_road
from tests.support.step import rows, until

from .story import Story, open_story, standings

SETTLES_SOON = {
    "ORDERBRIDGE_SETTLE_S": "2.2",
    "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "1.5",
    "ORDERBRIDGE_SHOPIFY_LATE_S": "0.5",
    "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "0.1",
}
REMOVED = ("skipped", "connection_removed")


async def remove(road: Road, name: str = "main") -> None:
    answer = await road.client.delete(f"/v1/connections/{name}")
    assert answer.status_code == 204, answer.text


async def imported(road: Road) -> Story:
    """Thirty orders that came to rest."""
    story = await open_story(road)
    await road.poll()
    await road.settled()
    return story


def after_removal(story: Story) -> dict[str, tuple[str, str | None]]:
    """What is not created, and would have been, is skipped; the rest stays as it is."""
    kept = ("created", "skipped", "canceled")
    return {one: stands if stands[0] in kept else REMOVED for one, stands in story.expected.items()}


async def test_its_orders_say_that_it_was_removed_and_those_created_stay(road: Road) -> None:
    async with road.running():
        story = await imported(road)
        sold = await road.sold()
        await remove(road)
        await road.settled()
        expected = after_removal(story)
        # What could not be read is listed as such until somebody replays it.
        expected |= {one: stands for one, stands in story.expected.items() if stands[1] == "message_parked"}
        assert await standings(road) == expected
        assert await road.sold() == sold
        assert (await road.client.get("/v1/connections/main")).status_code == 404
        assert (await road.get("/v1/connections"))["items"] == []


async def test_nothing_of_it_is_due_watched_or_kept_secret(road: Road) -> None:
    async with road.running():
        await imported(road)
        await remove(road)
        await road.settled()
        for service in ("ingestor", "matcher", "creator"):
            assert await rows(road.stores[service], "select kind, key from due where connection_id = 'main'") == []
        async with road.stores["api"].transaction() as unit:
            assert await unit.secrets_of("main", "amazon") == await unit.secrets_of("main", "shopify") == {}
        async with road.stores["matcher"].engine.connect() as connection:
            assert await connection.scalar(text("select count(*) from variants where connection_id = 'main'")) == 0
        tombstones = {one.key for one in road.bus.log if one.topic == CONNECTIONS_STATUS and one.value is None}
        assert tombstones == {f"main:{service}" for service in ("ingestor", "matcher", "creator")}


async def test_open_commands_end_and_later_ones_lead_to_nothing(road: Road) -> None:
    async with road.running():
        story = await imported(road)
        waiting = story.without_stock[0][0]
        await road.at_amazon("POST", "trouble", {"operation": "getOrder", "kind": "throttle", "times": 10_000})
        command = await road.ask(waiting, "refetch")
        await remove(road)
        assert await road.ended(command) == ("rejected", "connection_removed")
        await road.settled()
        later = await road.ask(waiting, "refetch")
        assert await road.ended(later) == ("rejected", "connection_removed")
        ended = [one for one in road.bus.log if one.topic == COMMANDS_ENDED]
        assert len(ended) == 2


async def test_added_again_its_orders_are_decided_anew_and_none_is_created_twice(road: Road) -> None:
    async with road.running():
        story = await imported(road)
        await remove(road)
        await road.settled()
        await road.connect()
        await road.poll()
        await road.settled()
        assert await standings(road) == story.expected
        [listed] = (await road.get("/v1/connections"))["items"]
        assert listed["status"]["creator"]["state"] == "ok"
        placed = await road.place({"unshipped": 2}, seed=99)
        for order in placed["unshipped"]:
            await road.change(order, {"programs": ["PRIME"]})
        await road.poll()
        for order in placed["unshipped"]:
            await road.comes_to(order, "created")
        sold = await road.sold()
        assert len(sold) == len(set(sold))


async def test_an_order_whose_outcome_is_open_rests_and_is_looked_up_once_it_is_there_again(
    road_database: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("orderbridge_creator.steps.creating.REMOVED_S", 0.3)
    async with open_road(road_database, changed=SETTLES_SOON) as road, road.running():
        await road.at_shop("POST", "trouble", kind="cut_after", operation="orderCreate")
        [order] = (await road.place({"unshipped": 1}))["unshipped"]
        await road.connect()
        await road.poll()
        await road.comes_to(order, "creating", "outcome_unknown")
        await remove(road)

        async def settled_long_ago() -> bool:
            query = "select waits from due where kind = 'create' and waits > 3"
            return bool(await rows(road.stores["creator"], query))

        await until(settled_long_ago, within_s=20, what="the order rests")
        assert await road.stands(order) == ("creating", "outcome_unknown")
        await road.connect()
        await road.comes_to(order, "created")
        assert await road.sold() == [order]
        for service in SERVICES:
            assert await rows(road.stores[service], "select * from parked") == []
