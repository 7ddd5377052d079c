"""A stand-in for Shopify's Admin GraphQL API 2026-10: stateful, deterministic by seed, and scriptable."""

from .clock import Clock, SystemClock
from .control import control_app
from .http import VendorDoor
from .shop import World
from .wire import Receive, Scope, Send

__all__ = ["Clock", "ShopifyStandin", "SystemClock", "create_app"]


class ShopifyStandin:
    """The ASGI app: ``/_control/…`` is ours, every other path is the vendor's, under the shop's domain."""

    def __init__(self, world: World) -> None:
        self._vendor = VendorDoor(world)
        self._control = control_app(world, self._vendor.wake)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_control"):
            await self._vendor(scope, receive, send)
        else:
            await self._control(scope, receive, send)


def create_app(clock: Clock | None = None) -> ShopifyStandin:
    """A stand-in with one shop, ``orderbridge-demo.myshopify.com`` (``demo-client`` / ``demo-secret``).

    Nothing is shared between two apps. One app serves one event loop.
    """
    return ShopifyStandin(World(clock or SystemClock()))
