"""The control door, ``/_control/…``: make shops, move stock, script trouble, read the ledger.

It is not the vendor's and needs no token. Every answer reflects all effects that are due by now.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import Depends, FastAPI, HTTPException

from .points import Bucket
from .shop import ALL_SCOPES, Profile, SeedOfVariant, Shop, World
from .stock import Location, Product, Variant
from .trouble import Kind, Trouble

_ONLY_KNOWN_FIELDS: Final = {"extra": "forbid"}
Policy = Literal["DENY", "CONTINUE"]
Status = Literal["ACTIVE", "DRAFT", "ARCHIVED"]


@dataclass(frozen=True, kw_only=True)
class ShopAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    shop: str
    client_id: str
    client_secret: str
    currency: str = "USD"
    catalogue_seed: int = 1
    variants: int = 300
    scopes: tuple[str, ...] = ALL_SCOPES
    unique_enforced: bool = True
    definition: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.\-]+", self.shop):
            raise ValueError(f"{self.shop!r} is no domain")
        if self.variants < 0:
            raise ValueError("variants cannot be negative")


@dataclass(frozen=True, kw_only=True)
class VariantChange:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    sku: str | None = None
    policy: Policy | None = None
    tracked: bool | None = None
    status: Status | None = None
    title: str | None = None


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
    available: int
    location: str | None = None
    """A location's name or global id; without one the warehouse gets all of it and the others none."""


@dataclass(frozen=True, kw_only=True)
class TroubleAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    kind: Kind
    operation: str = "*"
    times: int = 1
    hang_s: float = 60.0
    late_s: float = 5.0
    retry_after: float = 2.0

    def __post_init__(self) -> None:
        if self.times < 1 or min(self.hang_s, self.late_s, self.retry_after) < 0:
            raise ValueError("trouble happens at least once, and no time is negative")
        if self.kind == "too_many_attempts" and self.operation not in ("*", "orderCreate"):
            raise ValueError("too_many_attempts is an answer of orderCreate only")


@dataclass(frozen=True, kw_only=True)
class BucketAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    maximum: float
    restore: float

    def __post_init__(self) -> None:
        if self.maximum <= 0 or self.restore <= 0:
            raise ValueError("a bucket holds and restores more than nothing")


@dataclass(frozen=True, kw_only=True)
class SettingsAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    unique_enforced: bool | None = None
    definition_allowed: bool | None = None
    lookup_lag_s: float | None = None
    search_lag_s: float | None = None
    token_life_s: float | None = None
    bucket: BucketAsked | None = None
    hang_all_s: float | None = None
    """No call is answered from now on for so long; 0 ends it. All that came in meanwhile are cut off."""

    def __post_init__(self) -> None:
        times = (self.lookup_lag_s, self.search_lag_s, self.token_life_s, self.hang_all_s)
        if any(seconds is not None and seconds < 0 for seconds in times):
            raise ValueError("no time is negative")


