"""What happens to an order besides matching, on the real stack: each status with the remedy that leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.demo_remedies import NO_STOCK, comes_to
from deploy.local.demo_story import HOUR_S, PAST_THE_LAG_S, PLUS_PLAN
from deploy.local.demo_world import World, is_decided, until

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(180)

WITHIN_S = 30.0
PENDING = ("paid", "given up", "odd")
STORIES = (
    *PENDING,
    "flagged",
    "restocked",
    "changed",
    "shipped",
    "mended",
    "asked back",
    "canceled by hand",
    "deleted",
)
UNITS = 3


@dataclass(frozen=True)
class Scene:
    """The shop's SKU and the one order of each story, of one unit each."""

    running: RunningStack
    world: World
    skus: dict[str, str]
    orders: dict[str, str]

    def run(self, work: Any) -> Any:
        return self.running.run(work)

    async def stands(self, story: str, status: str, reason: str | None = None) -> dict[str, Any]:
        await comes_to(self.world, self.orders[story], status, reason)
        return await self.world.order(self.orders[story])

    async def flagged(self, story: str, code: str) -> str:
        """What the attention says, once the order has it."""
        found = await until(
            lambda: self.world.order(self.orders[story]),
            lambda order: any(item["code"] == code for item in order["attention"]),
            WITHIN_S,
            f"{code} on {self.orders[story]}",
        )
        return next(str(item["message"]) for item in found["attention"] if item["code"] == code)

    async def becomes(self, story: str, status: str) -> None:
        await self.world.become(self.orders[story], status)
        await self.world.move_clock(PAST_THE_LAG_S)

    async def has(self, story: str, **units: int) -> None:
        """Wait until the shop counts so many units of the story's variant."""
        await until(
            lambda: self.world.stock(self.skus[story]),
            lambda stock: {name: stock[name] for name in units} == units,
            WITHIN_S,
            f"{units} of {self.skus[story]}",
        )

    async def sold(self, story: str) -> list[dict[str, Any]]:
        """The Shopify orders of the story."""
        ledger = await self.world.shopify_ledger()
        return [one for one in ledger["orders"] if one["amazon_order_id"] == self.orders[story]]


@pytest.fixture(scope="module")
def scene(running: RunningStack) -> Scene:
    return running.run(_set(running))


async def _set(running: RunningStack) -> Scene:
    world = await opened(running, "lives")
    skus = dict(zip(STORIES, (await world.skus())[::20], strict=False))
    scene = Scene(running, world, skus, {})
    await world.shopify_settings(bucket=PLUS_PLAN, search_lag_s=0)
    for story, sku in skus.items():
        await world.set_stock(sku, 0 if story == "shipped" else UNITS)
    placed = (await world.place_orders(5, {"sku": dict.fromkeys(skus.values(), 1)}, within_s=HOUR_S / 2))["sku"]
    scene.orders.update({story: placed[sku][0] for story, sku in skus.items()})
    for story, status in (("paid", "PENDING"), ("given up", "PENDING"), ("odd", "ON_THE_MOON")):
        await world.become(scene.orders[story], status)
    total = (await world.amazon_order(scene.orders["mended"]))["proceeds"]["grandTotal"]
    await world.change(scene.orders["mended"], proceeds={"grandTotal": {**total, "amount": "1.23"}})
    await world.connect(poll_interval_s=1, hold_stock_while_pending=True)
    await world.move_clock(PAST_THE_LAG_S)
    await until(world.counts, lambda counts: is_decided(counts, len(STORIES)), 60.0, "the decision on every order")
    return scene


def test_a_pending_order_holds_its_stock_and_is_created_once_it_is_paid(scene: Scene) -> None:
    async def story() -> None:
        order = await scene.stands("paid", "pending", "awaiting_payment")
        assert not order["actions"]["retry"]["allowed"]
        await scene.has("paid", available=UNITS - 1, reserved=1)
        # The held unit is the order's, also when the others are sold meanwhile.
        await scene.world.set_stock(scene.skus["paid"], 0)
        await scene.becomes("paid", "UNSHIPPED")
        created = await scene.stands("paid", "created")
        await scene.has("paid", available=0, reserved=0, committed=1)
        [sold] = await scene.sold("paid")
        assert "amazon-forced" not in sold["tags"]
        assert created["attempts"] == 1

    scene.run(story())


