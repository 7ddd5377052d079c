"""Lives of orders, made by chance from a seed. Each has a variant of its own, so its units can be counted alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.road import SELLER, US, Road

ROUNDS = 5
HOUR_S = 3600.0
AT_ONCE = 16
ACTS = {
    "nothing": 5,
    "paid": 8,
    "canceled": 3,
    "shipped": 1,
    "fewer": 2,
    "restocked": 4,
    "forced": 2,
    "retried": 2,
    "resolved": 1,
    "canceled here": 1,
    "canceled here, kept": 1,
    "canceled in the shop": 1,
}
"""What may happen in a round of a life, and how often it does beside the others."""
TROUBLE = ("cut_before", "cut_after", "late", "throttled", "http429")
TROUBLED = ("orderCreate", "orderCancel", "inventoryMoveQuantities")


@dataclass
class Placed:
    """One Amazon order of a life."""

    amazon_order_id: str
    status: str
    quantity: int


@dataclass
class Life:
    """``acts`` are the rounds: what happens, and to which of the orders. ``added`` counts the units that came in."""

    seed: str
    number: int
    stock: int
    orders: list[Placed]
    acts: list[tuple[str, int, int]]
    last: list[str]
    added: int = 0
    lived: list[str] = field(default_factory=list)

    @property
    def sku(self) -> str:
        return f"LIFE-{self.number}"

    def __str__(self) -> str:
        return f"{self.seed}: {self.stock} in stock; {'; '.join(self.lived)}"


def life_of(seed: str, number: int) -> Life:
    """The same life for the same seed; ``number`` tells its SKU and its orders from others'."""
    chance = random.Random(seed)
    orders = [
        Placed(
            f"113-{number:07d}-{place:07d}",
            chance.choice(("PENDING", "PENDING", "PENDING", "UNSHIPPED", "UNSHIPPED")),
            chance.choice((1, 1, 2, 3)),
        )
        for place in range(chance.choice((1, 1, 1, 2)))
    ]
    names, weights = list(ACTS), list(ACTS.values())
    acts = [
        (chance.choices(names, weights)[0], chance.randrange(len(orders)), chance.randint(1, 3)) for _ in range(ROUNDS)
    ]
    last = [chance.choice(("UNSHIPPED", "UNSHIPPED", "CANCELLED")) for _ in orders]
    return Life(seed, number, chance.randint(0, 4), orders, acts, last)


async def live(road: Road, lives: Sequence[Life], seed: int) -> None:
    """All of them side by side, with some trouble at the shop; at the end nothing waits for Amazon any more."""
    chance = random.Random(seed)
    await _each(lives, lambda life: _open(road, life))
    road.amazon.orders_of(SELLER).put_many([_order(road, placed, life) for life in lives for placed in life.orders])
    for each in lives:
        each.lived.append(", ".join(f"{one.quantity} {one.status}" for one in each.orders))
    await road.poll()
    for number in range(ROUNDS):
        if chance.random() < 0.7:
            await road.settled(within_s=120)
        for kind in chance.sample(TROUBLE, 3):
            await road.at_shop("POST", "trouble", kind=kind, operation=chance.choice(TROUBLED), late_s=0.3, times=2)
        await _an_hour_passes(road)
        await _each(lives, partial(_act_of_round, road, number))
        await road.poll()
    await road.settled(within_s=120)
    await road.at_shop("DELETE", "trouble")
    await _an_hour_passes(road)
    for each in lives:
        for placed, status in zip(each.orders, each.last, strict=True):
            if placed.status == "PENDING":
                _become(road, each, placed, status)
    await road.poll()
    await road.settled(within_s=120)


async def _an_hour_passes(road: Road) -> None:
    """At Amazon; the ingestor learns of it from the next answer."""
    await road.at_amazon("POST", "clock", {"advance_s": HOUR_S})
    await road.poll()


