"""The control door ``/_control``: prepares sellers and orders, moves the clock, plans trouble, shows the ledger.

Not Amazon's: tests and the demo use it, a production client never does. What it cannot do is a 422 with one sentence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from fastapi import APIRouter, HTTPException

from .accounts import Grant
from .clock import instant, stamp
from .generator import Profile, generate_orders
from .limits import DEFAULT_PLANS, Plan
from .marketplaces import MARKETPLACES, UNITED_STATES
from .orderstore import Order, readable_order
from .trouble import Trouble
from .world import World


class _Strict:
    """A body that refuses fields it does not know."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass
class SellerBody(_Strict):
    seller_id: str
    refresh_token: str
    client_id: str
    client_secret: str
    marketplace_ids: list[str]
    sees_recipients: bool = True
    """Without: authorised before the application had the role that shows buyers and addresses. A seller who authorises
    it anew gets another refresh token; the old one keeps the old roles."""


@dataclass
class GenerateBody(_Strict):
    """``updated_within_s``: placed and changed in the last so many seconds, up to the clock's now."""

    seller_id: str
    seed: int
    catalogue_seed: int
    catalogue_variants: int
    profile: dict[str, Any]
    marketplace_id: str = UNITED_STATES
    updated_within_s: float | None = None


@dataclass
class ClockBody(_Strict):
    """Move on by ``advance_s``, or stand at ``set_to`` (ISO 8601)."""

    advance_s: float | None = None
    set_to: str | None = None


@dataclass
class TroubleBody(_Strict):
    operation: str
    kind: str
    times: int = 1
    seller_id: str | None = None
    hang_s: float = 60.0


@dataclass
class LimitsBody(_Strict):
    operation: str
    rate: float
    burst: int


@dataclass
class LagBody(_Strict):
    seconds: float


@dataclass
class RefreshTokenBody(_Strict):
    refresh_token: str = field(repr=False)


def control_routes(world: World) -> APIRouter:
    router = APIRouter(prefix="/_control")
    _account_routes(router, world)
    _order_routes(router, world)
    _scene_routes(router, world)
    return router


def _account_routes(router: APIRouter, world: World) -> None:
    @router.post("/sellers")
    async def authorise(body: SellerBody) -> dict[str, Any]:
        unknown = set(body.marketplace_ids) - MARKETPLACES.keys()
        if unknown:
            raise HTTPException(422, f"unknown marketplaces: {', '.join(sorted(unknown))}")
        grant = Grant(
            body.seller_id,
            body.client_id,
            body.refresh_token,
            tuple(body.marketplace_ids),
            sees_recipients=body.sees_recipients,
        )
        world.accounts.authorise(grant, body.client_secret)
        return {"seller_id": body.seller_id}

    @router.post("/revoke")
    async def revoke(body: RefreshTokenBody) -> dict[str, Any]:
        return _revoked(world, body.refresh_token, revoked=True)

    @router.post("/restore")
    async def restore(body: RefreshTokenBody) -> dict[str, Any]:
        return _revoked(world, body.refresh_token, revoked=False)


def _order_routes(router: APIRouter, world: World) -> None:
    @router.post("/orders/generate")
    async def generate(body: GenerateBody) -> dict[str, Any]:
        _known_seller(world, body.seller_id)
        within = body.updated_within_s
        with _explained():
            made = generate_orders(
                seed=body.seed,
                catalogue_seed=body.catalogue_seed,
                catalogue_variants=body.catalogue_variants,
                profile=Profile.read(body.profile),
                marketplace_id=body.marketplace_id,
                now=world.clock.now(),
                updated_within=None if within is None else timedelta(seconds=within),
            )
        world.orders_of(body.seller_id).put_many(made.orders)
        return {"order_ids": [order["orderId"] for order in made.orders], "by_profile": made.by_profile}

    @router.get("/orders")
    async def read(seller_id: str) -> dict[str, Any]:
        """Whole orders as stored, also what Amazon would not show at their status."""
        _known_seller(world, seller_id)
        return {"orders": world.orders_of(seller_id).all()}

    @router.put("/orders/{seller_id}/{order_id}")
    async def replace(seller_id: str, order_id: str, order: Order, keep_times: bool = False) -> Order:
        _known_seller(world, seller_id)
        times = {} if keep_times else {"lastUpdatedTime": stamp(world.clock.now())}
        return _stored(world, seller_id, order_id, order | times)

    @router.patch("/orders/{seller_id}/{order_id}")
    async def patch(seller_id: str, order_id: str, patch: Order) -> Order:
        """JSON merge patch (RFC 7396): null removes, a list replaces; ``lastUpdatedTime`` becomes now unless given."""
        _known_seller(world, seller_id)
        order = world.orders_of(seller_id).get(order_id)
        if order is None:
            raise HTTPException(404, f"seller {seller_id} has no order {order_id}")
        merged = merge_patch(order, {"lastUpdatedTime": stamp(world.clock.now())} | patch)
        return _stored(world, seller_id, order_id, merged)


