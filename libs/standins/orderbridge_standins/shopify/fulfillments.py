"""Fulfillment orders: an order's units by the location that is to send them, and moving them to another.

A whole fulfillment order is moved, never a part of it. Texts under "recorded" were read off a live shop (2026-04);
Shopify's documentation names the other refusals without their words.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from .definitions import UserError
from .gids import number_of
from .orders import FulfillmentLine, FulfillmentOrder, LineItem
from .shop import Shop
from .stock import Claim, InventoryItem, Location, commit, release

# recorded
CANNOT_CHANGE: Final = UserError("Cannot change location.")
NO_LOCATION: Final = UserError("Location not found.", ("id",))

NO_FULFILLMENT_ORDER: Final = UserError("Fulfillment order does not exist.", ("id",))
NOT_STOCKED: Final = UserError("The location does not stock the item.", ("newLocationId",))


def fulfillment_orders(
    shop: Shop, lines: Iterable[LineItem], claims: Iterable[Claim], now: datetime
) -> tuple[FulfillmentOrder, ...]:
    """One for each location that units were claimed at; units without a claim go along with the first."""
    claimed: dict[Location, list[Claim]] = {}
    routed: dict[int, list[tuple[Location, int]]] = {}
    for claim in claims:
        claimed.setdefault(claim.level.location, []).append(claim)
        routed.setdefault(claim.place, []).append((claim.level.location, claim.quantity))
    otherwise = next(iter(claimed), None) or _first_that_serves(shop)
    shares: dict[Location, list[FulfillmentLine]] = {}
    for place, line in enumerate(lines):
        for location, units in routed.get(place) or [(otherwise, line.quantity)]:
            share = FulfillmentLine(shop.next_id(), line, _item(shop, line), units)
            shares.setdefault(location, []).append(share)
    return tuple(
        FulfillmentOrder(shop.next_id(), location, tuple(kept), tuple(claimed.get(location, ())), now, now)
        for location, kept in shares.items()
    )


def move(shop: Shop, fulfillment_order_id: str, location_id: str) -> FulfillmentOrder | UserError:
    """Assign it to the other location; its units are committed there from now on, and available where they were.

    How much the location has is no matter, as long as it stocks the items at all: available may fall below zero.
    """
    number = number_of("FulfillmentOrder", fulfillment_order_id)
    part = None if number is None else shop.fulfillment_orders.get(number)
    location = shop.location(location_id)
    if part is None:
        return NO_FULFILLMENT_ORDER
    if location is None:
        return NO_LOCATION
    if part.status != "OPEN" or not location.is_active or location is part.location:
        return CANNOT_CHANGE
    if any(line.inventory_item and location.id not in line.inventory_item.levels for line in part.lines):
        return NOT_STOCKED
    left = [claim.level for claim in part.claims]
    _move(part, location, shop.clock.now())
    shop.stock_changed([*left, *(claim.level for claim in part.claims)])
    return part


def _move(part: FulfillmentOrder, location: Location, now: datetime) -> None:
    release(part.claims, now, restock=True)
    part.claims = tuple(replace(claim, level=claim.level.item.levels[location.id]) for claim in part.claims)
    commit(part.claims, now)
    part.location = location
    part.updated_at = now


def _first_that_serves(shop: Shop) -> Location:
    return next((place for place in shop.locations if place.takes_orders), shop.locations[0])


def _item(shop: Shop, line: LineItem) -> InventoryItem | None:
    variant = None if line.variant_id is None else shop.variants.get(line.variant_id)
    return variant.inventory_item if variant else None