async def _each(lives: Sequence[Life], work: Callable[[Life], Awaitable[None]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(life: Life) -> None:
        async with gate:
            await work(life)

    await asyncio.gather(*map(one, lives))


async def _open(road: Road, life: Life) -> None:
    variant = {"sku": life.sku, "available": life.stock}
    await road.at_shop("POST", "products", title=f"A thing of {life.sku}", variants=[variant])


# --- what happens


async def _act_of_round(road: Road, number: int, life: Life) -> None:
    await _act(road, life, *life.acts[number])


async def _act(road: Road, life: Life, what: str, place: int, number: int) -> None:
    placed = life.orders[place]
    match what:
        case "paid" if placed.status == "PENDING":
            _become(road, life, placed, "UNSHIPPED")
        case "canceled" if placed.status in ("PENDING", "UNSHIPPED"):
            _become(road, life, placed, "CANCELLED")
        case "shipped" if placed.status == "UNSHIPPED":
            _become(road, life, placed, "SHIPPED")
        case "fewer" if placed.quantity > 1 and placed.status in ("PENDING", "UNSHIPPED"):
            placed.quantity -= 1
            _become(road, life, placed, placed.status)
        case "restocked":
            await _restock(road, life, number)
        case "forced" | "retried":
            await _ask(road, life, placed, "retry", mode="force" if what == "forced" else "retry")
        case "resolved":
            await _ask(road, life, placed, "resolve", shopify_order_id=None)
        case "canceled here" | "canceled here, kept":
            await _ask(road, life, placed, "cancel", restock=what == "canceled here")
        case "canceled in the shop":
            await _cancel_in_the_shop(road, life, placed)
        case _:
            life.lived.append("nothing")


def _become(road: Road, life: Life, placed: Placed, status: str) -> None:
    placed.status = status
    road.amazon.orders_of(SELLER).put(_order(road, placed, life))
    life.lived.append(f"{placed.amazon_order_id} {placed.quantity} {status}")


async def _restock(road: Road, life: Life, units: int) -> None:
    [variant] = await road.at_shop("GET", f"variants?sku={life.sku}")
    level = variant["levels"][0]
    await road.at_shop(
        "POST", "stock", sku=life.sku, available=level["available"] + units, location=level["location_id"]
    )
    life.added += units
    life.lived.append(f"{units} come in")


async def _ask(road: Road, life: Life, placed: Placed, what: str, **body: Any) -> None:
    address = f"/v1/orders/main:{placed.amazon_order_id}/{what}"
    answer = await road.client.post(address, json={"reason": "A life of chance", **body})
    assert answer.status_code in (202, 404, 409), answer.text
    life.lived.append(f"{placed.amazon_order_id} {what} {body}: {answer.status_code}")


async def _cancel_in_the_shop(road: Road, life: Life, placed: Placed) -> None:
    order = await road.client.get(f"/v1/orders/main:{placed.amazon_order_id}")
    gid = (order.json().get("shopify") or {}).get("order_id") if order.is_success else None
    if gid is None:
        life.lived.append("nothing to cancel in the shop")
        return
    answer = await road.shopify_door.post(f"/_control/shops/orderbridge-demo.myshopify.com/orders/{gid}/cancel")
    life.lived.append(f"{placed.amazon_order_id} canceled in the shop: {answer.status_code}")


def _order(road: Road, placed: Placed, life: Life) -> dict[str, Any]:
    """As Amazon keeps it; what it shows of it at its status is Amazon's."""
    amount = {"amount": f"{10 * placed.quantity}.00", "currencyCode": "USD"}
    parts = [{"type": "ITEM", "subtotal": amount}]
    item: dict[str, Any] = {
        "orderItemId": f"1{placed.amazon_order_id.replace('-', '')[-12:]}",
        "quantityOrdered": placed.quantity,
        "product": {
            "sellerSku": life.sku,
            "title": f"A thing of {life.sku}",
            "price": {"unitPrice": {"amount": "10.00", "currencyCode": "USD"}},
        },
        "proceeds": {"proceedsTotal": amount, "breakdowns": parts},
        "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": placed.quantity},
    }
    if placed.status == "CANCELLED":
        item["cancellation"] = {"cancellationExecution": {"cancelledBy": "BUYER"}}
    return {
        "orderId": placed.amazon_order_id,
        "createdTime": road.stamp(-300),
        "lastUpdatedTime": road.stamp(-240),
        "programs": [],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": US, "marketplaceName": "Amazon.com"},
        "buyer": {"buyerName": "Invented Person", "buyerEmail": "invented@marketplace.example"},
        "recipient": {
            "deliveryAddress": {
                "name": "Invented Person",
                "addressLine1": "1 Pretend Park",
                "city": "Springfield",
                "stateOrRegion": "OR",
                "postalCode": "97477",
                "countryCode": "US",
            }
        },
        "proceeds": {"grandTotal": amount, "breakdowns": parts},
        "fulfillment": {
            "fulfillmentStatus": placed.status,
            "fulfilledBy": "MERCHANT",
            "fulfillmentServiceLevel": "STANDARD",
            "shipByWindow": {"latestDateTime": road.stamp(48 * HOUR_S)},
        },
        "orderItems": [item],
    }


# --- counting


def wrong_with(
    life: Life, variant: dict[str, Any], standings: dict[str, dict[str, Any]], sold: Sequence[dict[str, Any]]
) -> list[str]:
    """What does not add up at the end of a life; ``sold`` are the shop's orders of it."""
    wrong = [*_units(life, variant, sold)]
    for placed in life.orders:
        order = standings.get(placed.amazon_order_id)
        ours = [one for one in sold if one["amazon_order_id"] == placed.amazon_order_id]
        if order is None:
            wrong.append(f"{placed.amazon_order_id} is not known")
        else:
            wrong += _order_is_as_the_shop_has_it(placed, order, ours)
    return wrong


def _units(life: Life, variant: dict[str, Any], sold: Sequence[dict[str, Any]]) -> list[str]:
    available, committed, on_hand = (
        sum(level[name] for level in variant["levels"]) for name in ("available", "committed", "on_hand")
    )
    reserved = on_hand - available - committed
    live = _units_of(order for order in sold if not order["cancelled"])
    taken_out = _units_of(order for order in sold if order["cancelled"] and not order["restocked_units"])
    forced = _units_of(order for order in sold if "amazon-forced" in order["tags"])
    wrong = []
    if reserved:
        wrong.append(f"{reserved} units are held at the end")
    if committed != live:
        wrong.append(f"{committed} units are committed, the orders of the shop have {live}")
    if on_hand != life.stock + life.added - taken_out:
        wrong.append(f"{on_hand} units on hand of {life.stock} + {life.added} - {taken_out}")
    if available < -forced:
        wrong.append(f"{available} units available, {forced} were forced")
    return wrong


def _units_of(orders: Any) -> int:
    return sum(line["quantity"] for order in orders for line in order["lines"])


def _order_is_as_the_shop_has_it(placed: Placed, order: dict[str, Any], ours: list[dict[str, Any]]) -> list[str]:
    name, status = placed.amazon_order_id, order["status"]
    attention = {item["code"] for item in order["attention"]}
    reason = (order["reason"] or {}).get("code")
    said = f"{name} is {status} {reason} {sorted(attention)}"
    if len(ours) > 1:
        return [f"{name} is {len(ours)} times in the shop"]
    cancelled = bool(ours and ours[0]["cancelled"])
    if status not in ("created", "canceled", "skipped", "failed"):
        return [f"{said}: no outcome"]
    wrong = []
    if (status == "created") != bool(ours) and not (status == "canceled" and cancelled):
        wrong.append(f"{said}, in the shop there are {len(ours)}")
    if status == "created" and cancelled and "canceled_in_shopify" not in attention:
        wrong.append(f"{said}, in the shop it is canceled")
    if status == "created" and placed.status == "CANCELLED":
        flagged = {"canceled_at_amazon_after_creation", "canceled_in_shopify"} & attention
        wrong += [] if flagged else [f"{said}, at Amazon it is canceled"]
    if status == "created" and placed.status == "UNSHIPPED" and not cancelled:
        changed = _units_of(ours) != placed.quantity
        if changed != ("changed_at_amazon_after_creation" in attention):
            wrong.append(f"{said}, {placed.quantity} units at Amazon and {_units_of(ours)} in the shop")
    if status == "failed" and reason != "unable_to_reserve_inventory":
        wrong.append(f"{said}: why?")
    return wrong
