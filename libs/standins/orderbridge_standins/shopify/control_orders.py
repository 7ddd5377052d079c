"""The control door's part for orders: what the merchant does with them by hand, beside the app.

An order is named by its global id or the number in it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, HTTPException

from .control_catalogue import the_variant
from .gids import number_of
from .order_create import create_order
from .orders import Order
from .shop import Shop

_ONLY_KNOWN_FIELDS: Final = {"extra": "forbid"}
Reason = Literal["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"]


@dataclass(frozen=True, kw_only=True)
class LineAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    sku: str
    """Or the variant's global id."""
    quantity: int = 1


@dataclass(frozen=True, kw_only=True)
class OrderAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    note: str | None = None
    source_identifier: str | None = None
    lines: list[LineAsked] = field(default_factory=list)
    """Their stock is taken, below zero if need be; without lines the order has one that is no variant's."""


@dataclass(frozen=True, kw_only=True)
class CancelAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    restock: bool = True
    reason: Reason = "STAFF"


def order_routes(shop_named: Callable[[str], Awaitable[Shop]]) -> APIRouter:
    routes = APIRouter(prefix="/_control/shops/{shop}/orders")

    @routes.post("", status_code=201)
    async def make_order(shop: Annotated[Shop, Depends(shop_named)], asked: OrderAsked | None = None) -> dict[str, Any]:
        given = _input(shop, asked or OrderAsked())
        made = create_order(shop, given, {"inventoryBehaviour": "DECREMENT_IGNORING_POLICY"})
        if not isinstance(made, Order):
            raise HTTPException(422, "; ".join(error.message for error in made))
        made.by_hand = True
        return {"order_id": made.gid, "name": made.name}

    @routes.post("/{order:path}/cancel")
    async def cancel_order(
        shop: Annotated[Shop, Depends(shop_named)], order: str, asked: CancelAsked | None = None
    ) -> dict[str, Any]:
        found, asked = _the_order(shop, order), asked or CancelAsked()
        if found.cancelled_at is not None:
            raise HTTPException(409, f"{found.name} is canceled already")
        shop.cancel_now(found, asked.reason, restock=asked.restock)
        return {"order_id": found.gid, "name": found.name, "cancelled": True}

    @routes.delete("/{order:path}")
    async def delete_order(shop: Annotated[Shop, Depends(shop_named)], order: str) -> dict[str, Any]:
        found = _the_order(shop, order)
        shop.remove_order(found)
        return {"deleted": found.gid}

    return routes


def _the_order(shop: Shop, named: str) -> Order:
    number = int(named) if named.isdecimal() else number_of("Order", named)
    order = None if number is None else shop.orders.get(number)
    if order is None:
        raise HTTPException(404, f"no order {named}")
    return order


def _input(shop: Shop, asked: OrderAsked) -> dict[str, Any]:
    lines = [
        {"variantId": the_variant(shop, line.sku).gid, "quantity": line.quantity, "requiresShipping": True}
        for line in asked.lines
    ]
    money = {"shopMoney": {"amount": Decimal("10.00"), "currencyCode": shop.profile.currency}}
    return {
        "name": asked.name,
        "tags": asked.tags,
        "note": asked.note,
        "sourceIdentifier": asked.source_identifier,
        "sourceName": "manual",
        "lineItems": lines or [{"title": "Sold by hand", "quantity": 1, "priceSet": money}],
    }
