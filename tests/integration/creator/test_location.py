"""Created orders are fulfilled from the location that the connection names, whatever Shopify's routing chose."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.creator.world import SHORT_TIMES, World, open_world, remedy, tee_match
from tests.support.facts import ORDER, imported
from tests.support.shopify_standin import SHOP, TEE_SKU
from tests.support.step import published, rows, until

FRONT, WAREHOUSE = "gid://shopify/Location/61001", "gid://shopify/Location/61002"
NOWHERE = "gid://shopify/Location/404"
SCOPE = "write_merchant_managed_fulfillment_orders"


async def routed_to_the_warehouse(world: World) -> None:
    """The warehouse has units, the front shop none when an order is routed."""
    await world.stock(10, location="Warehouse")
    await world.stock(0, location="Front Street shop")


async def choose(world: World, location_id: str | None, rev: int = 2, state: str = "ok") -> None:
    """Set the location, and work until the shop was tried with it."""
    await world.change_settings(rev, location_id=location_id)

    async def tried() -> bool:
        return await rows(world.creator.store, "select * from due where kind = 'check' and run_at <= now()") == []

    async with world.working():
        await until(tried, what="the shop is tried")
        await until(lambda: world.is_ready(state), what=f"the connection is {state}")


async def create(world: World, quantity: int = 3) -> None:
    """An order that is created, and nothing left to do for it."""
    await world.order(quantity=quantity)
    async with world.working():
        await world.comes_to("created")
        await until(lambda: at_rest(world), what="nothing is due")


async def at_rest(world: World) -> bool:
    return await rows(world.creator.store, "select * from due where key = :key", key=ORDER) == []


async def levels(world: World) -> dict[str, tuple[int, int]]:
    """(available, committed) by location."""
    shown = (await world.variant())["levels"]
    return {level["location_id"]: (level["available"], level["committed"]) for level in shown}


async def moves(world: World) -> int:
    calls: dict[str, int] = (await world.ledger())["counts"]["calls"]
    return calls.get("fulfillmentOrderMove", 0)


async def moved(world: World) -> bool:
    return (await levels(world))[FRONT] == (-3, 3)


async def missing(world: World) -> list[str]:
    """What the creator's newest word on its connection misses."""
    named: list[str] = (await published(world.creator.store, "connections.status.v1"))[-1]["missing"]
    return named


async def test_an_order_that_was_routed_elsewhere_is_moved_with_its_units(world: World) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)

    await create(world)

    assert await moves(world) == 1
    assert (await levels(world))[WAREHOUSE] == (10, 0)
    assert (await levels(world))[FRONT] == (-3, 3)
    assert await world.phases() == ["planned", "sending", "created"]


async def test_every_fulfillment_order_of_a_split_order_is_moved(world: World) -> None:
    await world.stock(2, location="Warehouse")
    await world.stock(1, location="Front Street shop")
    await choose(world, FRONT)

    await create(world)

    assert await moves(world) == 1
    assert [(await levels(world))[place] for place in (WAREHOUSE, FRONT)] == [(2, 0), (-2, 3)]


async def test_an_order_that_is_at_the_location_already_is_left_there(world: World) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, WAREHOUSE)

    await create(world)

    assert await moves(world) == 0
    assert (await levels(world))[WAREHOUSE] == (7, 3)


async def test_without_the_setting_nothing_is_moved_or_read_and_naming_it_later_moves_nothing(world: World) -> None:
    await routed_to_the_warehouse(world)
    await create(world)
    await choose(world, FRONT)
    await world.deliver(imported(2), tee_match(seq=2, imported_seq=2))
    async with world.working():
        await until(lambda: at_rest(world), what="nothing is due")

    calls = (await world.ledger())["counts"]["calls"]
    assert {"fulfillmentOrderMove", "location"} & set(calls) == {"location"}
    assert (await levels(world))[WAREHOUSE] == (7, 3)


async def test_an_order_whose_answer_never_came_is_moved_once_it_is_found(creator_database: str) -> None:
    async with open_world(creator_database, **SHORT_TIMES) as world:
        await world.ready()
        await routed_to_the_warehouse(world)
        await choose(world, FRONT)
        await world.trouble("cut_after")

        await create(world)

        assert await world.attempts() == ["found"]
        assert await moved(world)


# --- crashes, trouble and refusals


async def test_a_worker_killed_after_the_move_leaves_nothing_to_move_again(world: World) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)
    await world.trouble("timeout_after", "fulfillmentOrderMove", hang_s=30.0)
    await world.order(quantity=3)
    async with world.replica() as killed, killed.doomed():
        await until(lambda: moved(world), what="the order is moved")
    assert not await at_rest(world)

    async with world.working():
        await until(lambda: at_rest(world), what="nothing is due")

    assert await moves(world) == 1
    assert await moved(world)


