"""More sellers and shops on the one stack, each for a test of its own."""

from __future__ import annotations

from typing import Any

from deploy.local.demo_story import HOUR_S
from deploy.local.demo_world import Account, World

from .running import RunningStack


async def opened(running: RunningStack, name: str) -> World:
    """A seller and a shop that nobody else uses, not connected yet. Orders placed from now on come after it is."""
    account = Account(
        connection_id=name,
        seller_id=f"A2{name.upper()}",
        refresh_token=f"Atzr|{name}",
        shop=f"orderbridge-{name}.myshopify.com",
    )
    world = World(running.stack, account)
    amazon = account.body()["amazon"]
    await world.amazon.send("POST", "/_control/sellers", {key: amazon[key] for key in amazon if key != "region"})
    shop: dict[str, Any] = {**account.body()["shopify"], "catalogue_seed": 1, "variants": 300}
    await world.shopify.send("POST", "/_control/shops", shop)
    await world.lift_limits(5.0)
    await world.move_clock(HOUR_S)
    return world
