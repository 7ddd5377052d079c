"""Every reason of matching and of stock on the real stack, and the remedy that leaves it.

One seller and one shop with an order for each story; the shop's webhooks come over the network.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local.demo_remedies import NO_STOCK, comes_to
from deploy.local.demo_story import HOUR_S, PAST_THE_LAG_S, PLUS_PLAN
from deploy.local.demo_world import Refused, World, is_decided, until

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(180)

STORIES = (
    "unlisted",
    "restocked",
    "lost",
    "forced",
    "renamed",
    "renamed back",
    "doubled",
    "by hand",
    "two titles",
    "no target",
    "deleted",
    "export",
)
WITHOUT_STOCK = ("restocked", "lost", "forced", "renamed", "renamed back", "deleted", "export")
TITLE = "Harbour Lamp"
WITHIN_S = 10.0


@dataclass(frozen=True)
class Scene:
    """The shop's SKU and the one order of each story."""

    running: RunningStack
    world: World
    skus: dict[str, str]
    orders: dict[str, str]

    def run(self, work: Any) -> Any:
        return self.running.run(work)

    async def stands(self, story: str, status: str, reason: str | None = None) -> dict[str, Any]:
        await comes_to(self.world, self.orders[story], status, reason)
        return await self.world.order(self.orders[story])

    async def restock(self, story: str, units: int = 1) -> None:
        await self.world.set_stock(self.skus[story], units)

    async def at_shop(self, method: str, path: str, **body: Any) -> Any:
        shop = f"/_control/shops/{self.world.account.shop}"
        return await self.world.shopify.send(method, f"{shop}/{path}", body or None)

    async def sell(self, title: str, sku: str) -> str:
        """A new product; the id of its one variant."""
        made = await self.at_shop("POST", "products", title=title, variants=[{"sku": sku}])
        variant_id: str = made["variants"][0]["variant_id"]
        return variant_id

    async def set_waking(self, waking: bool) -> None:
        """The setting is the whole connection's; the workers have it when this is done."""
        await self.world.set(wake_on_restock=waking)

    async def attempts(self, story: str) -> int:
        return int((await self.world.order(self.orders[story]))["attempts"])

    async def sold(self, story: str) -> dict[str, Any]:
        """The one Shopify order of the story."""
        ledger = await self.world.shopify_ledger()
        [order] = [one for one in ledger["orders"] if one["amazon_order_id"] == self.orders[story]]
        found: dict[str, Any] = order
        return found


@pytest.fixture(scope="module")
def scene(running: RunningStack) -> Scene:
    return running.run(_set(running))


async def _set(running: RunningStack) -> Scene:
    world = await opened(running, "remedies")
    skus = dict(zip(STORIES, (await world.skus())[::20], strict=False))
    scene = Scene(running, world, skus, {})
    await world.shopify_settings(bucket=PLUS_PLAN, search_lag_s=0)
    for story in WITHOUT_STOCK:
        await scene.restock(story, 0)
    await scene.sell("A doubled thing", skus["doubled"])
    for _ in range(2):
        await scene.sell(TITLE, f"HL-{time.monotonic_ns()}")
    placed = (await world.place_orders(4, {"sku": dict.fromkeys(skus.values(), 1)}, within_s=HOUR_S / 2))["sku"]
    scene.orders.update({story: placed[sku][0] for story, sku in skus.items()})
    for story, sku, title in (
        ("unlisted", "AMZ-1", "As it is called on Amazon alone"),
        ("by hand", "AMZ-2", "Something that was packed by hand"),
        ("two titles", "AMZ-3", TITLE),
        ("no target", "AMZ-4", "A set, as it is called on Amazon alone"),
    ):
        await world.relist(scene.orders[story], sku, title)
    await world.connect(poll_interval_s=1)
    await world.move_clock(PAST_THE_LAG_S)
    await until(world.counts, lambda counts: is_decided(counts, len(STORIES)), 60.0, "the decision on every order")
    return scene


