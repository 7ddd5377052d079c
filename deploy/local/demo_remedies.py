"""The chapters of the demo's story that are about matching: a title, a mapping, a renamed SKU."""

from __future__ import annotations

from dataclasses import dataclass, field

from .demo_progress import Progress
from .demo_world import Refused, World, until

FREED_WITHIN_S = 60.0
TWIN_PACK = "TWIN-PACK"
NO_STOCK = ("failed", "unable_to_reserve_inventory")


class Wrong(Exception):
    """The story did not go as it must; one line."""


@dataclass
class Listings:
    """Three of the shop's SKUs that Amazon lists otherwise, and the orders for each."""

    titled: str
    """Amazon has another SKU for it, and the shop's own title."""
    packed: str
    """Amazon sells it in packs of two, under a SKU and a title of its own."""
    renamed: str
    """Out of stock, and renamed at Shopify while its order waits."""
    orders: dict[str, list[str]] = field(default_factory=dict)

    @property
    def skus(self) -> tuple[str, str, str]:
        return self.titled, self.packed, self.renamed


async def relist(world: World, listings: Listings) -> dict[str, tuple[str, str | None]]:
    """Before anybody saw the orders; what has to become of each at first."""
    for order in listings.orders[listings.titled]:
        await world.relist(order, f"AMZ-{listings.titled}")
    for order in listings.orders[listings.packed]:
        await world.relist(order, TWIN_PACK, "A pack of two, as it is called on Amazon alone")
    return {
        **dict.fromkeys(listings.orders[listings.titled], ("created", None)),
        **dict.fromkeys(listings.orders[listings.packed], ("unmatched", "sku_not_found")),
        **dict.fromkeys(listings.orders[listings.renamed], NO_STOCK),
    }


async def tell_of_titles(world: World, listings: Listings, progress: Progress) -> None:
    orders = listings.orders[listings.titled]
    order = await world.order(orders[0])
    [line] = order["lines"]
    if line["match"]["rule"] != "title":
        raise Wrong(f"{orders[0]} was matched by {line['match']['rule']}, not by its title")
    progress.say(f"{len(orders)} orders of {line['amazon_sku']} were matched by their title: {line['title']}")


async def map_the_pack(world: World, listings: Listings, progress: Progress) -> list[str]:
    """One saved mapping frees every order that waits for it; their ids."""
    orders = listings.orders[listings.packed]
    saved = await world.map_sku(TWIN_PACK, (listings.packed, 2))
    progress.say(f"{TWIN_PACK} is mapped to 2 x {listings.packed}: {saved['waiting_orders']} orders waited for that")
    if saved["waiting_orders"] != len(orders):
        raise Wrong(f"the mapping of {TWIN_PACK} frees {saved['waiting_orders']} orders, {len(orders)} wait for it")
    for order in orders:
        await comes_to(world, order, "created")
    progress.say(f"{len(orders)} orders of {TWIN_PACK} are created, no retry pressed")
    return orders


async def rename_and_rematch(world: World, listings: Listings, progress: Progress) -> str:
    """A SKU is renamed while its order waits: Export is refused with the reason, rematch is the way out."""
    [order] = listings.orders[listings.renamed]
    new = f"{listings.renamed}-NEW"
    await world.rename(listings.renamed, new)
    progress.say(f"{listings.renamed} is renamed {new} at Shopify while {order} waits for stock")
    await comes_to(world, order, "unmatched", "sku_changed_after_import")
    try:
        await world.retry(order, "retry")
    except Refused as refused:
        said = refused.body if isinstance(refused.body, dict) else {}
        if refused.status != 409 or new not in str(said):
            raise Wrong(f"the retry of {order} was answered {refused.status}: {said}") from None
        progress.say(f"the Export of {order} is refused: {said['detail']}")
    else:
        raise Wrong(f"the retry of {order} was taken although its SKU had changed")
    await world.set_stock(new, 1)
    command = await world.retry(order, "rematch")
    if (command["state"], command["outcome"]) != ("done", "created"):
        raise Wrong(f"the rematch of {order} ended {command['state']}, {command['outcome']}")
    progress.say(f"{order} is matched anew and created")
    return order


async def comes_to(world: World, order: str, status: str, reason: str | None = None) -> None:
    await until(
        lambda: world.order(order),
        lambda found: (found["status"], (found["reason"] or {}).get("code")) == (status, reason),
        FREED_WITHIN_S,
        f"{order} as {status}{f', {reason}' if reason else ''}",
    )