@pytest.mark.parametrize(("kind", "sent"), [("cut_before", 2), ("cut_after", 1), ("error502", 2), ("http429", 2)])
async def test_trouble_at_the_move_is_tried_again_and_moves_once(world: World, kind: str, sent: int) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)
    await world.trouble(kind, "fulfillmentOrderMove", retry_after=0.1)

    await create(world)

    assert await moves(world) == sent
    assert await moved(world)


async def test_a_refusal_is_final_and_the_order_stays_created(world: World) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)
    await world.control("PATCH", f"locations/{FRONT}", stops_stocking=TEE_SKU)

    await create(world)

    assert await moves(world) == 1
    assert (await levels(world))[WAREHOUSE] == (7, 3)
    assert await world.is_ready("ok")
    assert await rows(world.creator.store, "select * from parked") == []


async def test_an_order_that_was_canceled_meanwhile_is_left_alone(world: World) -> None:
    await with_a_move_that_waits(world)
    await world.deliver(remedy("cancel"))
    async with world.working():
        await world.comes_to("canceled")
        await move_due(world, "now()")
        await until(lambda: at_rest(world), what="nothing is due")

    assert await moves(world) == 1
    assert [(await levels(world))[place] for place in (WAREHOUSE, FRONT)] == [(10, 0), (0, 0)]


async def test_a_setting_that_is_taken_back_moves_nothing_that_waits(world: World) -> None:
    await with_a_move_that_waits(world)
    await choose(world, None, rev=3)
    await move_due(world, "now()")
    async with world.working():
        await until(lambda: at_rest(world), what="nothing is due")

    assert await moves(world) == 1
    assert (await levels(world))[WAREHOUSE] == (7, 3)


async def with_a_move_that_waits(world: World) -> None:
    """A created order whose move Shopify did not carry out, for an hour from now."""
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)
    await world.trouble("error502", "fulfillmentOrderMove", retry_after=60.0)
    await world.order(quantity=3)

    async def waits() -> bool:
        return await rows(world.creator.store, "select * from due where kind = 'move' and waits > 0") != []

    async with world.working():
        await until(waits, what="the move waits")
    await move_due(world, "now() + interval '1 hour'")


async def move_due(world: World, when: str) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(text(f"update due set run_at = {when} where kind = 'move'"))


# --- the location itself


@pytest.mark.parametrize("gone", ["unknown", "inactive"])
async def test_a_location_that_is_gone_is_named_and_nothing_is_sent_until_it_is_mended(world: World, gone: str) -> None:
    location = NOWHERE if gone == "unknown" else FRONT
    await routed_to_the_warehouse(world)
    await world.control("PATCH", f"locations/{FRONT}", active=gone == "unknown")
    await choose(world, location, state="misconfigured")
    await world.order(quantity=3)
    async with world.working():
        fact = await world.comes_to("failed")
    assert fact["reason"]["code"] == "connection_misconfigured"
    [named] = await missing(world)
    assert location in named
    assert await world.creates() == []

    await world.control("PATCH", f"locations/{FRONT}", active=True)
    await choose(world, FRONT, rev=3)
    async with world.working():
        await world.comes_to("created")
        await until(lambda: at_rest(world), what="nothing is due")
    assert await moved(world)


async def test_a_location_that_goes_while_orders_come_blocks_the_connection_and_the_move_waits(world: World) -> None:
    await routed_to_the_warehouse(world)
    await choose(world, FRONT)
    await world.control("PATCH", f"locations/{FRONT}", active=False)
    await world.order(quantity=3)
    async with world.working():
        await world.comes_to("created")
        await until(lambda: world.is_ready("misconfigured"), what="the connection is blocked")
        [named] = await missing(world)
        assert FRONT in named

        await world.control("PATCH", f"locations/{FRONT}", active=True)
        async with world.engine.begin() as connection:
            await connection.execute(text("update due set run_at = now() where kind = 'check'"))
        await until(lambda: at_rest(world), what="nothing is due")

    assert await moved(world)


async def test_the_scope_that_moving_needs_is_asked_for_with_the_setting_only(world: World) -> None:
    keys = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret"}
    scopes = ["write_orders", "read_products", "read_inventory", "read_locations"]
    remade: dict[str, Any] = {**keys, "scopes": scopes, "definition": True}
    await world.control_http.post("/_control/shops", json=remade)

    await choose(world, None)
    await choose(world, FRONT, rev=3, state="misconfigured")

    assert await missing(world) == [f"scope {SCOPE}"]
