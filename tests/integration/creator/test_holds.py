"""Stock held for orders that wait: taken once, given back once, and never while it is open what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from orderbridge.step.unit import DueRow
from orderbridge_creator.adapters.shop import Shops
from orderbridge_creator.domain.hold import Hold
from tests.integration.creator.world import (
    SHORT_TIMES,
    World,
    connection_changed,
    match_of,
    numbered,
    open_world,
    remedy,
)
from tests.support.facts import ORDER, imported, unmatched
from tests.support.shopify_standin import MUG, MUG_SKU, SHOP, TEE, TEE_SKU
from tests.support.step import rows, until

MOVE = "inventoryMoveQuantities"
TIMES: dict[str, float] = SHORT_TIMES | {"STOCK_REREAD": 0.6}


@pytest.fixture
async def world(creator_database: str) -> AsyncIterator[World]:
    """Whose connection holds stock for orders that wait; its shop has five T-shirts."""
    async with open_world(creator_database, **TIMES) as opened:
        await opened.ready()
        await opened.change_settings(2, hold_stock_while_pending=True)
        await opened.stock(5)
        async with opened.working():
            await until(lambda: idle(opened), what="the shop is tried again")
        yield opened


async def idle(world: World) -> bool:
    return await rows(world.creator.store, "select * from due where kind in ('hold', 'create', 'check')") == []


async def waits(world: World, order_id: str = ORDER, *targets: tuple[str, str, int]) -> None:
    """An order that Amazon has not released, matched."""
    await world.address(order_id)
    await world.deliver(
        imported(order_id=order_id, kind="wait", reason="awaiting_payment", amazon_status="PENDING"),
        match_of(*(targets or ((TEE, TEE_SKU, 2),)), order_id=order_id),
    )


async def becomes_payable(world: World, order_id: str = ORDER, *targets: tuple[str, str, int], **more: Any) -> None:
    await world.deliver(
        imported(2, order_id=order_id),
        match_of(*(targets or ((TEE, TEE_SKU, 2),)), order_id=order_id, seq=2, imported_seq=2, **more),
    )


async def states(world: World, sku: str = TEE_SKU) -> tuple[int, int, int]:
    """(available, committed, reserved) over all locations; on hand is always their sum."""
    levels = (await world.variant(sku))["levels"]
    available, committed, reserved, on_hand = (
        sum(level[name] for level in levels) for name in ("available", "committed", "reserved", "on_hand")
    )
    assert available + committed + reserved == on_hand
    return available, committed, reserved


async def booked(world: World, order_id: str = ORDER) -> list[str]:
    found = await rows(
        world.creator.store, "select state from reservations where order_id = :id order by id", id=order_id
    )
    return [row["state"] for row in found]


async def moves(world: World) -> int:
    return int((await world.ledger())["counts"]["calls"].get(MOVE, 0))


async def come_to_rest(world: World) -> None:
    async with world.working():
        await until(lambda: idle(world), what="nothing is due")


async def is_held(world: World, order_id: str = ORDER) -> bool:
    """Whether the order's newest fact says that units are held for it."""
    facts = await world.facts(order_id)
    return bool(facts) and (facts[-1]["reservation"] or {}).get("state") == "held"


async def state_of(world: World, order_id: str = ORDER) -> str | None:
    found = await rows(
        world.creator.store, "select hold ->> 'state' as state from orders where order_id = :id", id=order_id
    )
    return found[0]["state"] if found else None


async def test_a_waiting_order_holds_its_units_and_says_so(world: World) -> None:
    await waits(world)
    await come_to_rest(world)

    assert await states(world) == (3, 0, 2)
    [fact] = await world.facts()
    assert (fact["phase"], fact["imported_seq"], fact["match_seq"], fact["attempts"]) == ("holding", 1, 1, 0)
    assert fact["reservation"]["state"] == "held"
    [line] = fact["reservation"]["lines"]
    assert (line["variant_id"], line["quantity"]) == (TEE, 2)
    assert (await booked(world), await moves(world), await world.creates()) == (["held"], 1, [])


async def test_without_the_setting_nothing_is_held(world: World) -> None:
    await world.change_settings(3)
    await waits(world)
    await come_to_rest(world)

    assert (await states(world), await moves(world), await world.facts()) == ((5, 0, 0), 0, [])