def control_app(world: World, wake: Callable[[Shop], None]) -> FastAPI:
    app = FastAPI(title="Shopify stand-in: control", docs_url="/_control/docs", openapi_url="/_control/openapi.json")

    def shop_named(shop: str) -> Shop:
        found = world.find(shop)
        if found is None:
            raise HTTPException(404, f"no shop {shop}")
        found.catch_up()
        return found

    @app.get("/_control/health")
    async def health() -> dict[str, Any]:
        return {"ok": True, "shops": [shop.profile.domain for shop in world]}

    @app.post("/_control/reset")
    async def reset() -> dict[str, Any]:
        for shop in world:
            wake(shop)
        world.reset()
        return {"shops": [shop.profile.domain for shop in world]}

    @app.post("/_control/shops", status_code=201)
    async def make_shop(asked: ShopAsked) -> dict[str, Any]:
        chosen = asdict(asked)
        made = world.put(Profile(domain=chosen.pop("shop"), **chosen))
        places = [{"id": place.gid, "name": place.name} for place in made.locations]
        return {"shop": asked.shop, "variants": len(made.variants), "locations": places}

    @app.get("/_control/shops/{shop}/variants")
    async def variants(shop: Annotated[Shop, Depends(shop_named)], sku: str | None = None) -> list[dict[str, Any]]:
        chosen = shop.variants.values() if sku is None else shop.with_sku(sku)
        return [_variant_as_json(variant) for variant in chosen]

    @app.patch("/_control/shops/{shop}/variants/{sku:path}")
    async def change_variant(
        shop: Annotated[Shop, Depends(shop_named)], sku: str, change: VariantChange
    ) -> dict[str, Any]:
        variant = _one_variant(shop, sku)
        _change(shop, variant, change)
        return _variant_as_json(variant)

    @app.delete("/_control/shops/{shop}/variants/{sku:path}")
    async def delete_variant(shop: Annotated[Shop, Depends(shop_named)], sku: str) -> dict[str, Any]:
        variant = _one_variant(shop, sku)
        shop.remove_variant(variant)
        return {"deleted": variant.gid}

    @app.post("/_control/shops/{shop}/products", status_code=201)
    async def add_product(shop: Annotated[Shop, Depends(shop_named)], asked: ProductAsked) -> dict[str, Any]:
        seeds = [
            SeedOfVariant(v.sku, v.title, tuple(v.options.items()), v.price, v.available, v.policy, v.tracked)
            for v in asked.variants
        ]
        product = shop.add_product(asked.title, asked.vendor, seeds, status=asked.status)
        return _product_as_json(product)

    @app.post("/_control/shops/{shop}/stock")
    async def set_stock(shop: Annotated[Shop, Depends(shop_named)], asked: StockAsked) -> dict[str, Any]:
        variant = _one_variant(shop, asked.sku)
        shop.set_stock(variant, asked.available, _location(shop, asked.location))
        return _variant_as_json(variant)

    @app.post("/_control/shops/{shop}/trouble", status_code=201)
    async def script(shop: Annotated[Shop, Depends(shop_named)], asked: TroubleAsked) -> dict[str, Any]:
        shop.script.add(Trouble(**asdict(asked)))
        return asdict(asked)

    @app.delete("/_control/shops/{shop}/trouble")
    async def end_trouble(shop: Annotated[Shop, Depends(shop_named)]) -> dict[str, Any]:
        shop.script.clear()
        return {"trouble": []}

    @app.post("/_control/shops/{shop}/settings")
    async def change_settings(shop: Annotated[Shop, Depends(shop_named)], asked: SettingsAsked) -> dict[str, Any]:
        now = shop.clock.monotonic()
        for name in ("unique_enforced", "definition_allowed", "lookup_lag_s", "search_lag_s", "token_life_s"):
            if (value := getattr(asked, name)) is not None:
                setattr(shop.settings, name, value)
        if asked.bucket is not None:
            shop.bucket = Bucket(asked.bucket.maximum, asked.bucket.restore, now)
        if asked.hang_all_s is not None:
            wake(shop)
            shop.settings.silent_until = now + asked.hang_all_s
        return {"bucket": shop.bucket.status(now), "silent_s": max(0.0, shop.settings.silent_until - now)}

    @app.delete("/_control/shops/{shop}/definition")
    async def delete_definitions(shop: Annotated[Shop, Depends(shop_named)]) -> dict[str, Any]:
        return {"deleted": shop.definitions.remove_all()}

    @app.get("/_control/shops/{shop}/ledger")
    async def ledger(shop: Annotated[Shop, Depends(shop_named)]) -> dict[str, Any]:
        return shop.ledger.as_json(shop.orders.values())

    return app


def _one_variant(shop: Shop, sku: str) -> Variant:
    found = shop.with_sku(sku)
    if len(found) != 1:
        raise HTTPException(409 if found else 404, f"{len(found)} variants have the SKU {sku}")
    return found[0]


def _location(shop: Shop, name: str | None) -> Location | None:
    if name is None:
        return None
    for place in shop.locations:
        if name in (place.name, place.gid):
            return place
    raise HTTPException(404, f"no location {name}")


def _change(shop: Shop, variant: Variant, change: VariantChange) -> None:
    """A variant's own fields touch it alone; its product's status and title touch every variant of it."""
    product = variant.product
    if change.sku is not None:
        variant.sku = change.sku
    if change.policy is not None:
        variant.inventory_policy = change.policy
    if change.tracked is not None:
        variant.inventory_item.tracked = change.tracked
    if change.title is not None:
        variant.title = change.title
    if change.status is not None:
        product.status = change.status
    shop.catalogue_changed(product, None if change.status is not None else [variant])


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
                **{name: level.quantity(name) for name in ("available", "committed", "on_hand")},
            }
            for level in item.levels.values()
        ],
    }
