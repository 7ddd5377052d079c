"""The control door's part for the shop's goods: products, variants and stock, as the merchant changes them.

A variant is named by its SKU, or by its global id, since a SKU may be doubled; a product by its global id or the number
in it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, HTTPException

from .gids import number_of
from .profile import SeedOfVariant
from .shop import Shop
from .stock import Location, Product, Variant

_ONLY_KNOWN_FIELDS: Final = {"extra": "forbid"}
Policy = Literal["DENY", "CONTINUE"]
Status = Literal["ACTIVE", "DRAFT", "ARCHIVED"]


@dataclass(frozen=True, kw_only=True)
class VariantChange:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    sku: str | None = None
    policy: Policy | None = None
    tracked: bool | None = None
    status: Status | None = None
    """Of its product."""
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class ProductChange:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    title: str | None = None
    status: Status | None = None


@dataclass(frozen=True, kw_only=True)
class VariantAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    sku: str
    title: str = "Default Title"
    options: dict[str, str] = field(default_factory=dict)
    price: Decimal = Decimal("10.00")
    available: int = 500
    policy: Policy = "DENY"
    tracked: bool = True

    def seed(self) -> SeedOfVariant:
        options = tuple(self.options.items())
        return SeedOfVariant(
            self.sku, self.title, options, self.price, self.available, policy=self.policy, tracked=self.tracked
        )


@dataclass(frozen=True, kw_only=True)
class ProductAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    title: str
    variants: list[VariantAsked]
    vendor: str = "Northwind Cotton"
    status: Status = "ACTIVE"

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError("a product has at least one variant")


@dataclass(frozen=True, kw_only=True)
class StockAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    sku: str
    """Or the variant's global id."""
    available: int
    location: str | None = None
    """A location's name or global id; without one the warehouse gets all of it and the others none."""


@dataclass(frozen=True, kw_only=True)
class LocationChange:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    active: bool | None = None
    stops_stocking: str | None = None
    """A variant, by its SKU or global id, that the location has no inventory level of any more."""


def catalogue_routes(shop_named: Callable[[str], Awaitable[Shop]]) -> APIRouter:
    routes = APIRouter(prefix="/_control/shops/{shop}")

    @routes.get("/variants")
    async def variants(shop: Annotated[Shop, Depends(shop_named)], sku: str | None = None) -> list[dict[str, Any]]:
        chosen = shop.variants.values() if sku is None else shop.with_sku(sku)
        return [_variant_as_json(variant) for variant in chosen]

    @routes.patch("/variants/{variant:path}")
    async def change_variant(
        shop: Annotated[Shop, Depends(shop_named)], variant: str, change: VariantChange
    ) -> dict[str, Any]:
        found = the_variant(shop, variant)
        _change_variant(shop, found, change)
        return _variant_as_json(found)

    @routes.delete("/variants/{variant:path}")
    async def delete_variant(shop: Annotated[Shop, Depends(shop_named)], variant: str) -> dict[str, Any]:
        found = the_variant(shop, variant)
        shop.remove_variant(found)
        return {"deleted": found.gid}

    @routes.post("/products", status_code=201)
    async def add_product(shop: Annotated[Shop, Depends(shop_named)], asked: ProductAsked) -> dict[str, Any]:
        seeds = [variant.seed() for variant in asked.variants]
        return _product_as_json(shop.add_product(asked.title, asked.vendor, seeds, status=asked.status))

    @routes.post("/products/{product:path}/variants", status_code=201)
    async def add_variant(
        shop: Annotated[Shop, Depends(shop_named)], product: str, asked: VariantAsked
    ) -> dict[str, Any]:
        return _variant_as_json(shop.add_variant(_the_product(shop, product), asked.seed()))

    @routes.patch("/products/{product:path}")
    async def change_product(
        shop: Annotated[Shop, Depends(shop_named)], product: str, change: ProductChange
    ) -> dict[str, Any]:
        found = _the_product(shop, product)
        _change_product(shop, found, change)
        return _product_as_json(found)

    @routes.delete("/products/{product:path}")
    async def delete_product(shop: Annotated[Shop, Depends(shop_named)], product: str) -> dict[str, Any]:
        found = _the_product(shop, product)
        shop.remove_product(found)
        return {"deleted": found.gid}

    @routes.post("/stock")
    async def set_stock(shop: Annotated[Shop, Depends(shop_named)], asked: StockAsked) -> dict[str, Any]:
        variant = the_variant(shop, asked.sku)
        shop.set_stock(variant, asked.available, _location(shop, asked.location) if asked.location else None)
        return _variant_as_json(variant)

    @routes.patch("/locations/{location:path}")
    async def change_location(
        shop: Annotated[Shop, Depends(shop_named)], location: str, change: LocationChange
    ) -> dict[str, Any]:
        place = _location(shop, location)
        if change.active is not None:
            place.is_active = change.active
        if change.stops_stocking is not None:
            the_variant(shop, change.stops_stocking).inventory_item.levels.pop(place.id, None)
        return {"location_id": place.gid, "name": place.name, "active": place.is_active}

    return routes