@pytest.mark.parametrize("ending", ["cancel", "skip", "resolve"])
async def test_an_order_that_is_over_gives_its_units_back(world: World, ending: str) -> None:
    await waits(world)
    await come_to_rest(world)
    if ending == "resolve":
        await world.deliver(remedy("resolve"))
    else:
        await world.deliver(imported(2, kind=ending, reason="canceled_by_buyer"))
    await come_to_rest(world)

    assert await states(world) == (5, 0, 0)
    assert await booked(world) == ["held", "released"]
    said = [(fact["phase"], (fact["reservation"] or {}).get("state")) for fact in await world.facts()]
    assert said == [("holding", "held"), ("resolved", None) if ending == "resolve" else ("holding", "released")]


async def test_a_payable_order_is_created_with_the_units_that_are_held_though_the_shop_has_none_left(
    world: World,
) -> None:
    await world.stock(2)
    await waits(world)
    await come_to_rest(world)
    assert await states(world) == (0, 0, 2)

    await becomes_payable(world)
    async with world.working():
        fact = await world.comes_to("created")
        await until(lambda: idle(world), what="the hold is given back")

    assert await states(world) == (0, 2, 0)
    assert await world.phases() == ["holding", "planned", "sending", "created"]
    held = [fact["reservation"]["state"] for fact in await world.facts()]
    assert held == ["held", "held", "held", "claimed"]
    assert await booked(world) == ["held", "claimed", "released"]
    [order] = await world.shop_orders()
    assert (order["gid"], order["tags"]) == (fact["shopify"]["order_id"], ["amazon"])


async def test_an_order_without_a_hold_is_refused_for_want_of_stock_as_ever(world: World) -> None:
    await world.stock(0)
    await waits(world)
    async with world.working():
        await until(lambda: short(world), what="the stock was found short")
        await becomes_payable(world)
        fact = await world.comes_to("failed")

    assert fact["reason"]["code"] == "unable_to_reserve_inventory"
    assert (await states(world), await moves(world)) == ((0, 0, 0), 0)


async def short(world: World) -> bool:
    return await rows(world.creator.store, "select * from due where kind = 'hold' and waits > 0") != []


async def test_all_or_nothing_is_held_and_it_is_tried_again_once_there_is_stock(world: World) -> None:
    await world.stock(0, MUG_SKU)
    await waits(world, ORDER, (TEE, TEE_SKU, 2), (MUG, MUG_SKU, 1))
    async with world.working():
        await until(lambda: short(world), what="the stock was found short")
        assert (await states(world), await world.facts()) == ((5, 0, 0), [])
        await world.stock(1, MUG_SKU)
        await until(lambda: is_held(world), what="the units are held")

    assert (await states(world), await states(world, MUG_SKU)) == ((3, 0, 2), (0, 0, 1))


async def test_units_are_taken_from_several_locations_where_no_single_one_has_them_all(world: World) -> None:
    await world.stock(3)
    await world.stock(4, location="Front Street shop")
    await world.stock(9, location="Outlet, not online")
    await waits(world, ORDER, (TEE, TEE_SKU, 6))
    await come_to_rest(world)

    reserved = {level["location"]: level["reserved"] for level in (await world.variant())["levels"]}
    assert reserved == {"Front Street shop": 4, "Warehouse": 2, "Outlet, not online": 0}
    await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
    await come_to_rest(world)
    assert [level["reserved"] for level in (await world.variant())["levels"]] == [0, 0, 0]


@pytest.mark.parametrize("change", [{"tracked": False}, {"policy": "CONTINUE"}], ids=["untracked", "continues"])
async def test_a_variant_that_is_never_refused_needs_no_units(world: World, change: dict[str, Any]) -> None:
    await world.control("PATCH", f"variants/{TEE_SKU}", **change)
    await waits(world, ORDER, (TEE, TEE_SKU, 2), (MUG, MUG_SKU, 1))
    await come_to_rest(world)

    [fact] = await world.facts()
    assert [line["variant_id"] for line in fact["reservation"]["lines"]] == [MUG]
    assert ((await states(world))[2], (await states(world, MUG_SKU))[2]) == (0, 1)
    await becomes_payable(world, ORDER, (TEE, TEE_SKU, 2), (MUG, MUG_SKU, 1))
    await come_to_rest(world)
    assert (await world.phases())[-1] == "created"
    assert ((await states(world))[2], (await states(world, MUG_SKU))[2]) == (0, 0)


