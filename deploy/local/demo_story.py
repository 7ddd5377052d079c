"""What happens in the demo, in order, and what has to become of each order by its story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from .accounting import Account, settle
from .demo_books import read_books
from .demo_lives import cancel, pay
from .demo_progress import Progress, told
from .demo_remedies import Listings, Wrong, map_the_pack, relist, rename_and_rematch, tell_of_titles
from .demo_world import World, is_decided, until
from .stack import Stack

HOUR_S = 3600.0
# Past the 180 s that the ingestor stays behind Amazon's clock.
PAST_THE_LAG_S = 240.0
DECIDED_WITHIN_S = 120.0
# What Shopify grants a shop of its Plus plan: a hundred orders a second instead of ten.
PLUS_PLAN = {"maximum": 20_000, "restore": 1_000}
OUTCOME_OF: dict[str, tuple[str, str | None]] = {
    "unshipped": ("created", None),
    "fulfilled_by_amazon": ("skipped", "fulfilled_by_amazon"),
    "pending": ("pending", "awaiting_payment"),
    "unknown_sku": ("unmatched", "sku_not_found"),
    "shipped": ("skipped", "already_shipped"),
    "canceled": ("skipped", "canceled_before_import"),
    "sku": ("failed", "unable_to_reserve_inventory"),
}
Profile = Mapping[str, int]


class Scale:
    """How many orders of which kind. ``first`` are there at the start, ``later`` twice come in during the kill."""

    def __init__(
        self,
        first: Profile,
        out_of_stock: tuple[int, int],
        relisted: tuple[int, int],
        later: Profile,
        killed_after: int,
    ) -> None:
        self.first = first
        self.out_of_stock = out_of_stock
        """Orders for each of the two SKUs that the shop has run out of."""
        self.relisted = relisted
        """Orders that only their title tells, and orders that wait for a mapping."""
        self.later = later
        self.killed_after = killed_after
        """So many of the later orders are created before matcher and creator are killed."""


class Story:
    """Play it once, on a stack that knows no connection yet. Raises ``Wrong``, ``TooLate``, ``Refused``."""

    def __init__(self, stack: Stack, world: World, scale: Scale, progress: Progress) -> None:
        self.expected: dict[str, tuple[str, str | None]] = {}
        self._stack = stack
        self._world = world
        self._scale = scale
        self._progress = progress
        self._say = progress.say
        self._skus: tuple[str, str] = ("", "")
        self._listings = Listings("", "", "")
        self._without_stock: dict[str, list[str]] = {}
        self._first: Mapping[str, Any] = {}
        """The orders of the start by their story."""

    async def play(self) -> None:
        await self._open_the_shop()
        await self._import()
        await self._restock_and_force()
        await self._mend_matches()
        await self._pay_and_cancel()
        await self._kill_in_the_middle()

    async def settle(self) -> Account:
        """Compare all three ledgers; nothing moves any more."""
        return settle(await read_books(self._world, self._stack, self.expected))

    async def _open_the_shop(self) -> None:
        world = self._world
        skus = await world.skus()
        self._skus = skus[0], skus[-1]
        self._listings = Listings(skus[10], skus[20], skus[30])
        for sku in (*self._skus, self._listings.renamed):
            await world.set_stock(sku, 0)
        self._say(f"Shopify: {len(skus)} variants; {' and '.join(self._skus)} are out of stock")
        await world.shopify_settings(bucket=PLUS_PLAN)
        await world.lift_limits(5.0)
        # By Amazon's clock the orders come after the connection is made, and are past the safety lag.
        await world.move_clock(2 * HOUR_S)
        chosen = (*self._skus, *self._listings.skus)
        counts = dict(zip(chosen, (*self._scale.out_of_stock, *self._scale.relisted, 1), strict=True))
        placed = await self._place(1, self._scale.first, counts, HOUR_S)
        self._say(f"Amazon: {placed} orders")

    async def _import(self) -> None:
        # Without stock, orders wait for the Export button, also once it is there: what is told below is that button's.
        await self._world.connect(
            poll_interval_s=2,
            wake_on_restock=False,
            hold_stock_while_pending=True,
            on_cancel="cancel_and_restock",
        )
        tested = await self._world.test_connection()
        if not tested["ok"]:
            raise Wrong(f"the connection does not work: {tested['services']}")
        self._say("connection main: ingestor, matcher and creator reach their vendors")
        await self._decided()

    async def _restock_and_force(self) -> None:
        """One piece comes in and one order is retried; another order is forced."""
        retried, forced = (self._without_stock[sku][0] for sku in self._skus)
        message = ((await self._world.order(retried))["reason"] or {}).get("message", "")
        if not message.startswith("Unable to reserve inventory"):
            raise Wrong(f"{retried} says {message!r}, not that the stock could not be reserved")
        self._say(f"{retried} failed: {message}")
        await self._world.set_stock(self._skus[0], 1)
        self._say(f"one {self._skus[0]} comes in, and {retried} is retried")
        await self._carry_out("retry", retried, None)
        self._say(f"{forced} has no stock either and is forced")
        await self._carry_out("force", forced, "Comes in from the supplier tomorrow")

    async def _mend_matches(self) -> None:
        await tell_of_titles(self._world, self._listings, self._progress)
        freed = await map_the_pack(self._world, self._listings, self._progress)
        rematched = await rename_and_rematch(self._world, self._listings, self._progress)
        self.expected.update(dict.fromkeys([*freed, rematched], ("created", None)))

    async def _pay_and_cancel(self) -> None:
        paid, canceled = self._first["pending"][0], self._first["unshipped"][0]
        await pay(self._world, paid, PAST_THE_LAG_S, self._progress)
        await cancel(self._world, canceled, PAST_THE_LAG_S, self._progress)
        order = await self._world.order(canceled)
        self.expected |= {paid: ("created", None), canceled: ("canceled", order["reason"]["code"])}

    async def _carry_out(self, mode: str, amazon_order_id: str, reason: str | None) -> None:
        command = await self._world.retry(amazon_order_id, mode, reason)
        order = await self._world.order(amazon_order_id)
        if command["state"] != "done" or order["status"] != "created":
            raise Wrong(f"the {mode} of {amazon_order_id} ended {command['state']}, the order is {order['status']}")
        self.expected[amazon_order_id] = ("created", None)
        self._say(f"{amazon_order_id} is created: {order['shopify']['name']} in Shopify")

    async def _kill_in_the_middle(self) -> None:
        """Half of the later orders are on their way, the other half come in while nobody matches or creates."""
        enough = _created(await self._counts()) + self._scale.killed_after
        untouched = dict.fromkeys((*self._skus, *self._listings.skus), 0)
        placed = await self._place(2, self._scale.later, untouched, 60.0)
        self._say(f"Amazon: {placed} more orders")
        await self._until(lambda counts: _created(counts) >= enough, "the first of the later orders")
        await asyncio.gather(self._stack.kill("creator"), self._stack.kill("matcher"))
        self._say("matcher and creator are killed (SIGKILL) in the middle of it")
        placed = await self._place(3, self._scale.later, untouched, 60.0)
        self._say(f"Amazon: {placed} more orders, while both are down")
        await self._until(lambda counts: counts["total"] >= len(self.expected), "the listing of the later orders")
        self._say(told(await self._counts()))
        await asyncio.gather(self._stack.start("matcher"), self._stack.start("creator"))
        self._say("matcher and creator are up again")
        await self._decided()

    async def _place(self, seed: int, profile: Profile, skus: Mapping[str, int], within_s: float) -> int:
        """How many. Orders of the other stories want none of ``skus``, however few are asked for of these."""
        by_story = await self._world.place_orders(seed, {**profile, "sku": skus}, within_s=within_s)
        for sku, orders in by_story.get("sku", {}).items():
            self._without_stock[sku] = orders
        placed = expectations(by_story)
        self._first = self._first or by_story
        if not self._listings.orders:
            self._listings.orders = {sku: by_story["sku"][sku] for sku in self._listings.skus}
            placed |= await relist(self._world, self._listings)
        self.expected.update(placed)
        await self._world.move_clock(PAST_THE_LAG_S)
        return len(placed)

    async def _decided(self) -> None:
        await self._until(lambda counts: is_decided(counts, len(self.expected)), "the decision on every order")
        self._say(f"every order is decided: {told(await self._counts())}")

    async def _until(self, holds: Callable[[Mapping[str, Any]], bool], what: str) -> None:
        await until(self._counts, holds, DECIDED_WITHIN_S, what)

    async def _counts(self) -> dict[str, Any]:
        counts = await self._world.counts()
        self._progress.show(counts)
        return counts


def expectations(by_story: Mapping[str, Any]) -> dict[str, tuple[str, str | None]]:
    """What has to become of each order, by the story that it belongs to."""
    expected = {}
    for story, placed in by_story.items():
        ids = [one for orders in placed.values() for one in orders] if story == "sku" else placed
        expected.update(dict.fromkeys(ids, OUTCOME_OF[story]))
    return expected


def _created(counts: Mapping[str, Any]) -> int:
    return int(counts["by_status"].get("created", 0))