def test_a_pending_order_that_is_canceled_gives_its_stock_back_and_is_never_created(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("given up", "pending", "awaiting_payment")
        await scene.has("given up", available=UNITS - 1, reserved=1)
        await scene.becomes("given up", "CANCELLED")
        await scene.stands("given up", "canceled", "canceled_by_amazon")
        await scene.has("given up", available=UNITS, reserved=0, committed=0)
        assert await scene.sold("given up") == []

    scene.run(story())


def test_an_order_with_a_status_that_nobody_knows_waits_until_amazon_says_more(scene: Scene) -> None:
    async def story() -> None:
        order = await scene.stands("odd", "pending", "unknown_amazon_status")
        assert order["amazon_status"] == "ON_THE_MOON"
        await scene.becomes("odd", "UNSHIPPED")
        await scene.stands("odd", "created")

    scene.run(story())


def test_a_created_order_that_amazon_cancels_is_flagged_and_stays(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("flagged", "created")
        await scene.becomes("flagged", "CANCELLED")
        await scene.flagged("flagged", "canceled_at_amazon_after_creation")
        await scene.stands("flagged", "created")
        [sold] = await scene.sold("flagged")
        assert not sold["cancelled"]
        await scene.has("flagged", available=UNITS - 1, committed=1)

    scene.run(story())


def test_a_created_order_that_changes_at_amazon_is_flagged_until_it_is_as_before(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("changed", "created")
        amazon_id = scene.orders["changed"]
        [line] = (await scene.world.amazon_order(amazon_id))["orderItems"]
        await scene.world.change(amazon_id, orderItems=[{**line, "quantityOrdered": 2}])
        await scene.world.move_clock(PAST_THE_LAG_S)
        said = await scene.flagged("changed", "changed_at_amazon_after_creation")
        assert "2" in said
        await scene.world.change(amazon_id, orderItems=[line])
        await scene.world.move_clock(PAST_THE_LAG_S)
        await until(
            lambda: scene.world.order(amazon_id), lambda order: order["attention"] == [], WITHIN_S, "no attention"
        )
        assert len(await scene.sold("changed")) == 1

    scene.run(story())


def test_an_order_that_was_shipped_by_hand_while_it_was_held_is_not_created_by_a_restock(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("shipped", *NO_STOCK)
        await scene.becomes("shipped", "SHIPPED")
        await scene.stands("shipped", "skipped", "already_shipped")
        await scene.world.set_stock(scene.skus["shipped"], UNITS)
        # What waits for stock is woken by then.
        await scene.world.test_connection()
        await scene.has("shipped", available=UNITS, committed=0)
        await scene.stands("shipped", "skipped", "already_shipped")
        assert await scene.sold("shipped") == []

    scene.run(story())


def test_an_order_whose_sums_do_not_add_up_says_both_figures_and_is_created_once_they_do(scene: Scene) -> None:
    async def story() -> None:
        order = await scene.stands("mended", "failed", "money_mismatch")
        details = order["reason"]["details"]
        right = details["ours"]["amount"]
        assert (details["amazon"]["amount"], bool(details["addends"])) == ("1.23", True)
        total = {"amount": right, "currencyCode": "USD"}
        await scene.world.change(scene.orders["mended"], proceeds={"grandTotal": total})
        await scene.world.move_clock(PAST_THE_LAG_S)
        created = await scene.stands("mended", "created")
        assert created["total"]["amount"] == right

    scene.run(story())


def test_the_buyers_request_to_cancel_is_flagged_with_its_date(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("asked back", "created")
        amazon_id = scene.orders["asked back"]
        [line] = (await scene.world.amazon_order(amazon_id))["orderItems"]
        asked = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "Bought by mistake"}}
        await scene.world.change(amazon_id, orderItems=[{**line, "cancellation": asked}])
        since = (await scene.world.amazon_order(amazon_id))["lastUpdatedTime"]
        await scene.world.move_clock(PAST_THE_LAG_S)
        said = await scene.flagged("asked back", "buyer_requested_cancel")
        assert since[:10] in said
        assert "mistake" not in said

    scene.run(story())


@pytest.mark.parametrize(
    ("story", "method", "path"), [("canceled by hand", "POST", "/cancel"), ("deleted", "DELETE", "")]
)
def test_an_order_that_is_canceled_or_deleted_in_shopify_is_flagged(
    scene: Scene, story: str, method: str, path: str
) -> None:
    async def play() -> None:
        order = await scene.stands(story, "created")
        shop = f"/_control/shops/{scene.world.account.shop}"
        await scene.world.shopify.send(method, f"{shop}/orders/{order['shopify']['order_id']}{path}")
        await scene.flagged(story, "canceled_in_shopify")
        await scene.stands(story, "created")

    scene.run(play())


def test_where_the_setting_says_so_a_cancellation_at_amazon_cancels_and_restocks(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("restocked", "created")
        await scene.has("restocked", available=UNITS - 1, committed=1)
        await scene.world.set(on_cancel="cancel_and_restock")
        await scene.becomes("restocked", "CANCELLED")
        order = await scene.stands("restocked", "canceled", "canceled_by_amazon")
        assert order["reservation"]["state"] == "released"
        await scene.has("restocked", available=UNITS, committed=0, reserved=0)
        [sold] = await scene.sold("restocked")
        assert (sold["cancelled"], sold["restocked_units"]) == (True, 1)
        await scene.world.set(on_cancel="flag")

    scene.run(story())


# --- what is imported at all


def test_orders_skipped_while_import_was_off_are_taken_in_by_a_bulk_refetch_alone(running: RunningStack) -> None:
    async def story() -> None:
        world = await opened(running, "off")
        await world.place_orders(6, {"unshipped": 4}, within_s=60.0)
        await world.connect(poll_interval_s=1, import_enabled=False)
        await world.move_clock(PAST_THE_LAG_S)
        await _all(world, 4, "skipped", "import_disabled")
        await world.set(import_enabled=True)
        await world.place_orders(7, {"unshipped": 1}, within_s=60.0)
        await world.move_clock(PAST_THE_LAG_S)
        # A new order goes its way; those from before wait for somebody's word.
        await _come_to(world, {"skipped": 4, "created": 1}, {"import_disabled": 4})
        asked = {"filter": {"connection": "off", "reason": "import_disabled"}, "mode": "refetch"}
        retry = await world.api.send("POST", "/v1/retries", asked)
        assert retry["total"] == 4
        await _all(world, 5, "created")
        assert (await world.shopify_ledger())["counts"]["accepted"] == 5

    running.run(story())


def test_orders_from_before_the_start_date_are_taken_in_by_a_back_fill_of_their_time(running: RunningStack) -> None:
    async def story() -> None:
        world = await opened(running, "early")
        await world.place_orders(8, {"unshipped": 3}, within_s=HOUR_S)
        # Amazon's clock is ahead of ours here; a month ago is the past by both.
        placed = datetime.now(UTC) - timedelta(days=30)
        for order in await world.amazon_orders():
            await world.change(order["orderId"], createdTime=f"{placed:%Y-%m-%dT%H:%M:%SZ}")
        await world.connect(poll_interval_s=1)
        for order in await world.amazon_orders():
            await world.change(order["orderId"], programs=["PRIME"])
        await world.move_clock(PAST_THE_LAG_S)
        await _all(world, 3, "skipped", "before_start_date")
        day = timedelta(days=1)
        asked = {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in (("from", placed - day), ("to", placed + day))}
        command = await world.api.send("POST", "/v1/connections/early/backfill", asked)
        done = await until(
            lambda: world.api.get(f"/v1/commands/{command['command_id']}"),
            lambda it: it["state"] != "open",
            WITHIN_S,
            "the end of the back-fill",
        )
        assert (done["state"], done["mode"], done["progress"]["orders"]) == ("done", "backfill", 3)
        await _all(world, 3, "created")

    running.run(story())


def test_orders_that_amazon_ships_are_created_fulfilled_where_the_setting_says_so_and_leave_the_stock_alone(
    running: RunningStack,
) -> None:
    async def story() -> None:
        world = await opened(running, "byamazon")
        await world.place_orders(9, {"fulfilled_by_amazon": 3}, within_s=60.0)
        await world.connect(poll_interval_s=1)
        await world.move_clock(PAST_THE_LAG_S)
        await _all(world, 3, "skipped", "fulfilled_by_amazon")
        await world.set(import_fulfilled_by_amazon=True)
        asked = {"filter": {"connection": "byamazon"}, "mode": "refetch"}
        await world.api.send("POST", "/v1/retries", asked)
        await _all(world, 3, "created")
        for variant in await world.shopify.get(f"/_control/shops/{world.account.shop}/variants"):
            assert all(level["committed"] == 0 for level in variant["levels"])
        assert [order["reservation"] for order in await world.orders()] == [None] * 3

    running.run(story())


async def _all(world: World, orders: int, status: str, reason: str | None = None) -> None:
    """Wait until all orders of the connection stand so."""

    await _come_to(world, {status: orders}, {reason: orders} if reason else {})


async def _come_to(world: World, by_status: dict[str, int], by_reason: dict[str, int]) -> None:
    def stand_so(counts: dict[str, Any]) -> bool:
        found = {status: number for status, number in counts["by_status"].items() if number}
        return found == by_status and counts["by_reason"] == by_reason

    await until(world.counts, stand_so, WITHIN_S, f"{by_status} for {by_reason}")