@pytest.mark.parametrize(
    "kind", ["cut_before", "cut_after", "timeout_before", "timeout_after", "late", "garbled_after"]
)
@pytest.mark.parametrize("way", ["held", "released"])
async def test_a_call_that_was_not_answered_moves_the_units_once(world: World, kind: str, way: str) -> None:
    if way == "held":
        await world.trouble(kind, MOVE, hang_s=0.1, late_s=0.05)
        await waits(world)
        await come_to_rest(world)
    else:
        await waits(world)
        await come_to_rest(world)
        await world.trouble(kind, MOVE, hang_s=0.1, late_s=0.05)
        await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
        await come_to_rest(world)

    assert await states(world) == ((3, 0, 2) if way == "held" else (5, 0, 0))
    assert await booked(world) == (["held"] if way == "held" else ["held", "released"])
    assert await moves(world) == (2 if way == "held" else 3)


@pytest.mark.parametrize("kind", ["throttled", "http429", "error500", "html"])
async def test_a_shop_that_is_troubled_is_asked_again(world: World, kind: str) -> None:
    await world.trouble(kind, MOVE, retry_after=0.1)
    await waits(world)
    await come_to_rest(world)

    assert (await states(world), await booked(world)) == ((3, 0, 2), ["held"])


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
@pytest.mark.parametrize("way", ["taking", "releasing"])
async def test_a_worker_that_dies_while_it_moves_units_leaves_them_moved_once(
    world: World, kind: str, way: str
) -> None:
    if way == "releasing":
        await waits(world)
        await come_to_rest(world)
    before = await moves(world)
    await world.trouble(kind, MOVE, hang_s=30.0)
    if way == "taking":
        await waits(world)
    else:
        await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))

    async def asked() -> bool:
        return await moves(world) > before

    async with world.replica() as killed, killed.doomed():
        await until(asked, what="the units are asked for")
    assert await state_of(world) == way
    await come_to_rest(world)

    assert await states(world) == ((3, 0, 2) if way == "taking" else (5, 0, 0))
    assert await booked(world) == (["held"] if way == "taking" else ["held", "released"])


