"""Orders of every kind and an operator's day with them: what the tests of the road have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orderbridge.ids import amazon_order_id_of
from tests.support.road import SELLER, Road

MIXED = {
    "unshipped": 13,
    "partially_shipped": 1,
    "fulfilled_by_amazon": 3,
    "pending": 2,
    "pending_availability": 1,
    "unknown_sku": 3,
    "shipped": 1,
    "canceled": 1,
    "unfulfillable": 1,
}
STANDING_OF: dict[str, tuple[str, str | None]] = {
    "unshipped": ("created", None),
    "partially_shipped": ("created", None),
    "fulfilled_by_amazon": ("skipped", "fulfilled_by_amazon"),
    "pending": ("pending", "awaiting_payment"),
    "pending_availability": ("pending", "awaiting_payment"),
    "unknown_sku": ("unmatched", "sku_not_found"),
    "shipped": ("skipped", "already_shipped"),
    "canceled": ("skipped", "canceled_before_import"),
    "unfulfillable": ("skipped", "unfulfillable_at_amazon"),
    "sku": ("failed", "unable_to_reserve_inventory"),
}
OUT_OF_STOCK = (2, 2)
"""Orders for each of two SKUs that the shop has run out of: with those of ``MIXED`` thirty in all."""


@dataclass
class Story:
    """What has to become of each order, and the ids by their story."""

    expected: dict[str, tuple[str, str | None]]
    placed: dict[str, Any]
    without_stock: list[list[str]]
    skus: list[str]
    nul: str
    """An order that Amazon shows with a NUL character in a title, until that is mended."""
    commands: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """How each accepted command has to end, by its id."""


async def open_story(road: Road) -> Story:
    """Thirty orders at Amazon, and a connection that has not polled yet."""
    skus = await road.skus()
    scarce = [skus[0], skus[-1]]
    for sku in scarce:
        await road.stock(sku, 0)
    placed = await road.place({**MIXED, "sku": dict(zip(scarce, OUT_OF_STOCK, strict=True))})
    without_stock = [placed["sku"][sku] for sku in scarce]
    expected = {one: STANDING_OF[story] for story in MIXED for one in placed[story]}
    expected |= {one: STANDING_OF["sku"] for ids in without_stock for one in ids}
    nul, never_mended, *_ = placed["unshipped"]
    for one in (nul, never_mended):
        await road.retitle(one, "A mug\0 with a hole")
        expected[one] = ("failed", "message_parked")
    await road.connect()
    return Story(expected, placed, without_stock, scarce, nul)


async def operate(road: Road, story: Story) -> None:
    """Commands that mend, commands that cannot, and Amazon mending a title; waits for the end of each."""
    (restocked, forced), (hopeless, _) = story.without_stock
    listed, unlisted, _ = story.placed["unknown_sku"]
    for line in (await road.order(listed))["lines"]:
        if line["reason"] is not None:
            await road.sell(line["amazon_sku"])
    await road.stock(story.skus[0], 1)
    asked = [
        (restocked, "retry", ("done", "created")),
        (hopeless, "retry", ("done", "failed")),
        (listed, "retry", ("done", "created")),
        (unlisted, "retry", ("done", "unmatched")),
    ]
    for order, mode, end in asked:
        story.commands[await road.ask(order, mode)] = end
    await road.retitle(story.nul, "A mug without a hole")
    await road.poll()
    await road.settled()
    # The one piece that came in was the other order's.
    story.commands[await road.ask(forced, "force")] = ("done", "created")
    await road.settled()
    story.expected |= dict.fromkeys((restocked, forced, listed, story.nul), ("created", None))


async def standings(road: Road) -> dict[str, tuple[str, str | None]]:
    """Of every order that the api knows, by its Amazon id."""
    orders = (await road.get("/v1/orders?limit=200"))["items"]
    return {amazon_order_id_of(one["order_id"]): (one["status"], (one["reason"] or {}).get("code")) for one in orders}


async def assert_accounted_for(road: Road, story: Story) -> None:
    """Every order of Amazon stands as it must, and Shopify has exactly the created ones, once each."""
    found = await standings(road)
    assert {one: (found.get(one), wanted) for one, wanted in story.expected.items() if found.get(one) != wanted} == {}
    assert found.keys() == story.expected.keys()
    assert set(story.expected) == {order["orderId"] for order in road.amazon.orders_of(SELLER).all()}
    ledger = await road.ledger()
    created = sorted(one for one, (status, _) in story.expected.items() if status == "created")
    assert sorted(order["amazon_order_id"] for order in ledger["orders"]) == created
    accepted = [create["amazon_order_id"] for create in ledger["order_creates"] if create["outcome"] == "accepted"]
    assert sorted(accepted) == created
    assert {command: await road.ended(command) for command in story.commands} == story.commands
