"""The control door, ``/_control/…``: make shops, change their goods and stock, script trouble, read the ledger.

It is not the vendor's and needs no token. Every answer reflects all effects that are due by now.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import Depends, FastAPI, HTTPException

from .control_catalogue import catalogue_routes
from .control_orders import order_routes
from .control_webhooks import webhook_routes
from .points import Bucket
from .profile import ALL_SCOPES, Profile, WebhookMode
from .shop import Shop
from .trouble import Kind, Trouble
from .world import World

_ONLY_KNOWN_FIELDS: Final = {"extra": "forbid"}
_PLAIN_SETTINGS: Final = (
    "unique_enforced",
    "definition_allowed",
    "lookup_lag_s",
    "search_lag_s",
    "token_life_s",
    "bulk_takes_s",
    "bulk_at_once",
    "stock_touches_products",
)
_WEBHOOK_SETTINGS: Final = {
    "webhooks": "mode",
    "webhook_attempts": "attempts",
    "webhook_backoff_s": "backoff_s",
    "webhook_timeout_s": "timeout_s",
}


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
class TroubleAsked:
    __pydantic_config__: ClassVar = _ONLY_KNOWN_FIELDS
    kind: Kind
    operation: str = "*"
    times: int = 1
    hang_s: float = 60.0
    late_s: float = 5.0
    retry_after: float = 2.0
    error_code: Literal["ACCESS_DENIED", "INTERNAL_SERVER_ERROR", "TIMEOUT"] = "INTERNAL_SERVER_ERROR"
    """With which ``bulk_fail`` lets an operation end."""

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
    bulk_takes_s: float | None = None
    bulk_at_once: int | None = None
    webhooks: WebhookMode | None = None
    """``reversed`` holds all that is sent from now on until ``webhooks/flush``, which sends the newest first."""
    webhook_attempts: int | None = None
    webhook_backoff_s: float | None = None
    webhook_timeout_s: float | None = None
    stock_touches_products: bool | None = None
    hang_all_s: float | None = None
    """No call is answered from now on for so long; 0 ends it. All that came in meanwhile are cut off."""

    def __post_init__(self) -> None:
        times = (
            self.lookup_lag_s,
            self.search_lag_s,
            self.token_life_s,
            self.bulk_takes_s,
            self.webhook_backoff_s,
            self.webhook_timeout_s,
            self.hang_all_s,
        )
        if any(seconds is not None and seconds < 0 for seconds in times):
            raise ValueError("no time is negative")
        if any(number is not None and number < 1 for number in (self.bulk_at_once, self.webhook_attempts)):
            raise ValueError("there is at least one")


def control_app(world: World, wake: Callable[[Shop], None]) -> FastAPI:
    app = FastAPI(title="Shopify stand-in: control", docs_url="/_control/docs", openapi_url="/_control/openapi.json")

    async def shop_named(shop: str) -> Shop:
        found = world.find(shop)
        if found is None:
            raise HTTPException(404, f"no shop {shop}")
        found.catch_up()
        return found

    for routes in (catalogue_routes, order_routes, webhook_routes):
        app.include_router(routes(shop_named))

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
        for name in _PLAIN_SETTINGS:
            if (value := getattr(asked, name)) is not None:
                setattr(shop.settings, name, value)
        for name, field in _WEBHOOK_SETTINGS.items():
            if (value := getattr(asked, name)) is not None:
                setattr(shop.settings.webhooks, field, value)
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