async def test_of_two_holds_for_the_last_unit_one_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read that there are enough."""
    await world.stock(2)
    orders = [numbered(n) for n in (1, 2)]
    read, reads, both = Shops.stock, [], asyncio.Event()

    async def read_together(shops: Shops, *args: Any, **more: Any) -> Any:
        found = await read(shops, *args, **more)
        reads.append(found)
        if len(reads) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 10)
        return found

    monkeypatch.setattr(Shops, "stock", read_together)
    for order_id in orders:
        await waits(world, order_id)
    async with world.working():
        await until(lambda: short(world), what="one of them was found short")

    assert await states(world) == (0, 0, 2)
    assert sorted([await booked(world, order_id) for order_id in orders]) == [[], ["held"]]
    assert await moves(world) == 2


async def test_a_changed_match_gives_the_old_units_back_and_takes_the_new_ones(world: World) -> None:
    await waits(world)
    await come_to_rest(world)
    await world.deliver(match_of((MUG, MUG_SKU, 1), seq=2))
    await come_to_rest(world)

    assert ((await states(world)), (await states(world, MUG_SKU))[2]) == ((5, 0, 0), 1)
    assert await booked(world) == ["held", "released", "held"]


async def test_a_match_that_is_withdrawn_gives_the_units_back(world: World) -> None:
    await waits(world)
    await come_to_rest(world)
    await world.deliver(unmatched(2))
    await come_to_rest(world)

    assert (await states(world), await booked(world)) == ((5, 0, 0), ["held", "released"])


async def test_a_hold_stays_while_it_is_undecided(world: World) -> None:
    await waits(world)
    await come_to_rest(world)
    await world.deliver(imported(2))
    await come_to_rest(world)
    assert await states(world) == (3, 0, 2)

    await world.deliver(match_of((TEE, TEE_SKU, 2), seq=2, imported_seq=2))
    await come_to_rest(world)
    assert (await states(world), (await world.phases())[-1]) == ((3, 2, 0), "created")


async def test_an_order_that_needs_other_units_than_are_held_is_created_without_them(world: World) -> None:
    """The units are given back first, so that Shopify says whether there is stock."""
    await world.stock(2)
    await waits(world)
    await come_to_rest(world)
    await becomes_payable(world, ORDER, (TEE, TEE_SKU, 3))
    async with world.working():
        fact = await world.comes_to("failed")
        await until(lambda: idle(world), what="nothing is due")

    assert fact["reason"]["code"] == "unable_to_reserve_inventory"
    assert await states(world) == (2, 0, 0)
    assert await booked(world) == ["held", "released", "refused"]
    assert (await world.creates()) == ["refused"]


async def test_switching_it_off_and_on_again_gives_back_and_takes_what_only_waits(world: World) -> None:
    pending, payable = numbered(1), numbered(2)
    for order_id in (pending, payable):
        await waits(world, order_id)
    await come_to_rest(world)
    await world.deliver(imported(2, order_id=payable))
    await world.change_settings(3, hold_stock_while_pending=False)
    await come_to_rest(world)
    assert (await states(world), await booked(world, pending)) == ((3, 0, 2), ["held", "released"])

    await world.change_settings(4, hold_stock_while_pending=True)
    await come_to_rest(world)
    assert (await states(world), await booked(world, pending)) == ((1, 0, 4), ["held", "released", "held"])


async def test_nothing_is_given_back_while_it_is_open_whether_the_order_was_created(world: World) -> None:
    await waits(world)
    await come_to_rest(world)
    await world.trouble("cut_after")
    await becomes_payable(world)
    async with world.working():
        await world.comes_to("unknown")
        await world.deliver(imported(3, kind="cancel", reason="canceled_by_buyer"))
        row = await _hold_row(world)
        await world.creator.holding.hold(row)
        assert (await states(world), await moves(world)) == ((1, 2, 2), 1)
        await world.comes_to("created")
        await until(lambda: idle(world), what="the hold is given back")

    assert (await states(world), await moves(world)) == ((3, 2, 0), 2)


async def _hold_row(world: World) -> DueRow:
    """As if somebody had made it due."""
    return DueRow(0, 1, "hold", ORDER, "main", {}, None, None, None, None, 0, 0)


async def test_an_order_whose_outcome_was_open_and_is_sent_again_keeps_its_units(world: World) -> None:
    await world.stock(2)
    await waits(world)
    await come_to_rest(world)
    await world.trouble("cut_before")
    await becomes_payable(world)
    async with world.working():
        await world.comes_to("created")
        await until(lambda: idle(world), what="the hold is given back")

    assert await world.creates() == ["cut_off", "accepted"]
    assert await states(world) == (0, 2, 0)


async def test_an_order_that_failed_for_another_reason_keeps_its_units(world: World) -> None:
    await world.deliver(imported(kind="wait", reason="awaiting_payment"), match_of((TEE, TEE_SKU, 2)))
    await come_to_rest(world)
    await becomes_payable(world)
    async with world.working():
        fact = await world.comes_to("failed")
        await until(lambda: idle(world), what="nothing is due")
    assert (fact["reason"]["code"], fact["reservation"]["state"]) == ("address_missing", "held")
    assert await states(world) == (3, 0, 2)

    await world.address()
    await world.deliver(match_of((TEE, TEE_SKU, 2), seq=3, imported_seq=2, command_id="c1", mode="retry"))
    await come_to_rest(world)
    assert (await states(world), await world.ends()) == ((3, 2, 0), {"c1": ("done", "created")})


async def test_nothing_is_sent_while_units_are_being_moved(world: World) -> None:
    await taking_and_dying(world)
    await world.trouble("throttled", MOVE, times=3)
    await becomes_payable(world)
    await come_to_rest(world)

    assert await world.phases() == ["planned", "planned", "sending", "created"]
    assert await booked(world) == ["held", "claimed", "released"]
    assert await states(world) == (3, 2, 0)


async def taking_and_dying(world: World) -> None:
    """An order whose units were asked for by a worker that died, without effect."""
    await world.trouble("timeout_before", MOVE, hang_s=30.0)
    await waits(world)
    async with world.replica() as killed, killed.doomed():
        await until(lambda: moves(world), what="the units are asked for")
    assert await state_of(world) == "taking"


async def test_a_blocked_connection_rests_and_goes_on_by_itself(world: World) -> None:
    await world.trouble("access_denied", MOVE)
    await waits(world)
    async with world.working():
        await until(lambda: world.is_ready("misconfigured"), what="the connection is blocked")
    assert (await states(world), await state_of(world)) == ((5, 0, 0), "taking")

    await _due_now(world, "check")
    await come_to_rest(world)
    assert (await states(world), await booked(world)) == ((3, 0, 2), ["held"])


async def test_a_shop_that_does_not_let_stock_be_moved_is_misconfigured_while_it_is_asked_to(world: World) -> None:
    scopes = ["write_orders", "read_products", "read_inventory", "read_locations"]
    made = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": scopes}
    await world.control_http.post("/_control/shops", json=made)
    await world.deliver(connection_changed(rev=3, hold_stock_while_pending=True))
    async with world.working():
        await until(lambda: world.is_ready("misconfigured"), what="the connection is blocked")
        [row] = await rows(world.creator.store, "select missing from connections")
        assert "scope write_inventory" in str(row["missing"])
        await world.deliver(connection_changed(rev=4))
        await until(world.is_ready, what="the shop is tried again")


async def test_units_of_an_item_that_is_gone_go_with_it_and_the_others_go_back(world: World) -> None:
    await waits(world, ORDER, (TEE, TEE_SKU, 2), (MUG, MUG_SKU, 1))
    await come_to_rest(world)
    await world.control("DELETE", f"variants/{TEE_SKU}")
    await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
    await come_to_rest(world)

    assert (await states(world, MUG_SKU))[2] == 0
    assert (await booked(world), await state_of(world)) == (["held", "released"], None)
    lines = (await world.facts())[-1]["reservation"]["lines"]
    assert {line["variant_id"] for line in lines} == {TEE, MUG}


async def test_a_call_that_was_never_answered_is_given_up_in_plain_words_and_a_replay_begins_anew(
    world: World,
) -> None:
    await taking_and_dying(world)
    async with world.engine.begin() as connection:
        await connection.execute(
            text("update orders set hold = jsonb_set(hold, '{since}', to_jsonb(now() - interval '23 hours 1 second'))")
        )
    await come_to_rest(world)

    [parcel] = await rows(world.creator.store, "select * from parked")
    assert (parcel["origin"], parcel["order_id"], parcel["state"]) == ("due:hold", ORDER, "parked")
    assert f"2 of {TEE_SKU}" in parcel["reason"]
    assert (await states(world), await state_of(world)) == ((5, 0, 0), None)

    await world.deliver(remedy("replay", service="creator", parked_id=parcel["parked_id"]))
    await come_to_rest_and(world, lambda: is_held(world))
    assert (await states(world), await world.ends()) == ((3, 0, 2), {"c1": ("done", "replayed")})


async def test_an_order_that_became_payable_while_its_hold_was_parked_is_created_after_the_replay(world: World) -> None:
    await taking_and_dying(world)
    await becomes_payable(world)
    async with world.engine.begin() as connection:
        await connection.execute(
            text("update orders set hold = jsonb_set(hold, '{since}', to_jsonb(now() - interval '23 hours 1 second'))")
        )
    await come_to_rest(world)
    [parcel] = await rows(world.creator.store, "select * from parked")
    assert (await world.phases(), await world.creates()) == (["planned"], [])

    await world.deliver(remedy("replay", service="creator", parked_id=parcel["parked_id"]))
    async with world.working():
        await world.comes_to("created")
    assert await states(world) == (3, 2, 0)


async def come_to_rest_and(world: World, holds: Callable[[], Awaitable[bool]]) -> None:
    async with world.working():
        await until(holds)
        await until(lambda: idle(world))


async def test_a_release_that_shopify_refuses_is_parked_and_tried_anew_by_a_replay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waits(world)
    await come_to_rest(world)
    with monkeypatch.context() as patched:
        patched.setattr("orderbridge_creator.adapters.shop.document_of", lambda _: "gid://shopify/Order/1")
        await world.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
        await come_to_rest(world)
    [parcel] = await rows(world.creator.store, "select * from parked")
    assert "ledger documents" in parcel["reason"]
    assert (await states(world), await state_of(world)) == ((3, 0, 2), "held")

    await world.deliver(remedy("replay", service="creator", parked_id=parcel["parked_id"]))
    await come_to_rest_and(world, lambda: has_none(world))
    assert (await states(world), await booked(world)) == ((5, 0, 0), ["held", "released"])


async def has_none(world: World) -> bool:
    return await state_of(world) is None


async def test_no_two_calls_share_a_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    key = Hold.key

    def kept(hold: Hold, order_id: str) -> str:
        keys.append(key(hold, order_id))
        return keys[-1]

    monkeypatch.setattr(Hold, "key", kept)
    await waits(world)
    await come_to_rest(world)
    for rev in (3, 4):
        await world.change_settings(rev, hold_stock_while_pending=rev == 4)
        await come_to_rest(world)

    assert len(set(keys)) == len(keys) == 3
    assert await states(world) == (3, 0, 2)


async def _due_now(world: World, kind: str) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(text("update due set run_at = now() where kind = :kind"), {"kind": kind})
