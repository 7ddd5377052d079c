"""What the settings and Amazon's words make of the Shopify order, and what mends an order that was held."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from orderbridge.events import Breakdown, ImportedLine, OrderImported
from orderbridge.money import Money
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from tests.integration.creator.world import RESIDENT, World, numbered, tee_match
from tests.support.facts import ORDER, imported, usd
from tests.support.shopify_standin import TEE_SKU
from tests.support.step import rows, until


async def test_a_mended_figure_lifts_a_money_mismatch(world: World) -> None:
    await world.address()
    async with world.working():
        await world.deliver(imported(total=usd("10.01")), tee_match())
        held = await world.comes_to("failed")
        await world.deliver(imported(2), tee_match(seq=2, imported_seq=2))
        await world.comes_to("created")

    assert held["reason"]["code"] == "money_mismatch"
    assert held["reason"]["details"]["addends"] == [{"of": "ITEM of 1", "amount": "10.00", "currency": "USD"}]
    assert [order["total"] for order in await world.shop_orders()] == ["10.0"]
    assert await world.attempts() == ["accepted"]


async def test_an_address_that_comes_later_lifts_address_missing(world: World) -> None:
    async with world.working():
        await world.deliver(imported(), tee_match())
        held = await world.comes_to("failed")
        await world.address()
        await world.deliver(imported(2, personal_data_rev=1), tee_match(seq=2, imported_seq=2))
        await world.comes_to("created")

    assert held["reason"]["code"] == "address_missing"
    assert held["reason"]["details"]["fields"] == ["name", "line1", "city", "postal_code", "country"]


async def test_an_order_that_amazon_ships_is_created_fulfilled_and_takes_no_stock(world: World) -> None:
    await world.address(resident=PersonalData(address=DeliveryAddress(city="Springfield", country="US")))
    await world.stock(0)
    before = await world.variant()
    async with world.working():
        await world.deliver(imported(fulfilled_by="amazon", amazon_status="SHIPPED"), tee_match())
        fact = await world.comes_to("created")

    [order] = await world.shop_orders()
    assert order["fulfillment_status"] == "FULFILLED"
    assert "amazon-fulfilled" in order["tags"]
    assert fact["reservation"] is None
    assert await rows(world.creator.store, "select order_id from reservations") == []
    assert await world.variant() == before


async def test_the_connections_settings_shape_the_order(world: World) -> None:
    await world.change_settings(
        2, order_name="AMZ-", customer_email="amazon", shipping_map={"EXPEDITED": "Courier"}, tax_mode="excluded"
    )
    await world.address(resident=with_email("h4x9@marketplace.example"))
    async with world.working():
        await world.deliver(imported(service_level="EXPEDITED"), tee_match())
        fact = await world.comes_to("created")

    [order] = await world.shop_orders()
    assert order["name"] == fact["shopify"]["name"] == "AMZ-113-1234567-7654321"
    assert order["email"] == "h4x9@marketplace.example"
    assert order["shipping"] == ["Courier"]


async def test_an_email_that_shopify_refuses_is_left_out_and_the_order_is_not_lost(world: World) -> None:
    await world.change_settings(2, customer_email="amazon")
    await world.address(resident=with_email("h4x9@marketplace.invalid"))
    async with world.working():
        await world.deliver(imported(), tee_match())
        fact = await world.comes_to("created")

    [order] = await world.shop_orders()
    assert order["email"] is None
    assert await world.attempts() == ["email_refused", "accepted"]
    assert await world.creates() == ["refused", "accepted"]
    assert fact["attempts"] == 2
    assert await world.phases() == ["planned", "sending", "planned", "sending", "created"]


async def test_an_order_whose_email_was_refused_is_not_sent_with_it_again(world: World) -> None:
    await world.change_settings(2, customer_email="amazon")
    await world.address(resident=with_email("h4x9@marketplace.invalid"))
    await world.stock(0)
    async with world.working():
        await world.deliver(imported(), tee_match())
        await world.comes_to("failed")
        await world.stock(1)
        await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
        await world.comes_to("created")

    assert await world.attempts() == ["email_refused", "refused", "accepted"]
    assert await world.ends() == {"c1": ("done", "created")}


async def test_whatever_amazon_sends_ends_as_an_order_or_as_one_reason(world: World) -> None:
    strange: dict[str, tuple[OrderImported, str]] = {}

    def of(number: int, ends: str, **more: Any) -> None:
        order_id = numbered(number)
        strange[order_id] = imported(order_id=order_id, **more), ends

    of(1, "shopify_refused", total=qqq("10.00"), lines=(line("1", qqq("10.00")),))
    of(2, "shopify_refused", total=usd("0.00"), lines=(line("1", usd("0.00"), quantity=0),))
    of(3, "money_mismatch", total=usd("-10.00"), lines=(line("1", usd("-10.00")),))
    of(4, "money_mismatch", total=None)
    of(5, "shopify_refused", total=usd("0.00"), lines=())
    of(6, "created", total=usd("0.00"), lines=(line("1", usd("0.00")),))
    for order_id in strange:
        await world.address(order_id)
    async with world.working():
        for order_id, (order, _) in strange.items():
            empty = not any(line.quantity for line in order.lines)
            match = tee_match(order_id)
            await world.deliver(order, match.model_copy(update={"lines": ()}) if empty else match)
        found = {order_id: await world.comes_to("failed", "created", order_id=order_id) for order_id in strange}

    ends = {key: fact["reason"]["code"] if fact["phase"] == "failed" else "created" for key, fact in found.items()}
    assert ends == {order_id: ends for order_id, (_, ends) in strange.items()}


async def test_an_order_of_ten_thousand_lines_ends_too(world: World) -> None:
    await world.address()
    await world.stock(20_000)
    many = tuple(line(str(number), usd("1.00")) for number in range(10_000))
    match = tee_match()
    [one] = match.lines
    lines = tuple(one.model_copy(update={"order_item_id": each.order_item_id}) for each in many)
    async with world.working():
        await world.deliver(imported(total=usd("10000.00"), lines=many), match.model_copy(update={"lines": lines}))
        fact = await until(lambda: ended(world), within_s=60.0, what="the order ends")

    assert fact["phase"] == "created" or fact["reason"]["code"] == "shopify_refused"


async def ended(world: World) -> dict[str, Any] | None:
    facts = await world.facts(ORDER)
    return facts[-1] if facts and facts[-1]["phase"] in ("created", "failed") else None


def with_email(email: str) -> PersonalData:
    return RESIDENT.model_copy(update={"buyer_email": email})


def qqq(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="QQQ")


def line(item_id: str, total: Money, quantity: int = 1) -> ImportedLine:
    return ImportedLine(
        order_item_id=item_id,
        amazon_sku=TEE_SKU,
        quantity=quantity,
        total=total,
        breakdowns=(Breakdown(type="ITEM", subtotal=total),),
    )
