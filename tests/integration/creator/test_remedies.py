"""Closing an order by hand: linked to an order that Shopify has, handled elsewhere, or canceled in Shopify."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.errors import Permanent
from tests.integration.creator.world import World, numbered, remedy, tee_match
from tests.support.facts import ORDER, imported, matched
from tests.support.shopify_standin import SHOP, TEE
from tests.support.step import rows, until

OTHER = numbered(9)


async def failed(world: World, order_id: str = ORDER) -> None:
    await world.stock(0)
    await world.order(order_id)
    async with world.working():
        await world.comes_to("failed", order_id=order_id)


async def created(world: World, quantity: int = 1) -> str:
    """An order that was created; returns the gid of its Shopify order."""
    await world.order(quantity=quantity)
    async with world.working():
        fact = await world.comes_to("created")
    return str(fact["shopify"]["order_id"])


async def ended(world: World, command_id: str = "c1") -> tuple[str, str | None]:
    """Work until the command has ended; how it did."""

    async def there() -> tuple[str, str | None] | None:
        return (await world.ends()).get(command_id)

    async with world.working():
        how: tuple[str, str | None] = await until(there, what=f"{command_id} ends")
    return how


async def said(world: World, command_id: str = "c1") -> str:
    """The message of a rejection."""
    statement = "select convert_from(payload, 'UTF8')::json -> 'reason' ->> 'message' as message from outbox"
    found = await rows(
        world.creator.store,
        f"{statement} where topic = 'commands.ended.v1' and convert_from(payload, 'UTF8')::json ->> 'command_id' = :id",
        id=command_id,
    )
    return str(found[0]["message"])


async def available(world: World) -> int:
    units: int = (await world.variant())["available"]
    return units


async def ledger(world: World) -> list[str]:
    found = await rows(world.creator.store, "select state from reservations order by id")
    return [row["state"] for row in found]


async def nothing_due(world: World) -> bool:
    return await rows(world.creator.store, "select * from due where kind <> 'reread'") == []


# --- handled elsewhere


async def test_a_resolved_order_takes_no_further_attempt_whatever_arrives(world: World) -> None:
    await world.order()
    await world.deliver(remedy("resolve"))
    assert await world.ends() == {"c1": ("done", "skipped")}

    await world.deliver(imported(2), tee_match(seq=2, imported_seq=2, command_id="c2", mode="force"))
    await world.deliver(imported(3, command_id="c3"))
    async with world.working():
        await until(lambda: nothing_due(world), what="the work ends")

    assert await world.phases() == ["planned", "resolved"]
    assert await world.creates() == []
    assert await world.ends() == {
        "c1": ("done", "skipped"),
        "c2": ("rejected", "resolved_by_operator"),
        "c3": ("done", "skipped"),
    }


async def test_what_waits_for_an_attempt_ends_with_the_order(world: World) -> None:
    await world.deliver(imported(2, command_id="c2"))
    await world.deliver(matched(1, imported_seq=1, command_id="c3", mode="force"))
    await world.deliver(remedy("resolve"))

    assert await world.ends() == {
        "c1": ("done", "skipped"),
        "c2": ("done", "skipped"),
        "c3": ("rejected", "resolved_by_operator"),
    }


async def test_a_resolve_delivered_again_ends_once(world: World) -> None:
    await world.deliver(imported(), remedy("resolve"), remedy("resolve"))
    await world.deliver(remedy("resolve"), remedy("resolve", "c2"))

    assert await world.ends() == {"c1": ("done", "skipped"), "c2": ("rejected", "resolved_by_operator")}
    assert await world.phases() == ["resolved"]


async def test_an_order_is_not_resolved_while_it_is_being_sent(world: World) -> None:
    await world.trouble("timeout_before", hang_s=30.0)
    await world.order()
    async with world.doomed():
        await world.comes_to("sending")
        await world.deliver(remedy("resolve"), remedy("resolve", "c2", shopify_order_id="gid://shopify/Order/1"))

    assert await world.ends() == {"c1": ("rejected", "in_progress"), "c2": ("rejected", "in_progress")}


# --- linked


async def test_an_order_made_by_hand_is_linked_and_nothing_is_created(world: World) -> None:
    await failed(world)
    gid = await world.by_hand("HAND-7")
    await world.deliver(remedy("resolve", shopify_order_id=gid))

    assert await ended(world) == ("done", "created")
    fact = (await world.facts())[-1]
    number = gid.rpartition("/")[2]
    assert fact["shopify"] == {
        "order_id": gid,
        "name": "HAND-7",
        "admin_url": f"https://{SHOP}/admin/orders/{number}",
    }
    assert (fact["phase"], fact["attempts"], fact["command_id"]) == ("created", 1, "c1")
    assert await world.creates() == ["refused"]
    await world.deliver(tee_match(seq=2, command_id="c2", mode="retry"))
    assert (await world.ends())["c2"] == ("rejected", "already_created")


async def test_an_order_is_not_linked_to_one_that_shopify_does_not_have(world: World) -> None:
    await failed(world)
    await world.deliver(remedy("resolve", shopify_order_id="gid://shopify/Order/404"))

    assert await ended(world) == ("rejected", "shopify_order_not_found")
    assert "gid://shopify/Order/404" in await said(world)
    assert (await world.facts())[-1]["phase"] == "failed"


async def test_an_order_is_not_linked_to_a_canceled_one(world: World) -> None:
    await failed(world)
    gid = await world.by_hand()
    await world.control("POST", f"orders/{gid.rpartition('/')[2]}/cancel")
    await world.deliver(remedy("resolve", shopify_order_id=gid))

    assert await ended(world) == ("rejected", "shopify_order_canceled")


async def test_one_shopify_order_is_linked_to_one_order_only(world: World) -> None:
    await failed(world)
    await failed(world, OTHER)
    gid = await world.by_hand()
    await world.deliver(remedy("resolve", shopify_order_id=gid), remedy("resolve", "c2", OTHER, shopify_order_id=gid))

    ways = {await ended(world), await ended(world, "c2")}
    assert ways == {("done", "created"), ("rejected", "already_linked")}
    loser = "c1" if (await world.ends())["c1"][0] == "rejected" else "c2"
    assert (OTHER if loser == "c1" else ORDER).partition(":")[2] in await said(world, loser)


async def test_an_order_is_not_linked_to_what_was_made_from_another_amazon_order(world: World) -> None:
    gid = await created(world)
    await failed(world, OTHER)
    foreign = await world.by_hand(source_identifier="999-1234567-7654321")
    await world.deliver(
        remedy("resolve", "c1", OTHER, shopify_order_id=gid),
        remedy("resolve", "c2", OTHER, shopify_order_id=foreign),
    )

    assert await ended(world) == ("rejected", "already_linked")
    assert await ended(world, "c2") == ("rejected", "already_linked")
    assert "999-1234567-7654321" in await said(world, "c2")


# --- canceled


@pytest.mark.parametrize("restock", [True, False])
async def test_a_canceled_order_gives_its_units_back_if_asked_to(world: World, restock: bool) -> None:
    await world.stock(10)
    gid = await created(world, quantity=3)
    await world.deliver(remedy("cancel", restock=restock))

    assert await ended(world) == ("done", "canceled")
    fact = (await world.facts())[-1]
    assert (fact["phase"], fact["shopify"]["order_id"], fact["command_id"]) == ("canceled", gid, "c1")
    [order] = await world.shop_orders()
    assert (order["cancelled"], order["restocked_units"]) == (True, 3 if restock else 0)
    assert await available(world) == (10 if restock else 7)
    reservation = fact["reservation"]
    assert reservation["state"] == ("released" if restock else "claimed")
    assert [(line["variant_id"], line["quantity"]) for line in reservation["lines"]] == [(TEE, 3)]
    assert await ledger(world) == (["claimed", "released"] if restock else ["claimed"])


async def test_an_order_is_canceled_once(world: World) -> None:
    await created(world)
    await world.deliver(remedy("cancel"), remedy("cancel", "c2"))

    assert await ended(world) == ("done", "canceled")
    assert await ended(world, "c2") == ("rejected", "canceled_by_operator")
    await world.deliver(remedy("cancel", "c3"), imported(2, command_id="c4"), tee_match(seq=2, imported_seq=2))
    assert (await world.ends())["c3"] == ("rejected", "canceled_by_operator")
    assert (await world.ends())["c4"] == ("done", "canceled")
    assert (await world.phases())[-1] == "canceled"
    assert (await world.ledger())["counts"]["calls"]["orderCancel"] == 1


async def test_an_order_that_somebody_canceled_in_shopify_is_canceled(world: World) -> None:
    gid = await created(world)
    await world.control("POST", f"orders/{gid.rpartition('/')[2]}/cancel", restock=False)
    await world.deliver(remedy("cancel"))

    assert await ended(world) == ("done", "canceled")
    assert "orderCancel" not in (await world.ledger())["counts"]["calls"]
    assert (await world.facts())[-1]["reservation"]["state"] == "claimed"


async def test_an_order_that_somebody_deleted_in_shopify_cannot_be_canceled(world: World) -> None:
    gid = await created(world)
    await world.control("DELETE", f"orders/{gid.rpartition('/')[2]}")
    await world.deliver(remedy("cancel"))

    assert await ended(world) == ("rejected", "shopify_order_not_found")
    assert (await world.phases())[-1] == "created"


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "garbled_after"])
async def test_a_cancellation_that_is_not_answered_is_looked_after(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbridge_creator.steps.closing.UNSURE_S", 0.6)
    await created(world)
    await world.trouble(kind, "orderCancel")
    await world.deliver(remedy("cancel"))

    assert await ended(world) == ("done", "canceled")
    [order] = await world.shop_orders()
    assert (order["cancelled"], order["restocked_units"]) == (True, 1)
    assert (await world.facts())[-1]["reservation"]["state"] == "released"


async def test_what_is_not_created_is_not_canceled(world: World) -> None:
    await failed(world)
    await world.deliver(remedy("cancel"))

    assert await world.ends() == {"c1": ("rejected", "unable_to_reserve_inventory")}


# --- trouble ends them too


async def test_a_shop_that_shuts_its_door_ends_what_is_under_way(world: World) -> None:
    gid = await created(world)
    await failed(world, OTHER)
    await world.trouble("access_denied", "order", times=20)
    await world.deliver(remedy("cancel"), remedy("resolve", "c2", OTHER, shopify_order_id=gid))

    assert await ended(world) == ("rejected", "connection_misconfigured")
    assert await ended(world, "c2") == ("rejected", "connection_misconfigured")
    await world.deliver(remedy("cancel", "c3"), remedy("resolve", "c4", OTHER))
    assert (await world.ends())["c3"] == ("rejected", "connection_misconfigured")
    # To close it needs no shop.
    assert (await world.ends())["c4"] == ("done", "skipped")


@pytest.mark.parametrize("mode", ["resolve", "cancel"])
async def test_work_that_is_parked_ends_its_command(world: World, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise Permanent("a bug")

    if mode == "cancel":
        await created(world)
    else:
        await failed(world)
    monkeypatch.setattr("orderbridge_creator.adapters.shop.Shops.order", broken)
    await world.deliver(remedy(mode, shopify_order_id="gid://shopify/Order/1"))

    assert await ended(world) == ("rejected", "message_parked")
    [parked] = await rows(world.creator.store, "select origin from parked")
    assert parked["origin"] == f"due:{mode}"


async def test_a_command_that_waits_for_a_match_ends_with_a_message_that_is_parked(world: World) -> None:
    await world.deliver(imported(2, command_id="c1"))
    await world.deliver(matched(1, imported_seq=1, command_id="c2", mode="force"))
    assert await world.ends() == {}

    await world.deliver_raw("orders.matched.v1", ORDER, b"{", 2)

    assert await world.ends() == {"c1": ("rejected", "message_parked"), "c2": ("rejected", "message_parked")}


async def test_a_command_whose_match_comes_after_a_newer_one_that_is_parked_ends(world: World) -> None:
    await world.deliver(imported(), imported(2))
    await world.deliver_raw("orders.matched.v1", ORDER, b"{", 3)
    await world.deliver(matched(2, imported_seq=1, command_id="c1", mode="rematch"))
    assert await world.ends() == {"c1": ("rejected", "message_parked")}


async def test_a_command_that_waits_for_a_match_ends_with_its_connection(world: World) -> None:
    await world.deliver(imported(2, command_id="c1"))
    await world.control("DELETE", "definition")
    await world.control("POST", "settings", definition_allowed=False)
    await world.change_settings(2)

    assert await ended(world) == ("rejected", "connection_misconfigured")