def the_variant(shop: Shop, named: str) -> Variant:
    """The variant with this global id, else the one with this SKU.

    :raises HTTPException: 404 for none, 409 where several have the SKU.
    """
    if (number := number_of("ProductVariant", named)) is not None:
        if (variant := shop.variants.get(number)) is None:
            raise HTTPException(404, f"no variant {named}")
        return variant
    found = shop.with_sku(named)
    if len(found) != 1:
        raise HTTPException(409 if found else 404, f"{len(found)} variants have the SKU {named}")
    return found[0]


def _the_product(shop: Shop, named: str) -> Product:
    number = int(named) if named.isdecimal() else number_of("Product", named)
    product = None if number is None else shop.products.get(number)
    if product is None:
        raise HTTPException(404, f"no product {named}")
    return product


def _location(shop: Shop, name: str) -> Location:
    for place in shop.locations:
        if name in (place.name, place.gid):
            return place
    raise HTTPException(404, f"no location {name}")


def _change_variant(shop: Shop, variant: Variant, change: VariantChange) -> None:
    """Its own fields touch a variant alone; the status of its product touches every variant of it."""
    if change.sku is not None:
        variant.sku = change.sku
    if change.policy is not None:
        variant.inventory_policy = change.policy
    if change.title is not None:
        variant.title = change.title
    if change.status is not None:
        variant.product.status = change.status
    if change.tracked is not None and change.tracked != variant.inventory_item.tracked:
        variant.inventory_item.tracked = change.tracked
        shop.item_changed(variant.inventory_item)
    shop.catalogue_changed(variant.product, None if change.status is not None else [variant])


def _change_product(shop: Shop, product: Product, change: ProductChange) -> None:
    """A new title leaves the variants' own times as they are, a new status does not."""
    if change.title is not None:
        product.title = change.title
    if change.status is not None:
        product.status = change.status
    shop.catalogue_changed(product, None if change.status is not None else [])


def _product_as_json(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.gid,
        "title": product.title,
        "status": product.status,
        "variants": [_variant_as_json(variant) for variant in product.variants],
    }


def _variant_as_json(variant: Variant) -> dict[str, Any]:
    item, product = variant.inventory_item, variant.product
    return {
        "variant_id": variant.gid,
        "inventory_item_id": item.gid,
        "product_id": product.gid,
        "sku": variant.sku,
        "title": variant.title,
        "product_title": product.title,
        "status": product.status,
        "policy": variant.inventory_policy,
        "tracked": item.tracked,
        "price": f"{variant.price:.2f}",
        "updated_at": variant.updated_at.isoformat(),
        "available": item.available,
        "levels": [
            {
                "location": level.location.name,
                "location_id": level.location.gid,
                **{name: level.quantity(name) for name in ("available", "committed", "reserved", "on_hand")},
            }
            for level in item.levels.values()
        ],
    }