def _scene_routes(router: APIRouter, world: World) -> None:
    @router.get("/clock")
    async def read_clock() -> dict[str, str]:
        return {"now": stamp(world.clock.now())}

    @router.post("/clock")
    async def move_clock(body: ClockBody) -> dict[str, str]:
        with _explained():
            if body.set_to is not None:
                world.clock.set_to(instant(body.set_to))
        world.clock.advance(body.advance_s or 0.0)
        return {"now": stamp(world.clock.now())}

    @router.post("/trouble")
    async def plan_trouble(body: TroubleBody) -> dict[str, Any]:
        with _explained():
            world.troubles.order(Trouble(body.operation, body.kind, body.times, body.seller_id, body.hang_s))
        return {"planned": body.kind}

    @router.delete("/trouble")
    async def end_trouble() -> dict[str, Any]:
        world.troubles.clear()
        return {"planned": None}

    @router.post("/limits")
    async def change_limits(body: LimitsBody) -> dict[str, Any]:
        """Another usage plan, announced by header from now on; every seller's bucket starts full."""
        if body.operation not in DEFAULT_PLANS or body.rate <= 0 or body.burst < 1:
            raise HTTPException(422, f"operation is one of {', '.join(DEFAULT_PLANS)}; rate above 0; burst from 1")
        world.limits.change(body.operation, Plan(body.rate, body.burst))
        return {"operation": body.operation, "rate": body.rate, "burst": body.burst}

    @router.post("/lag")
    async def change_lag(body: LagBody) -> dict[str, Any]:
        """How far the ``lastUpdatedBefore`` in an answer is behind the one asked for."""
        if body.seconds < 0:
            raise HTTPException(422, "a lag is not negative")
        world.lag = timedelta(seconds=body.seconds)
        return {"seconds": body.seconds}

    @router.get("/ledger")
    async def read_ledger(since: int = 0) -> dict[str, Any]:
        return world.ledger.read(since)

    @router.post("/reset")
    async def reset() -> dict[str, Any]:
        world.reset()
        return {"reset": True}

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"ok": True}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396; the target is left as it is."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _stored(world: World, seller_id: str, order_id: str, order: Order) -> Order:
    if order.get("orderId") != order_id:
        raise HTTPException(422, f"the body is of order {order.get('orderId')}, the path of {order_id}")
    with _explained():
        world.orders_of(seller_id).put(readable_order(order))
    return order


def _known_seller(world: World, seller_id: str) -> None:
    if seller_id not in world.accounts.sellers():
        raise HTTPException(404, f"no seller {seller_id}; authorise one by POST /_control/sellers")


def _revoked(world: World, refresh_token: str, *, revoked: bool) -> dict[str, Any]:
    grant = world.accounts.grant(refresh_token)
    if grant is None:
        raise HTTPException(404, "no seller has this refresh token")
    grant.revoked = revoked
    return {"seller_id": grant.seller_id, "revoked": revoked}


@contextmanager
def _explained() -> Iterator[None]:
    """A refusal of ours leaves as a 422 with its sentence."""
    try:
        yield
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
