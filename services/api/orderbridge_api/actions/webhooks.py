"""Shopify's webhooks: taken in, once each, and subscribed to where the api can be reached from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from orderbridge.errors import Blocked, Refused
from orderbridge.events import ShopChanged
from orderbridge.ids import CONNECTION_ID
from orderbridge.step import Work
from orderbridge.step.unit import DueRow
from orderbridge.topics import SHOP_CHANGES

from ..domain.problems import Problem
from ..domain.webhooks import Change, Delivery, WebhookTaken, change_of, secrets_now, signed
from ..ports import Unit
from .desk import Desk

log = structlog.get_logger(__name__)

SUBSCRIBE = "subscribe"
"""The kind of due work that sees to a shop's webhook subscriptions."""
_AGAIN_S = 86_400.0
"""Shopify deletes a subscription whose deliveries fail, so each is looked after daily."""
_BLOCKED_S = 60.0
_REFUSED_S = 3600.0


async def take_webhook(desk: Desk, connection_id: str, delivery: Delivery) -> WebhookTaken:
    """Publish what it says changed, unless it came before. A 401 ``Problem`` when it is not genuine."""
    async with desk.store.transaction() as unit:
        await _require_genuine(connection_id, delivery, unit)
        change = change_of(delivery)
        if change is None:
            log.info("webhook ignored", connection_id=connection_id, topic=delivery.topic[:100])
            return WebhookTaken(outcome="ignored")
        if not await unit.add_webhook(connection_id, delivery.webhook_id, delivery.topic):
            return WebhookTaken(outcome="known")
        _publish(connection_id, delivery.webhook_id, change, unit)
    log.info("webhook taken", connection_id=connection_id, topic=delivery.topic, subject=change.subject)
    return WebhookTaken(outcome="taken")


async def _require_genuine(connection_id: str, delivery: Delivery, unit: Unit) -> None:
    """The connection is known, its app signed the body, and its shop sent it; which of them fails is not said."""
    stored = await unit.stored_connection(connection_id) if CONNECTION_ID.fullmatch(connection_id) else None
    kept = await unit.secrets_of(connection_id, "shopify") if stored else {}
    genuine = signed(delivery, secrets_now(kept, unit.now))
    if stored is None or not genuine or delivery.shop.lower() != stored.changed.shopify.shop:
        log.warning("webhook refused", connection_id=connection_id[:32], known=stored is not None, signed=genuine)
        raise Problem(
            401,
            "unauthorized",
            "The webhook is not signed by the app of this connection and its shop.",
            remedy="Check the connection's Shopify client secret and shop.",
        )


def _publish(connection_id: str, webhook_id: str, change: Change, unit: Unit) -> None:
    event = ShopChanged(
        connection_id=connection_id,
        source="api",
        kind=change.kind,
        subject=change.subject,
        change=change.change,
        changed_at=change.at,
        at=unit.now,
    )
    unit.publish(SHOP_CHANGES, f"{connection_id}:{change.subject}", webhook_id, event)


# --- subscriptions


def subscribe(desk: Desk, connection_id: str, unit: Unit) -> None:
    """See to the connection's subscriptions soon, where Shopify has an address to send to."""
    if desk.public_url is not None:
        unit.schedule(Work(SUBSCRIBE, connection_id, connection_id))


async def subscribe_all(desk: Desk) -> None:
    """At the start: the address may be another one than before."""
    after = ""
    while True:
        async with desk.store.transaction() as unit:
            found = await unit.stored_connections(after, 500)
            for stored in found:
                subscribe(desk, stored.changed.connection_id, unit)
        if not found:
            return
        after = found[-1].changed.connection_id


def keep_subscribed(desk: Desk) -> Callable[[DueRow], Awaitable[None]]:
    """Carries out due work of kind ``subscribe``, again and again for as long as the connection and address stay."""

    async def work(row: DueRow) -> None:
        async with desk.store.transaction() as unit:
            stored = await unit.stored_connection(row.key)
            if stored is None or desk.public_url is None:
                await unit.finish(row)
                return
        again_s = _AGAIN_S
        try:
            path = f"/v1/webhooks/shopify/{row.key}"
            changed = await desk.shops.keep_subscribed(stored.changed, desk.public_url.rstrip("/"), path)
        except Blocked as why:
            # The workers say what the connection lacks; here it is only tried again.
            again_s = _BLOCKED_S
            log.warning("webhooks not subscribed", connection_id=row.key, why=str(why))
        except Refused as why:
            again_s = _REFUSED_S
            log.warning("webhooks not subscribed", connection_id=row.key, why=str(why))
        else:
            log.info("webhooks subscribed", connection_id=row.key, changed=changed)
        async with desk.store.transaction() as unit:
            await unit.postpone(row, again_s)

    return work
