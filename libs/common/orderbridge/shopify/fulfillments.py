"""The location that an order is fulfilled from: reading its fulfillment orders, and moving one (Admin API 2026-10).

Shopify's order routing chooses the location when an order is created; ``fulfillmentOrderMove`` is the way to another.
It is not idempotent: who reads first moves nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import Blocked, Unavailable
from .catalogue import next_cursor
from .client import Client
from .privacy import Problem, user_problems
from .tokens import Shop

FULFILLMENTS_SCOPE: Final = "write_merchant_managed_fulfillment_orders"
"""What moving needs; without its reading half Shopify shows no fulfillment orders, and no error."""
A_PAGE: Final = 20
PAGE_COST: Final = 1 + 2 + A_PAGE * 2
"""The order, the connection, and each fulfillment order with its location."""
MOVE_COST: Final = 11
LOCATION_COST: Final = 1

_NOT_BEGUN: Final = frozenset({"OPEN", "SCHEDULED", "ON_HOLD"})


@dataclass(frozen=True, slots=True)
class OpenFulfillmentOrder:
    """One that nobody has begun to work on; ``location_id`` is None where Shopify names none."""

    gid: str
    location_id: str | None


@dataclass(frozen=True, slots=True)
class Reassigned:
    """It is the other location's now, with the units that were committed for it."""


@dataclass(frozen=True, slots=True)
class ReassignmentRefused:
    """It stays where it is."""

    problems: tuple[Problem, ...]


class FulfillmentMover(Client):
    async def open_fulfillment_orders(self, shop: Shop, order_gid: str) -> list[OpenFulfillmentOrder]:
        """Those of the order that can be moved; none when it was canceled, or is not there."""
        found: list[OpenFulfillmentOrder] = []
        cursor: str | None = None
        while True:
            asked = {"id": order_gid, "first": A_PAGE, "after": cursor}
            data = await self.execute(shop, "fulfillment_orders", asked, cost=PAGE_COST)
            connection = (data.get("order") or {}).get("fulfillmentOrders") or {}
            found += _open(connection)
            cursor = next_cursor(connection)
            if cursor is None:
                return found

    async def move_fulfillment_order(self, shop: Shop, gid: str, location_id: str) -> Reassigned | ReassignmentRefused:
        """Have all of it fulfilled from another location.

        :raises Throttled, Unavailable: it may have been moved or not; the order's fulfillment orders say so.
        """
        asked = {"id": gid, "newLocationId": location_id}
        data = await self.execute(shop, "fulfillment_order_move", asked, cost=MOVE_COST)
        payload = data.get("fulfillmentOrderMove") or {}
        errors = [error for error in payload.get("userErrors") or () if isinstance(error, Mapping)]
        if errors:
            return ReassignmentRefused(user_problems(errors, {}))
        if not isinstance(payload.get("movedFulfillmentOrder"), Mapping):
            raise Unavailable(f"{shop.domain} answered with neither a fulfillment order nor an error")
        return Reassigned()

    async def require_location(self, shop: Shop, location_id: str) -> None:
        """See that the shop has the location, and that it is active.

        :raises Blocked: misconfigured, naming the location.
        """
        data = await self.execute(shop, "location", {"id": location_id}, cost=LOCATION_COST)
        location = data.get("location")
        if not isinstance(location, Mapping):
            lacking = f"the location {location_id} that the setting location_id names"
        elif location.get("isActive") is False:
            lacking = f"the location {location_id} ({location.get('name') or 'without a name'}) switched on"
        else:
            return
        raise Blocked("misconfigured", f"{shop.domain} lacks {lacking}", missing=(lacking,))


def _open(connection: Mapping[str, Any]) -> Iterator[OpenFulfillmentOrder]:
    for node in connection.get("nodes") or ():
        if isinstance(node, Mapping) and node.get("id") and node.get("status") in _NOT_BEGUN:
            location = (node.get("assignedLocation") or {}).get("location") or {}
            yield OpenFulfillmentOrder(str(node["id"]), location.get("id"))