def test_a_missing_sku_is_mapped_and_the_order_goes_on_by_itself(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("unlisted", "unmatched", "sku_not_found")
        saved = await scene.world.map_sku("AMZ-1", (scene.skus["unlisted"], 2))
        assert (saved["waiting_orders"], saved["warnings"]) == (1, [])
        order = await scene.stands("unlisted", "created")
        [line] = order["lines"]
        assert line["match"]["rule"] == "mapping"
        assert [target["quantity"] for target in line["match"]["targets"]] == [2 * line["quantity"]]

    scene.run(story())


def test_a_restock_creates_the_order_within_ten_seconds_and_nobody_pressed_anything(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("restocked", *NO_STOCK)
        started = time.monotonic()
        await scene.restock("restocked")
        await scene.stands("restocked", "created")
        assert time.monotonic() - started < WITHIN_S
        assert await scene.attempts("restocked") == 2

    scene.run(story())


def test_a_restock_whose_webhook_is_lost_is_found_by_the_next_look_at_the_stock(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("lost", *NO_STOCK)
        await scene.world.shopify_settings(webhooks="drop")
        started = time.monotonic()
        await scene.restock("lost")
        await scene.stands("lost", "created")
        # The stack looks every 5 s.
        assert time.monotonic() - started < WITHIN_S
        await scene.world.shopify_settings(webhooks="on")

    scene.run(story())


def test_a_forced_order_is_created_without_stock_and_tagged(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("forced", *NO_STOCK)
        command = await scene.world.retry(scene.orders["forced"], "force", "It comes in tomorrow")
        assert (command["state"], command["outcome"]) == ("done", "created")
        assert "amazon-forced" in (await scene.sold("forced"))["tags"]

    scene.run(story())


def test_a_changed_sku_refuses_the_export_with_both_skus_and_rematch_is_the_way_out(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("renamed", *NO_STOCK)
        old, new = scene.skus["renamed"], f"{scene.skus['renamed']}-NEW"
        await scene.world.rename(old, new)
        order = await scene.stands("renamed", "unmatched", "sku_changed_after_import")
        assert not order["actions"]["retry"]["allowed"]
        assert order["actions"]["rematch"]["allowed"]
        for mode in ("retry", "force"):
            with pytest.raises(Refused) as refused:
                await scene.world.retry(scene.orders["renamed"], mode, "All the same")
            said = refused.value.body
            assert (refused.value.status, said["code"]) == (409, "sku_changed_after_import")
            assert (said["details"]["old_sku"], said["details"]["new_sku"]) == (old, new)
        await scene.world.set_stock(new, 3)
        command = await scene.world.retry(scene.orders["renamed"], "rematch")
        assert (command["state"], command["outcome"]) == ("done", "created")

    scene.run(story())


def test_a_sku_that_is_changed_back_lets_the_order_go_on_by_itself(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("renamed back", *NO_STOCK)
        sku = scene.skus["renamed back"]
        await scene.world.rename(sku, f"{sku}-X")
        await scene.stands("renamed back", "unmatched", "sku_changed_after_import")
        await scene.world.set_stock(f"{sku}-X", 3)
        await scene.world.rename(f"{sku}-X", sku)
        await scene.stands("renamed back", "created")

    scene.run(story())


def test_a_wrongly_doubled_sku_is_ambiguous_until_one_of_the_two_is_renamed(scene: Scene) -> None:
    async def story() -> None:
        order = await scene.stands("doubled", "unmatched", "ambiguous_sku")
        candidates = [one["variant_id"] for one in order["lines"][0]["match"]["candidates"]]
        assert len(candidates) == 2
        wrong = next(
            one["variant_id"]
            for one in await scene.at_shop("GET", f"variants?sku={scene.skus['doubled']}")
            if one["product_title"] == "A doubled thing"
        )
        await scene.at_shop("PATCH", f"variants/{wrong}", sku="A-SKU-OF-ITS-OWN")
        created = await scene.stands("doubled", "created")
        assert created["lines"][0]["match"]["targets"][0]["variant_id"] != wrong

    scene.run(story())


def test_an_order_made_by_hand_is_linked_by_resolve(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("by hand", "unmatched", "sku_not_found")
        made = await scene.at_shop("POST", "orders", name="#HAND")
        address = f"/v1/orders/{scene.world.order_id(scene.orders['by hand'])}/resolve"
        asked = {"shopify_order_id": made["order_id"], "reason": "Packed by hand"}
        command = await scene.world.api.send("POST", address, asked)
        done = await until(
            lambda: scene.world.api.get(f"/v1/commands/{command['command_id']}"),
            lambda it: it["state"] != "open",
            WITHIN_S,
            "the end of resolve",
        )
        assert (done["state"], done["outcome"]) == ("done", "created")
        order = await scene.stands("by hand", "created")
        assert order["shopify"]["order_id"] == made["order_id"]
        assert order["attempts"] == 0

    scene.run(story())


def test_a_title_that_fits_two_products_is_held_until_one_is_called_otherwise(scene: Scene) -> None:
    async def story() -> None:
        order = await scene.stands("two titles", "unmatched", "ambiguous_title")
        first, second = order["lines"][0]["match"]["candidates"]
        shown = await scene.at_shop("GET", "variants")
        product = next(one["product_id"] for one in shown if one["variant_id"] == first["variant_id"])
        await scene.at_shop("PATCH", f"products/{product}", title="Harbour Lamp, old pattern")
        created = await scene.stands("two titles", "created")
        [line] = created["lines"]
        assert (line["match"]["rule"], line["match"]["targets"][0]["variant_id"]) == ("title", second["variant_id"])

    scene.run(story())


def test_a_mapping_to_a_sku_that_is_not_there_says_so_until_a_product_has_it(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("no target", "unmatched", "sku_not_found")
        saved = await scene.world.map_sku("AMZ-4", ("COMING-SOON", 1))
        assert [warning["code"] for warning in saved["warnings"]] == ["mapping_target_missing"]
        assert saved["waiting_orders"] == 0
        await scene.stands("no target", "unmatched", "mapping_target_missing")
        await scene.sell("A thing that comes in later", "COMING-SOON")
        await scene.stands("no target", "created")

    scene.run(story())


def test_a_deleted_variant_is_missing_until_the_order_is_matched_anew(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("deleted", *NO_STOCK)
        await scene.at_shop("DELETE", f"variants/{scene.skus['deleted']}")
        await scene.stands("deleted", "unmatched", "variant_missing")
        await scene.sell("The same thing, listed anew", scene.skus["deleted"])
        command = await scene.world.retry(scene.orders["deleted"], "rematch")
        assert (command["state"], command["outcome"]) == ("done", "created")

    scene.run(story())


def test_with_wake_on_restock_off_a_restock_waits_for_the_export_button(scene: Scene) -> None:
    async def story() -> None:
        await scene.stands("export", *NO_STOCK)
        await scene.set_waking(False)
        await scene.restock("export")
        # Longer than a webhook and a look at the stock take.
        started = time.monotonic()
        await until(lambda: scene.attempts("export"), lambda _: time.monotonic() - started > 6.0, 8.0, "six seconds")
        assert await scene.attempts("export") == 1
        await scene.stands("export", *NO_STOCK)
        command = await scene.world.retry(scene.orders["export"], "retry")
        assert (command["state"], command["outcome"]) == ("done", "created")
        await scene.set_waking(True)

    scene.run(story())


def test_no_order_of_these_stories_is_twice_at_shopify(scene: Scene) -> None:
    ledger = scene.run(scene.world.shopify_ledger())
    sold = [one["amazon_order_id"] for one in ledger["orders"] if one["amazon_order_id"]]
    assert len(sold) == len(set(sold))
