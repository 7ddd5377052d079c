"""Orders refused for want of stock go on by themselves once it is there: exactly those, the nearest date first."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge_creator.adapters.shop import Shops
from orderbridge_creator.domain.order import Order
from orderbridge_creator.domain.outcomes import Level, Stock
from orderbridge_creator.domain.waiting import explained, waits_of
from tests.integration.creator.world import World, match_of, numbered, open_world, remedy
from tests.support.facts import at, imported, unmatched
from tests.support.shopify_standin import MUG, MUG_SKU, TEE, TEE_SKU
from tests.support.step import rows, until

REFUSED = ["planned", "sending", "failed"]


@pytest.fixture
async def forgetful(creator_database: str) -> AsyncIterator[World]:
    """Whose stock is read again every second."""
    async with open_world(creator_database, STOCK_REREAD=1.0) as opened:
        await opened.ready()
        yield opened


async def refused(world: World, n: int, *targets: tuple[str, str, int], day: int = 2) -> str:
    """Order number ``n``, to be shipped on that day, that the shop has no stock for."""
    order_id = numbered(n)
    await world.address(order_id)
    await world.deliver(
        imported(order_id=order_id, ship_by=at(day * 1440)),
        match_of(*(targets or ((TEE, TEE_SKU, 1),)), order_id=order_id),
    )
    async with world.working():
        await world.comes_to("failed", order_id=order_id)
    return order_id


async def waits(world: World) -> list[dict[str, Any]]:
    return await rows(world.creator.store, "select * from waits order by order_id, variant_id")


async def looked_into(world: World) -> bool:
    """Whether every word that came was looked into."""
    flagged = "select 1 from waits where flagged > 0 union all select 1 from due where kind = 'restock'"
    return await rows(world.creator.store, flagged) == []


async def tee_changed(world: World) -> None:
    await world.word("inventory_item", (await world.variant())["inventory_item_id"])


async def stock_reads(world: World) -> int:
    return int((await world.ledger())["counts"]["calls"].get("nodes", 0))


async def test_a_restocked_order_is_created_with_the_match_it_has_and_no_command(world: World) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    await world.stock(5)
    await tee_changed(world)
    async with world.working():
        fact = await world.comes_to("created", order_id=order_id)

    assert (fact["match_seq"], fact["command_id"], fact["attempts"]) == (1, None, 2)
    assert await world.phases(order_id) == ["planned", "sending", "failed", "planned", "sending", "created"]
    assert await waits(world) == []


async def test_what_an_order_waits_for_is_kept_until_its_newest_fact_says_something_else(world: World) -> None:
    await world.stock(1)
    order_id = await refused(world, 1, (TEE, TEE_SKU, 3))
    shown = await world.variant()

    [wait] = await waits(world)
    assert (wait["units"], wait["seen"], wait["shopify_sku"], wait["ship_by"]) == (3, 1, TEE_SKU, at(2880))
    assert (wait["inventory_item_id"], wait["product_id"]) == (shown["inventory_item_id"], shown["product_id"])

    await world.deliver(imported(2, order_id=order_id, kind="cancel", reason="canceled_by_buyer"))
    assert await waits(world) == []


@pytest.mark.parametrize("ending", ["unmatched", "resolved"])
async def test_an_order_that_leaves_by_another_way_waits_no_more(world: World, ending: str) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    gone = unmatched(2, order_id=order_id) if ending == "unmatched" else remedy("resolve", order_id=order_id)
    await world.deliver(gone)

    assert await waits(world) == []


async def test_exactly_those_that_can_be_had_go_on_the_nearest_date_first(world: World) -> None:
    for sku in (TEE_SKU, MUG_SKU):
        await world.stock(0, sku)
    late = await refused(world, 1, day=9)
    soonest = await refused(world, 2, day=1)
    soon = await refused(world, 3, day=2)
    mug = await refused(world, 4, (MUG, MUG_SKU, 1), day=1)
    pair = await refused(world, 5, (TEE, TEE_SKU, 1), (MUG, MUG_SKU, 1), day=1)
    large = await refused(world, 6, (TEE, TEE_SKU, 3), day=1)
    others = (late, mug, pair, large)
    before = {order_id: await world.facts(order_id) for order_id in others}

    await world.stock(2)
    await tee_changed(world)
    async with world.working():
        for order_id in (soonest, soon):
            await world.comes_to("created", order_id=order_id)
        await until(lambda: looked_into(world), what="all is looked into")

    assert {order_id: await world.facts(order_id) for order_id in others} == before


async def test_a_burst_of_words_costs_one_read(world: World) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    before = await stock_reads(world)
    for _ in range(20):
        await tee_changed(world)
    async with world.working():
        await until(lambda: looked_into(world), what="all is looked into")

    assert await stock_reads(world) == before + 1
    assert await world.phases(order_id) == REFUSED


async def test_a_later_word_does_not_put_the_read_off(world: World) -> None:
    await world.stock(0)
    await refused(world, 1)
    asked = "select run_at, version from due where kind = 'restock'"
    await tee_changed(world)
    first = await rows(world.creator.store, asked)
    await tee_changed(world)

    assert await rows(world.creator.store, asked) == first
    assert [wait["flagged"] for wait in await waits(world)] == [2]


async def test_a_word_that_comes_while_the_stock_is_read_is_looked_into_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    read = Shops.stock
    reads = 0

    async def read_and_restock(*args: Any, **more: Any) -> Any:
        nonlocal reads
        found = await read(*args, **more)
        reads += 1
        if reads == 1:
            await world.stock(1)
            await tee_changed(world)
        return found

    monkeypatch.setattr(Shops, "stock", read_and_restock)
    await tee_changed(world)
    async with world.working():
        await world.comes_to("created", order_id=order_id)
    assert reads == 2


async def test_a_word_that_concerns_no_waiting_order_costs_no_read(world: World) -> None:
    await world.stock(0)
    await refused(world, 1)
    await world.word("inventory_item", (await world.variant(MUG_SKU))["inventory_item_id"])
    await world.word("order", "gid://shopify/Order/1")
    await world.word("variant", TEE, change="gone")

    assert await looked_into(world)


async def test_any_word_is_looked_into_where_it_is_not_known_what_the_stock_is_counted_by(world: World) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    async with world.engine.begin() as connection:
        await connection.execute(text("update waits set inventory_item_id = null, product_id = null"))
    await world.stock(1)
    await world.word("inventory_item", "gid://shopify/InventoryItem/1")
    async with world.working():
        await world.comes_to("created", order_id=order_id)


@pytest.mark.parametrize("kind", ["product", "variant"])
async def test_a_variant_that_goes_on_selling_without_stock_frees_the_order(world: World, kind: str) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    await world.control("PATCH", f"variants/{TEE_SKU}", policy="CONTINUE")
    await world.word(kind, TEE if kind == "variant" else (await world.variant())["product_id"])
    async with world.working():
        await world.comes_to("created", order_id=order_id)


async def test_an_order_whose_variant_has_another_sku_now_is_left_to_the_matcher(world: World) -> None:
    await world.stock(0)
    order_id = await refused(world, 1)
    await world.stock(5)
    await world.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED")
    await world.word("variant", TEE)
    async with world.working():
        await until(lambda: looked_into(world), what="all is looked into")

    assert await world.phases(order_id) == REFUSED
    assert len(await waits(world)) == 1


async def test_units_on_their_way_to_a_woken_order_are_not_handed_out_again(world: World) -> None:
    await world.stock(0)
    first, second = await refused(world, 1, day=1), await refused(world, 2, day=2)
    await world.stock(1)
    await world.trouble("timeout_before", hang_s=30.0)
    await tee_changed(world)
    async with world.doomed():
        await world.comes_to("sending", order_id=first)
        async with world.engine.begin() as connection:
            # Even to one that is to be shipped before it.
            await connection.execute(
                text("update waits set ship_by = :day where order_id = :id"), {"day": at(), "id": second}
            )
        await tee_changed(world)
        await until(lambda: looked_into(world), what="all is looked into")

    assert await world.phases(second) == REFUSED


async def test_a_word_that_gets_lost_is_made_up_for_by_reading_again(forgetful: World) -> None:
    await forgetful.stock(0)
    order_id = await refused(forgetful, 1)
    await forgetful.stock(1)
    async with forgetful.working():
        await forgetful.comes_to("created", order_id=order_id)
        await until(lambda: nothing_due(forgetful), what="nothing waits, so nothing is read any more")


async def nothing_due(world: World) -> bool:
    return await rows(world.creator.store, "select * from due") == []


async def test_where_waking_is_switched_off_orders_wait_for_a_person_until_it_is_switched_on(
    forgetful: World,
) -> None:
    await forgetful.change_settings(2, wake_on_restock=False)
    await forgetful.stock(0)
    order_id = await refused(forgetful, 1)
    reads = await stock_reads(forgetful)
    await forgetful.stock(5)
    await tee_changed(forgetful)
    assert await looked_into(forgetful)
    async with forgetful.working():
        await until(lambda: reread(forgetful), what="a re-read has passed")
        assert (await forgetful.phases(order_id), await stock_reads(forgetful)) == (REFUSED, reads)

        await forgetful.change_settings(3, wake_on_restock=True)
        await forgetful.comes_to("created", order_id=order_id)


async def reread(world: World) -> bool:
    return await rows(world.creator.store, "select * from due where kind = 'reread' and waits > 1") != []


async def test_the_export_button_frees_an_order_that_nothing_wakes(world: World) -> None:
    await world.change_settings(2, wake_on_restock=False)
    await world.stock(0)
    order_id = await refused(world, 1)
    await world.stock(1)
    retry = match_of((TEE, TEE_SKU, 1), order_id=order_id, seq=2, command_id="c1", mode="retry")
    await world.deliver(retry)
    async with world.working():
        await world.comes_to("created", order_id=order_id)

    assert (await world.ends(), await waits(world)) == ({"c1": ("done", "created")}, [])


async def test_a_refusal_that_the_stock_does_not_explain_is_tried_once_more_and_then_waits_for_more(
    world: World,
) -> None:
    """As for an address that no location with stock delivers to."""
    await world.stock(0)
    order_id = await refused(world, 1)
    enough = {TEE: Stock(True, (Level("Warehouse", True, 5),), TEE_SKU)}
    seen: list[int | None] = []
    for _ in range(2):
        async with world.creator.store.transaction() as unit:
            order: Order = (await unit.lock_orders([order_id]))[order_id]
            if not seen:
                await unit.connection.execute(text("delete from waits"))
            known = explained(order, enough)
            await unit.await_stock(order, waits_of(order, enough), explained=known, reread_s=300)
        seen += [wait["seen"] for wait in await waits(world)]

    assert seen == [None, 5]


async def test_orders_refused_before_their_waits_were_kept_wait_from_then_on(world: World) -> None:
    await world.stock(0)
    order_id = await refused(world, 1, (TEE, TEE_SKU, 2))
    closed = await refused(world, 2)
    await world.deliver(imported(2, order_id=closed, kind="cancel", reason="canceled_by_buyer"))
    [kept] = await waits(world)
    migration = importlib.import_module("orderbridge_creator.migrations.versions.0002_remedies")
    async with world.engine.begin() as connection:
        await connection.execute(text("delete from waits"))
        await connection.execute(text("delete from due"))
        for statement in migration.STATEMENTS:
            if "insert into" in statement:
                await connection.execute(text(statement))

    [wait] = await waits(world)
    told = ("order_id", "variant_id", "shopify_sku", "units", "ship_by", "connection_id")
    assert [wait[name] for name in told] == [kept[name] for name in told]
    await world.stock(2)
    async with world.working():
        await world.comes_to("created", order_id=order_id)
