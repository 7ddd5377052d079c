"""Every accepted command ends once, also where something else was quicker."""

from __future__ import annotations

from orderbridge.topics import COMMANDS_ENDED
from tests.support.road import Road
from tests.support.step import rows

NO_STOCK = ("failed", "unable_to_reserve_inventory")


async def out_of_stock(road: Road) -> str:
    """An order that could not be created; meanwhile there is stock."""
    sku = (await road.skus())[0]
    await road.stock(sku, 0)
    [order] = (await road.place({"sku": {sku: 1}}))["sku"][sku]
    await road.connect()
    await road.poll()
    await road.comes_to(order, *NO_STOCK)
    await road.settled()
    await road.stock(sku, 5)
    return str(order)


async def all_ended_once(road: Road, *commands: str) -> None:
    await road.settled()
    said = [one.headers["command_id"] for one in road.bus.log if one.topic == COMMANDS_ENDED]
    assert sorted(said) == sorted(commands)
    assert await rows(road.stores["api"], "select command_id from commands where state = 'open'") == []


async def test_two_commands_at_once_make_one_order_and_each_ends(road: Road) -> None:
    async with road.running():
        order = await out_of_stock(road)
        road.bus.held = {"creator"}
        retry, force = await road.ask(order, "retry"), await road.ask(order, "force")
        assert await road.ask(order, "retry") == retry, "an open command of the same kind is returned"
        await road.settled()
        road.bus.held = set()
        assert {await road.ended(retry), await road.ended(force)} == {("done", "created")}
        await all_ended_once(road, retry, force)
    assert await road.sold() == [order]


async def test_a_command_whose_order_was_created_meanwhile_is_rejected(road: Road) -> None:
    async with road.running():
        order = await out_of_stock(road)
        # The api still shows the order as failed when the second command is asked for.
        road.bus.held = {"api"}
        retry = await road.ask(order, "retry")
        await road.settled()
        assert await road.sold() == [order]
        force = await road.ask(order, "force")
        await road.settled()
        road.bus.held = set()
        assert await road.ended(retry) == ("done", "created")
        assert await road.ended(force) == ("rejected", "already_created")
        await all_ended_once(road, retry, force)
    assert await road.sold() == [order]


async def test_a_command_whose_order_amazon_canceled_meanwhile_is_rejected(road: Road) -> None:
    async with road.running():
        order = await out_of_stock(road)
        road.bus.held = {"api"}
        await road.change(order, {"fulfillment": {"fulfillmentStatus": "CANCELLED"}})
        await road.poll()
        await road.settled()
        retry = await road.ask(order, "retry")
        await road.settled()
        road.bus.held = set()
        assert await road.ended(retry) == ("rejected", "canceled_by_amazon")
        await road.comes_to(order, "canceled", "canceled_by_amazon")
        await all_ended_once(road, retry)
    assert await road.sold() == []


async def test_a_command_on_its_way_when_amazon_cancels_the_order_is_rejected(road: Road) -> None:
    async with road.running():
        order = await out_of_stock(road)
        road.bus.held = {"creator"}
        force = await road.ask(order, "force")
        await road.settled()
        await road.change(order, {"fulfillment": {"fulfillmentStatus": "CANCELLED"}})
        await road.poll()
        await road.settled()
        road.bus.held = set()
        assert await road.ended(force) == ("rejected", "canceled_by_amazon")
        await all_ended_once(road, force)
    assert await road.sold() == []
