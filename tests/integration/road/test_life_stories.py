"""Two thousand lives of orders, by chance: every unit is accounted for, and no hold outlives its order.

``LIFE_STORY=<seed of a life>`` in the environment lives that one alone, a failure names it.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import pytest

from tests.support.road import Road, open_road
from tests.support.step import rows

from .lives import Life, life_of, live, wrong_with

LIVES = 500
ALONE = os.environ.get("LIFE_STORY")
SETTLES_SOON = {
    "ORDERBRIDGE_SETTLE_S": "1.5",
    "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "1",
    "ORDERBRIDGE_SHOPIFY_LATE_S": "0.4",
    "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "0.1",
    # A word of each change comes by webhook; the road is never quiet while its stock is read again all the time.
    "ORDERBRIDGE_STOCK_REREAD_S": "900",
}

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize(
    ("seed", "on_cancel", "holds"),
    [(1, "cancel_and_restock", True), (2, "flag", True), (3, "cancel_and_restock", False), (4, "flag", True)],
)
async def test_every_unit_of_every_life_is_accounted_for(
    road_database: str, seed: int, on_cancel: Literal["flag", "cancel_and_restock"], holds: bool
) -> None:
    seeds = [ALONE] if ALONE else [f"{seed}/{number}" for number in range(LIVES)]
    lives = [life_of(each, number) for number, each in enumerate(seeds)]
    async with open_road(road_database, webhooks=True, changed=SETTLES_SOON) as road, road.running():
        await road.connect(on_cancel=on_cancel, hold_stock_while_pending=holds)
        await live(road, lives, seed)
        wrong = await _wrong(road, lives)
        assert await rows(road.stores["creator"], "select order_id from orders where hold is not null") == []
    assert not wrong, "\n".join(wrong)


async def _wrong(road: Road, lives: list[Life]) -> list[str]:
    """One line for each life whose units, orders or standings do not agree."""
    variants = {one["sku"]: one for one in await road.at_shop("GET", "variants")}
    standings = await _standings(road)
    sold: dict[str, list[dict[str, Any]]] = {}
    for order in (await road.ledger())["orders"]:
        sold.setdefault(order["amazon_order_id"], []).append(order)
    lines = []
    for life in lives:
        ours = [order for placed in life.orders for order in sold.get(placed.amazon_order_id, ())]
        found = wrong_with(life, variants[life.sku], standings, ours)
        lines += [f"LIFE_STORY={life}\n    {'; '.join(found)}"] if found else []
    return lines


async def _standings(road: Road) -> dict[str, dict[str, Any]]:
    """Every order that the api knows, by its Amazon id."""
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = await road.get(f"/v1/orders?limit=200{cursor}")
        found |= {order["amazon_order_id"]: order for order in page["items"]}
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
