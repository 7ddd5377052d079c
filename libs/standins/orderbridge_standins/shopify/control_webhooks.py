"""The control door's part for webhooks: what was sent, and letting go of what is held."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException

from .shop import Shop


def webhook_routes(shop_named: Callable[[str], Awaitable[Shop]]) -> APIRouter:
    routes = APIRouter(prefix="/_control/shops/{shop}/webhooks")

    @routes.get("")
    async def sent(shop: Annotated[Shop, Depends(shop_named)], topic: str | None = None) -> dict[str, Any]:
        """The subscriptions, and what they were told last, the oldest first; ``topic`` as ``products/update``."""
        return shop.webhooks.as_json(topic)

    @routes.post("/flush")
    async def flush(shop: Annotated[Shop, Depends(shop_named)]) -> dict[str, Any]:
        """Send what is held, the newest first; answers when everything was tried at least once."""
        try:
            return {"flushed": await shop.webhooks.flush()}
        except TimeoutError:
            raise HTTPException(504, "some webhooks are still under way to a receiver that hangs") from None

    return routes
