"""Reading stock levels, location by location."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .catalogue import chunks, next_cursor
from .client import Client
from .tokens import Shop

LEVELS_A_VARIANT: Final = 20
LEVEL_COST: Final = 3
"""The level, its location, and its one quantity."""
VARIANT_COST: Final = 1 + 1 + 1 + 2 + LEVELS_A_VARIANT * LEVEL_COST
VARIANTS_A_CALL: Final = 12
"""Of 65 points each: with the reserve of reads they must fit into the smallest bucket seen, 1000 points."""
LEVELS_A_PAGE: Final = 250
REST_COST: Final = 1 + 2 + LEVELS_A_PAGE * LEVEL_COST


@dataclass(frozen=True, slots=True)
class StockLevel:
    """What one location has of an item; only an active one that fulfils online orders can serve an order."""

    location_id: str
    location: str
    active: bool
    fulfils_online: bool
    available: int


@dataclass(frozen=True, slots=True)
class Stock:
    """A variant's stock: an untracked one, or one whose ``policy`` is CONTINUE, is never refused."""

    variant_id: str
    inventory_item_id: str
    tracked: bool
    policy: str
    levels: tuple[StockLevel, ...]
    sku: str | None = None
    product_id: str | None = None

    @property
    def available(self) -> int:
        """The units that an order can be given."""
        return sum(level.available for level in self.levels if level.active and level.fulfils_online)


class StockReader(Client):
    async def stock_of(self, shop: Shop, variant_ids: Sequence[str], *, reserve: float = 0.0) -> dict[str, Stock]:
        """The stock of each variant at every location; a variant that is gone is not in the answer.

        ``reserve`` is the part of the points that must remain for others, as everywhere.
        """
        found: dict[str, Stock] = {}
        for ids in chunks(variant_ids, VARIANTS_A_CALL):
            variables = {"ids": ids, "first": LEVELS_A_VARIANT}
            cost = len(ids) * VARIANT_COST
            data = await self.execute(shop, "stock_of_variants", variables, cost=cost, reserve=reserve)
            for node in data.get("nodes") or ():
                if node and node.get("id"):
                    stock = await self._stock(shop, node)
                    found[stock.variant_id] = stock
        return found

    async def _stock(self, shop: Shop, node: Mapping[str, Any]) -> Stock:
        item = node.get("inventoryItem") or {}
        connection = item.get("inventoryLevels") or {}
        levels = list(_levels(connection))
        cursor = next_cursor(connection)
        while cursor is not None:
            variables = {"ids": [item.get("id")], "first": LEVELS_A_PAGE, "after": cursor}
            data = await self.execute(shop, "stock_of_item", variables, cost=REST_COST, reserve=0.0)
            rest = next(iter(data.get("nodes") or ()), None) or {}
            connection = rest.get("inventoryLevels") or {}
            levels += _levels(connection)
            cursor = next_cursor(connection)
        return Stock(
            variant_id=str(node["id"]),
            inventory_item_id=str(item.get("id", "")),
            tracked=bool(item.get("tracked", True)),
            policy=str(node.get("inventoryPolicy") or "DENY"),
            levels=tuple(levels),
            sku=node.get("sku"),
            product_id=(node.get("product") or {}).get("id"),
        )


def _levels(connection: Mapping[str, Any]) -> Iterable[StockLevel]:
    for node in connection.get("nodes") or ():
        location = node.get("location") or {}
        quantities = node.get("quantities") or ()
        yield StockLevel(
            location_id=str(location.get("id", "")),
            location=str(location.get("name") or ""),
            active=bool(node.get("isActive", True)) and bool(location.get("isActive", True)),
            fulfils_online=bool(location.get("fulfillsOnlineOrders", True)),
            available=sum(int(q.get("quantity") or 0) for q in quantities if q.get("name") == "available"),
        )
