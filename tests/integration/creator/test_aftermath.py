"""What happens to an order after its Shopify order exists: at Amazon, by hand in Shopify, and both at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from orderbridge.errors import Permanent
from orderbridge.events import ImportedLine, OrderImported
from orderbridge_creator.domain.outcomes import CancelRefused
from tests.integration.creator.world import SHORT_TIMES, World, numbered, open_world, remedy, tee_match
from tests.support.facts import ORDER, imported, usd
from tests.support.shopify_standin import TEE
from tests.support.step import rows, until

OTHER = numbered(9)
FLAGGED = "canceled_at_amazon_after_creation"
CHANGED = "changed_at_amazon_after_creation"
BY_HAND = "canceled_in_shopify"


@pytest.fixture
async def quick(creator_database: str) -> AsyncIterator[World]:
    """Where an open outcome settles soon."""
    async with open_world(creator_database, **SHORT_TIMES) as opened:
        await opened.ready()
        yield opened


def canceled(seq: int = 2, **more: Any) -> OrderImported:
    return imported(seq, "cancel", "canceled_by_buyer", **more)


def lines(*quantities: int) -> tuple[ImportedLine, ...]:
    return tuple(
        ImportedLine(order_item_id=str(n), amazon_sku=f"SKU-{n}", quantity=quantity)
        for n, quantity in enumerate(quantities, start=1)
    )


async def created(world: World, quantity: int = 1, order_id: str = ORDER) -> str:
    """An order that was created; returns the gid of its Shopify order."""
    await world.order(order_id, quantity=quantity)
    async with world.working():
        fact = await world.comes_to("created", order_id=order_id)
        await idle(world)
    return str(fact["shopify"]["order_id"])


async def idle(world: World) -> None:
    """Wait until no work is due, but what looks after stock now and again."""

    async def nothing_due() -> bool:
        return await rows(world.creator.store, "select * from due where kind <> 'reread'") == []

    await until(nothing_due, within_s=20, what="the work ends")


async def work(world: World) -> None:
    async with world.working():
        await idle(world)


async def restocking(world: World) -> None:
    await world.change_settings(2, on_cancel="cancel_and_restock")
    await work(world)


async def shown(world: World, order_id: str = ORDER) -> dict[str, str]:
    """What a person should see of the order, by code."""
    return {one["code"]: one["message"] for one in (await world.facts(order_id))[-1]["attention"]}


async def ledger(world: World) -> list[str]:
    found = await rows(world.creator.store, "select state from reservations order by id")
    return [row["state"] for row in found]


async def cancels(world: World) -> int:
    """How often the shop was asked to cancel."""
    return int((await world.ledger())["counts"]["calls"].get("orderCancel", 0))


async def assert_restocked_once(world: World, units: int) -> None:
    [order] = await world.shop_orders()
    assert (order["cancelled"], order["restocked_units"]) == (True, units)
    assert (await world.variant())["available"] == 10
    assert await ledger(world) == ["claimed", "released"]
    assert (await world.phases()).count("canceled") == 1


# --- changed at Amazon


async def test_what_changes_at_amazon_is_shown_and_shown_no_more_once_it_is_taken_back(world: World) -> None:
    await created(world)
    before = (await world.facts())[-1]

    await world.deliver(imported(2, total=usd("30.00"), personal_data_rev=1))
    assert await shown(world) == {
        CHANGED: "Changed at Amazon after the order was created in Shopify: the total 30.00 USD instead of 10.00 USD."
    }
    fact = (await world.facts())[-1]
    assert {name for name in before if before[name] != fact[name]} == {"seq", "at", "attention"}

    await world.deliver(tee_match(seq=2, imported_seq=2), imported(3, total=usd("30.00")))
    assert len(await world.facts()) == fact["seq"]
    await world.deliver(imported(4, "skip", "already_shipped", amazon_status="SHIPPED"))
    assert await shown(world) == {}
    assert (await world.facts())[-1]["seq"] == fact["seq"] + 1
    assert await world.creates() == ["accepted"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lines": lines(1, 3)}, "SKU-1 1 instead of 2."),
        ({"lines": lines(2, 0)}, "SKU-2 is not ordered any more (was 3)."),
        ({"lines": lines(2, 3, 4)}, "SKU-3 is new (4)."),
        ({"personal_data_rev": 2}, "the buyer or the address."),
    ],
)
async def test_lines_and_the_address_are_compared_with_what_was_created(
    world: World, changed: dict[str, Any], words: str
) -> None:
    ordered: dict[str, Any] = {"lines": lines(2, 3), "personal_data_rev": 1}
    await world.address()
    await world.deliver(imported(lines=lines(2, 3), total=None, personal_data_rev=1))
    gid = await world.by_hand()
    await world.deliver(remedy("resolve", shopify_order_id=gid))
    await work(world)
    assert (await world.phases())[-1] == "created"

    await world.deliver(imported(2, **(ordered | changed)))

    assert (await shown(world))[CHANGED].endswith(f"in Shopify: {words}")


async def test_what_changes_while_the_order_is_sent_is_shown_once_it_is_created(quick: World) -> None:
    await quick.trouble("timeout_after", hang_s=30.0)
    await quick.order()
    async with quick.working():
        await quick.comes_to("sending", "unknown")
        await quick.deliver(imported(2, total=usd("30.00")))
        assert await shown(quick) == {}
        await quick.comes_to("created")
        await idle(quick)

    assert set(await shown(quick)) == {CHANGED}


# --- canceled at Amazon


async def test_a_cancellation_is_flagged_unless_the_setting_says_otherwise(world: World) -> None:
    await created(world)
    await world.deliver(canceled())
    await world.deliver(canceled(3))
    await work(world)

    assert await shown(world) == {FLAGGED: "The buyer canceled the order at Amazon after it was created in Shopify."}
    assert ((await world.phases())[-1], await cancels(world)) == ("created", 0)
    assert (await world.phases()).count("created") == 2


async def test_a_cancellation_gives_the_units_back_where_the_setting_says_so(world: World) -> None:
    await world.stock(10)
    await restocking(world)
    gid = await created(world, quantity=3)
    await world.deliver(canceled())
    await world.deliver(canceled(3))
    async with world.working():
        fact = await world.comes_to("canceled")
        await idle(world)

    assert (fact["shopify"]["order_id"], fact["attention"], fact["command_id"]) == (gid, [], None)
    assert [(line["variant_id"], line["quantity"]) for line in fact["reservation"]["lines"]] == [(TEE, 3)]
    await assert_restocked_once(world, 3)
    assert (await cancels(world), await world.ends()) == (1, {})
    await world.deliver(canceled(4), imported(5))
    await work(world)
    assert (await world.facts())[-1] == fact


@pytest.mark.parametrize("on_cancel", ["flag", "cancel_and_restock"])
async def test_an_order_that_amazon_cancels_while_it_is_sent_ends_canceled_or_flagged(
    quick: World, on_cancel: str
) -> None:
    await quick.stock(10)
    await quick.change_settings(2, on_cancel=on_cancel)
    await work(quick)
    await quick.trouble("timeout_after", hang_s=30.0)
    await quick.order()
    async with quick.working():
        await quick.comes_to("sending", "unknown")
        await quick.deliver(canceled())
        await quick.comes_to("created", "canceled")
        await idle(quick)

    if on_cancel == "flag":
        assert (set(await shown(quick)), await cancels(quick)) == ({FLAGGED}, 0)
    else:
        assert (await quick.phases())[-2:] == ["created", "canceled"]
        await assert_restocked_once(quick, 1)


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "garbled_after"])
async def test_a_cancellation_without_an_answer_gives_the_units_back_once(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge_creator.steps.closing.UNSURE_S", 0.6)
    await world.stock(10)
    await restocking(world)
    await created(world, quantity=2)
    await world.trouble(kind, "orderCancel")
    await world.deliver(canceled())
    await work(world)

    await assert_restocked_once(world, 2)


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
async def test_a_worker_that_dies_while_it_cancels_is_replaced_and_the_units_go_back_once(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge_creator.steps.closing.UNSURE_S", 0.6)
    await world.stock(10)
    await restocking(world)
    await created(world, quantity=2)
    await world.trouble(kind, "orderCancel", hang_s=30.0)
    await world.deliver(canceled())
    async with world.replica() as killed, killed.doomed():
        await until(lambda: asked(world), what="the shop is asked")
    await work(world)

    await assert_restocked_once(world, 2)


async def asked(world: World) -> bool:
    return await cancels(world) > 0


@pytest.mark.parametrize("first", ["operator", "amazon"])
async def test_an_operators_cancel_beside_it_gives_the_units_back_once(world: World, first: str) -> None:
    await world.stock(10)
    await restocking(world)
    await created(world, quantity=2)
    both = [remedy("cancel"), canceled()]
    for event in both if first == "operator" else reversed(both):
        await world.deliver(event)
    await work(world)

    await assert_restocked_once(world, 2)
    assert await cancels(world) == 1
    assert await world.ends() == {
        "c1": ("done", "canceled") if first == "operator" else ("rejected", "canceled_by_buyer")
    }


async def test_what_shopify_refuses_to_cancel_is_flagged_with_its_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> CancelRefused:
        return CancelRefused((("INVALID", "orderId", "Cannot cancel a fulfilled order"),))

    await restocking(world)
    await created(world)
    monkeypatch.setattr("orderbridge_creator.adapters.shop.Shops.cancel", refused)
    await world.deliver(canceled())
    await world.deliver(canceled(3))
    await work(world)

    assert "Cannot cancel a fulfilled order" in (await shown(world))[FLAGGED]
    assert (await world.phases())[-1] == "created"
    assert await ledger(world) == ["claimed"]


async def test_what_is_deleted_in_shopify_cannot_be_canceled_and_says_so(world: World) -> None:
    await restocking(world)
    gid = await created(world)
    await world.control("DELETE", f"orders/{gid.rpartition('/')[2]}")
    await world.deliver(canceled())
    await work(world)

    assert f"There is no order {gid} in Shopify." in (await shown(world))[FLAGGED]


async def test_a_cancellation_whose_work_is_parked_is_flagged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise Permanent("a bug")

    await restocking(world)
    await created(world)
    monkeypatch.setattr("orderbridge_creator.adapters.shop.Shops.order", broken)
    await world.deliver(canceled())
    await work(world)

    assert "could not be canceled" in (await shown(world))[FLAGGED]
    [parked] = await rows(world.creator.store, "select origin from parked")
    assert parked["origin"] == "due:cancel"


async def test_what_amazon_cancels_before_it_is_created_is_never_created(world: World) -> None:
    await world.order()
    await world.deliver(canceled())
    await world.deliver(tee_match(OTHER), canceled(1, order_id=OTHER))
    await world.address(OTHER)
    await work(world)

    assert (await world.creates(), await world.phases(OTHER)) == ([], [])
    assert "created" not in await world.phases()


# --- canceled or deleted by hand in Shopify


async def test_an_order_that_somebody_cancels_in_shopify_is_flagged(world: World) -> None:
    gid = await created(world)
    await world.word("order", gid)
    await work(world)
    assert await shown(world) == {}

    await world.control("POST", f"orders/{gid.rpartition('/')[2]}/cancel")
    await world.word("order", gid)
    await world.word("order", gid)
    await work(world)

    [order] = await world.shop_orders()
    assert await shown(world) == {BY_HAND: f"The order {order['name']} was canceled in Shopify."}
    assert (await world.phases()).count("created") == 2


async def test_an_order_that_somebody_deletes_in_shopify_is_flagged(world: World) -> None:
    gid = await created(world)
    name = (await world.facts())[-1]["shopify"]["name"]
    await world.control("DELETE", f"orders/{gid.rpartition('/')[2]}")
    await world.word("order", gid, "gone")
    await work(world)

    assert await shown(world) == {BY_HAND: f"The order {name} was deleted in Shopify."}
    assert await world.creates() == ["accepted"]


async def test_a_word_alone_is_not_believed(world: World) -> None:
    gid = await created(world)
    await world.word("order", gid, "gone")
    await world.word("order", "gid://shopify/Order/404", "gone")
    await work(world)

    assert await shown(world) == {}
    assert (await world.phases()).count("created") == 1


async def test_our_own_cancellation_is_nobodys_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbridge_creator.steps.inspecting.AGAIN_S", 0.1)
    monkeypatch.setattr("orderbridge_creator.steps.closing.POLL_S", 2.0)
    gid = await created(world)

    async def carried_out() -> bool:
        [order] = await world.shop_orders()
        return bool(order["cancelled"])

    await world.deliver(remedy("cancel"))
    async with world.working():
        # Words come before we know what came of it, and after that.
        await until(carried_out, what="the shop cancels")
        await world.word("order", gid)
        await world.comes_to("canceled")
        await world.word("order", gid)
        await idle(world)

    assert await world.ends() == {"c1": ("done", "canceled")}
    assert BY_HAND not in {one["code"] for fact in await world.facts() for one in fact["attention"]}


async def test_an_order_that_is_found_after_it_was_canceled_by_hand_is_flagged(quick: World) -> None:
    """While nobody knew whose it is, the word of its cancellation went unheard."""
    await quick.trouble("garbled_after")
    await quick.order()
    async with quick.working():
        await quick.comes_to("unknown")
        [order] = await quick.shop_orders()
        await quick.control("POST", f"orders/{order['gid'].rpartition('/')[2]}/cancel")
        await quick.word("order", order["gid"])
        await quick.comes_to("created")
        await idle(quick)

    assert set(await shown(quick)) == {BY_HAND}


# --- before it is created


async def test_a_line_that_is_canceled_before_is_left_out(world: World) -> None:
    await world.address()
    paid, nothing = lines(2, 0)
    left = (paid.model_copy(update={"total": usd("10.00")}), nothing)
    await world.deliver(imported(lines=left), tee_match(quantity=2))
    async with world.working():
        fact = await world.comes_to("created")

    assert [line["quantity"] for line in fact["reservation"]["lines"]] == [2]
    assert [one["quantity"] for one in fact["made_of"]["items"]] == [2, 0]


async def test_an_order_shipped_by_hand_while_it_waits_for_stock_is_never_woken(world: World) -> None:
    await world.stock(0)
    await world.order()
    async with world.working():
        await world.comes_to("failed")
    item = (await world.variant())["inventory_item_id"]
    await world.deliver(imported(2, "skip", "already_shipped", amazon_status="SHIPPED"))
    assert await rows(world.creator.store, "select * from waits") == []

    await world.stock(10)
    await world.word("inventory_item", item if str(item).startswith("gid") else f"gid://shopify/InventoryItem/{item}")
    await work(world)

    assert (await world.phases(), await world.creates()) == (["planned", "sending", "failed"], ["refused"])
