"""What happens to an order after its Shopify order exists, and what Amazon changes before, on the whole road."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.support.road import SELLER, FreshApi, Road, open_fresh_api, open_road
from tests.support.road_bus import Interleaved, everything_twice
from tests.support.step import until

NO_STOCK = ("failed", "unable_to_reserve_inventory")
CANCELED: dict[str, Any] = {"fulfillment": {"fulfillmentStatus": "CANCELLED"}}


async def place(road: Road, sku: str, many: int) -> list[str]:
    """So many orders for that SKU."""
    placed: list[str] = (await road.place({"sku": {sku: many}}))["sku"][sku]
    return placed


def at_amazon(road: Road, order: str) -> dict[str, Any]:
    """A copy of the order as Amazon has it now."""
    stored: dict[str, Any] = json.loads(json.dumps(road.amazon.orders_of(SELLER).get(order)))
    return stored


async def attention(road: Road, order: str) -> dict[str, str]:
    return {one["code"]: one["message"] for one in (await road.order(order))["attention"]}


async def is_flagged(road: Road, order: str) -> None:
    """Wait until there is something to see of the order."""
    await until(lambda: attention(road, order), within_s=30, what=f"{order} is flagged")


async def available(road: Road, sku: str) -> int:
    found = await road.at_shop("GET", f"variants?sku={sku}")
    return int(found[0]["available"])


async def gid_of(road: Road, order: str) -> str:
    return str((await road.order(order))["shopify"]["order_id"])


async def assert_rebuilt(road: Road, fresh: FreshApi) -> None:
    """An api that reads all of it in another order, and doubled, shows the same bytes."""
    wanted = await road.resources()
    for plan in (everything_twice, Interleaved(3)):
        await fresh.empty()
        assert await fresh.read(road.bus.log, plan) == wanted


async def test_an_order_goes_on_after_it_was_created_and_everybody_sees_it(
    road_database: str, fresh_database: str
) -> None:
    async with open_road(road_database, webhooks=True) as road, road.running():
        road.bus.plan = everything_twice
        sku = (await road.skus())[0]
        await road.stock(sku, 100)
        changed, canceled, by_hand, deleted, untouched = orders = await place(road, sku, 5)
        await road.connect(on_cancel="cancel_and_restock")
        await road.poll()
        for order in orders:
            await road.comes_to(order, "created")
        await road.settled()
        units = {
            one["amazon_order_id"]: sum(line["quantity"] for line in one["lines"])
            for one in [await road.order(order) for order in orders]
        }

        now = at_amazon(road, changed)
        asked_at = road.stamp(-240)
        minute = f"{asked_at[:10]} at {asked_at[11:16]}"
        now["orderItems"][0]["cancellation"] = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Ada!"}}
        now["orderItems"][0]["quantityOrdered"] += 1
        await road.change(changed, {"orderItems": now["orderItems"], "lastUpdatedTime": asked_at})
        await road.change(canceled, CANCELED)
        await road.change(untouched, {"fulfillment": {"fulfillmentStatus": "SHIPPED"}})
        await road.poll()
        await road.at_shop("POST", f"orders/{await gid_of(road, by_hand)}/cancel", restock=False)
        await road.at_shop("DELETE", f"orders/{await gid_of(road, deleted)}")
        await road.comes_to(canceled, "canceled", "canceled_by_amazon")
        for order in (by_hand, deleted):
            await is_flagged(road, order)
        await road.settled()

        assert await attention(road, changed) == {
            "changed_at_amazon_after_creation": "Changed at Amazon after the order was created in Shopify: "
            f"{sku} {units[changed] + 1} instead of {units[changed]}.",
            "buyer_requested_cancel": f"The buyer asked on {minute} UTC to cancel the order.",
        }
        assert [list(await attention(road, order)) for order in (canceled, untouched)] == [[], []]
        names = {order: (await road.order(order))["shopify"]["name"] for order in (by_hand, deleted)}
        assert await attention(road, by_hand) == {
            "canceled_in_shopify": f"The order {names[by_hand]} was canceled in Shopify."
        }
        assert await attention(road, deleted) == {
            "canceled_in_shopify": f"The order {names[deleted]} was deleted in Shopify."
        }
        assert {(await road.order(one))["status"] for one in (changed, by_hand, deleted, untouched)} == {"created"}
        # What was canceled for Amazon's sake and what was deleted is back; what was canceled by hand was kept out.
        kept = sum(units[order] for order in (changed, by_hand, untouched))
        assert await available(road, sku) == 100 - kept
        assert (await road.order(canceled))["reservation"]["state"] == "released"
        timeline = (await road.get(f"/v1/orders/main:{by_hand}/timeline"))["items"]
        assert [one["kind"] for one in timeline if one["source"] == "creator"][-2:] == ["created", "attention_set"]
        assert "Ada!" not in "".join((await road.resources()).values())

        async with open_fresh_api(fresh_database) as fresh:
            await assert_rebuilt(road, fresh)


async def test_a_cancellation_is_flagged_where_nothing_else_is_set(road: Road) -> None:
    async with road.running():
        sku = (await road.skus())[0]
        [order] = await place(road, sku, 1)
        await road.connect()
        await road.poll()
        await road.comes_to(order, "created")
        await road.settled()
        left = await available(road, sku)

        await road.change(order, CANCELED)
        await road.poll()
        await is_flagged(road, order)
        await road.settled()

        assert await attention(road, order) == {
            "canceled_at_amazon_after_creation": "Amazon canceled the order after it was created in Shopify."
        }
        assert (await road.stands(order), await available(road, sku)) == (("created", None), left)


async def test_an_order_shipped_by_hand_while_it_waits_for_stock_is_not_created_when_there_is_some(
    road_database: str,
) -> None:
    async with open_road(road_database, webhooks=True) as road, road.running():
        sku = (await road.skus())[0]
        await road.stock(sku, 0)
        shipped, waiting = await place(road, sku, 2)
        await road.connect()
        await road.poll()
        for order in (shipped, waiting):
            await road.comes_to(order, *NO_STOCK)
        await road.change(shipped, {"fulfillment": {"fulfillmentStatus": "SHIPPED"}})
        await road.poll()
        await road.comes_to(shipped, "skipped", "already_shipped")
        await road.settled()

        await road.stock(sku, 100)
        await road.comes_to(waiting, "created")
        await road.settled()

        assert await road.sold() == [waiting]
        assert await road.stands(shipped) == ("skipped", "already_shipped")


async def test_a_canceled_line_holds_nothing_and_the_rest_is_created(road: Road) -> None:
    async with road.running():
        orders = (await road.place({"unshipped": 30}))["unshipped"]
        order = next(one for one in orders if len(at_amazon(road, one)["orderItems"]) > 1)
        now = at_amazon(road, order)
        lost, *left = now["orderItems"]
        lost["product"]["sellerSku"], lost["product"]["title"] = "NOT-SOLD-ANY-MORE", "Nobody sells this"
        await road.change(order, {"orderItems": now["orderItems"]})
        await road.connect()
        await road.poll()
        await road.comes_to(order, "unmatched", "sku_not_found")

        lost["quantityOrdered"] = 0
        worth = Decimal(lost.pop("proceeds")["proceedsTotal"]["amount"])
        total = Decimal(now["proceeds"]["grandTotal"]["amount"]) - worth
        # Amazon's sums over the lines go with the line.
        proceeds = {"grandTotal": {"amount": str(total)}, "breakdowns": None}
        await road.change(order, {"orderItems": [lost, *left], "proceeds": proceeds})
        await road.poll()
        await road.comes_to(order, "created")
        await road.settled()

        shown = await road.order(order)
        assert [line["quantity"] for line in shown["lines"]] == [0, *(item["quantityOrdered"] for item in left)]
        assert (shown["lines"][0]["match"], shown["lines"][0]["reason"], shown["attention"]) == (None, None, [])
        [made] = [one for one in (await road.ledger())["orders"] if one["amazon_order_id"] == order]
        assert Decimal(made["total"]) == total
