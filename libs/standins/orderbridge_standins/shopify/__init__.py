"""A stand-in for Shopify's Admin GraphQL API 2026-10: stateful, deterministic by seed, and scriptable."""

from functools import cached_property

from fastapi import FastAPI

from .clock import Clock, SystemClock
from .control import control_app
from .http import VendorDoor
from .posting import Deliver, post
from .wire import Receive, Scope, Send
from .world import World

__all__ = ["Clock", "Deliver", "ShopifyStandin", "SystemClock", "create_app"]


class ShopifyStandin:
    """The ASGI app: ``/_control/…`` is ours, every other path is the vendor's, under the shop's domain."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._vendor = VendorDoor(world)

    @cached_property
    def _control(self) -> FastAPI:
        """Made when it is first knocked at: that costs as much as a hundred calls."""
        return control_app(self._world, self._vendor.wake)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_control"):
            await self._vendor(scope, receive, send)
        else:
            await self._control(scope, receive, send)


def create_app(clock: Clock | None = None, deliver: Deliver | None = None) -> ShopifyStandin:
    """A stand-in with one shop, ``orderbridge-demo.myshopify.com`` (``demo-client`` / ``demo-secret``).

    Webhooks are posted over the network, unless ``deliver`` hands them on otherwise. Nothing is shared between two
    apps. One app serves one event loop.
    """
    return ShopifyStandin(World(clock or SystemClock(), deliver or post))
