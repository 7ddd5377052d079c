"""The chapters of the demo's story that are about an order's life: it waits, it is paid, it is canceled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .demo_progress import Progress
from .demo_remedies import FREED_WITHIN_S, Wrong, comes_to
from .demo_world import World, until

Units = Mapping[str, int]
"""By Shopify SKU."""


async def pay(world: World, order: str, past_the_lag_s: float, progress: Progress) -> None:
    """A pending order, whose stock is held, becomes payable and is created."""
    waiting = await until(lambda: world.order(order), _holds, FREED_WITHIN_S, f"the hold of {order}")
    progress.say(f"{order} waits for its payment, and holds {_told(_units(waiting))} in Shopify")
    await world.become(order, "UNSHIPPED")
    await world.move_clock(past_the_lag_s)
    await comes_to(world, order, "created")
    created = await world.order(order)
    progress.say(f"{order} is paid and created: {created['shopify']['name']} in Shopify")


async def cancel(world: World, order: str, past_the_lag_s: float, progress: Progress) -> None:
    """An order is canceled at Amazon after it was created: it is canceled in Shopify, and its units are back."""
    units = _units(await world.order(order))
    before = await _available(world, units)
    await world.become(order, "CANCELLED")
    await world.move_clock(past_the_lag_s)
    progress.say(f"{order} is canceled at Amazon, after it was created in Shopify")
    await until(
        lambda: world.order(order),
        lambda it: it["status"] == "canceled",
        FREED_WITHIN_S,
        f"the cancellation of {order}",
    )
    after = await _available(world, units)
    if after != {sku: before[sku] + count for sku, count in units.items()}:
        raise Wrong(f"{order} is canceled, but of {units} there are {after} after {before}")
    progress.say(f"{order} is canceled in Shopify, and {_told(units)} back in stock")


def _holds(order: Mapping[str, Any]) -> bool:
    return (order["reservation"] or {}).get("state") == "held"


def _units(order: Mapping[str, Any]) -> Units:
    """What the order has reserved."""
    units = Counter[str]()
    for line in order["reservation"]["lines"]:
        units[line["shopify_sku"]] += line["quantity"]
    return dict(units)


def _told(units: Units) -> str:
    return ", ".join(f"{count} x {sku}" for sku, count in sorted(units.items()))


async def _available(world: World, units: Units) -> dict[str, int]:
    return {sku: (await world.stock(sku))["available"] for sku in units}
