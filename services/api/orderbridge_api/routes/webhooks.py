from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import APIKeyHeader

from ..actions import Desk, take_webhook
from ..domain.webhooks import Delivery, WebhookTaken
from .guard import desk_of

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
_signature = APIKeyHeader(
    name="X-Shopify-Hmac-Sha256",
    scheme_name="ShopifySignature",
    description="Base64 of the HMAC-SHA256 of the body, by the client secret of the connection's Shopify app.",
    auto_error=False,
)
_BODY: dict[str, Any] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


@router.post(
    "/shopify/{connection_id}",
    operation_id="takeShopifyWebhook",
    summary="What Shopify sends when something in the shop changed",
    dependencies=[Security(_signature)],
    openapi_extra={"requestBody": _BODY},
)
async def shopify(desk: Annotated[Desk, Depends(desk_of)], request: Request, connection_id: str) -> WebhookTaken:
    said = request.headers
    delivery = Delivery(
        topic=said.get("X-Shopify-Topic", ""),
        shop=said.get("X-Shopify-Shop-Domain", ""),
        signature=said.get("X-Shopify-Hmac-Sha256", ""),
        webhook_id=said.get("X-Shopify-Webhook-Id", ""),
        triggered_at=said.get("X-Shopify-Triggered-At", ""),
        body=await request.body(),
    )
    return await take_webhook(desk, connection_id, delivery)
