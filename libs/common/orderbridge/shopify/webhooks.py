"""Webhook subscriptions: that Shopify tells us of changes, at our address, each once (Admin API 2026-10).

Only ids and times are asked for: what changed is read from the shop, and no payload holds anybody's data. Shopify
deletes a subscription whose deliveries fail for hours, so what is made once does not stay for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import Refused
from .catalogue import next_cursor
from .client import Client
from .tokens import Shop

TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "PRODUCTS_CREATE": ("id", "updated_at"),
    "PRODUCTS_UPDATE": ("id", "updated_at"),
    "PRODUCTS_DELETE": ("id",),
    "INVENTORY_LEVELS_UPDATE": ("inventory_item_id", "updated_at"),
    "ORDERS_CANCELLED": ("id", "updated_at"),
    "ORDERS_DELETE": ("id",),
}
"""What we want to hear of, and the fields that we need of it."""
PAGE: Final = 50
READ_COST: Final = 2 + PAGE
CHANGE_COST: Final = 10


@dataclass(frozen=True, slots=True)
class Subscription:
    gid: str
    topic: str
    uri: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done so that each topic is delivered to our address once."""

    create: tuple[str, ...] = ()
    update: tuple[Subscription, ...] = ()
    delete: tuple[Subscription, ...] = ()

    @property
    def changes(self) -> int:
        return len(self.create) + len(self.update) + len(self.delete)


def plan_of(existing: Iterable[Subscription], base: str, path: str) -> Plan:
    """Deliveries are to go to ``base`` + ``path``. Ours are those to that path, whatever the host; others stay."""
    address = base + path
    ours = [one for one in existing if one.uri.partition("?")[0].rstrip("/").endswith(path)]
    create: list[str] = []
    update: list[Subscription] = []
    delete: list[Subscription] = []
    for topic, fields in TOPICS.items():
        # One that is right already comes first, so that it stays.
        found = sorted((one for one in ours if one.topic == topic), key=lambda one: one.uri != address)
        if not found:
            create.append(topic)
            continue
        delete += found[1:]
        if found[0].uri != address or set(found[0].fields) != set(fields):
            update.append(found[0])
    return Plan(tuple(create), tuple(update), tuple(delete))


class WebhookSubscriber(Client):
    async def keep_subscribed(self, shop: Shop, base: str, path: str) -> int:
        """See that the shop delivers what we want to hear of to ``base`` + ``path``, where ``path`` is this
        connection's alone; returns how much had to be changed.

        :raises Refused: Shopify does not take the address.
        """
        plan, address = plan_of(await self.subscriptions(shop), base, path), base + path
        # Duplicates first: Shopify refuses to have two of a topic point to one address.
        for one in plan.delete:
            await self._change(shop, "delete", {"id": one.gid})
        for one in plan.update:
            await self._change(shop, "update", {"id": one.gid, "subscription": _wanted(one.topic, address)})
        for topic in plan.create:
            await self._change(shop, "create", {"topic": topic, "subscription": _wanted(topic, address)})
        return plan.changes

    async def subscriptions(self, shop: Shop) -> list[Subscription]:
        """All of the app's at this shop."""
        found: list[Subscription] = []
        after: str | None = None
        while True:
            data = await self.execute(shop, "webhook_subscriptions", {"first": PAGE, "after": after}, cost=READ_COST)
            connection = data.get("webhookSubscriptions") or {}
            found += [_read(node) for node in connection.get("nodes") or () if isinstance(node, Mapping)]
            if (after := next_cursor(connection)) is None:
                return found

    async def _change(self, shop: Shop, verb: str, variables: Mapping[str, Any]) -> None:
        # Done twice it changes nothing more, so it may be repeated like a read.
        data = await self.execute(shop, f"webhook_subscription_{verb}", variables, cost=CHANGE_COST)
        answer = data.get(f"webhookSubscription{verb.capitalize()}") or {}
        errors = [error for error in answer.get("userErrors") or () if isinstance(error, Mapping)]
        if errors and not _is_so_already(errors):
            said = str(errors[0].get("message", ""))
            raise Refused(f"{shop.domain} refused to {verb} a webhook subscription: {said}")


def _wanted(topic: str, address: str) -> Mapping[str, Any]:
    return {"uri": address, "includeFields": list(TOPICS[topic])}


def _read(node: Mapping[str, Any]) -> Subscription:
    fields = node.get("includeFields") or ()
    return Subscription(
        str(node.get("id")), str(node.get("topic")), str(node.get("uri", "")), tuple(str(field) for field in fields)
    )


def _is_so_already(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Somebody was faster: another instance of ours made, or removed, the same one."""
    said = str(errors[0].get("message", "")).lower()
    return "already been taken" in said or "does not exist" in said or "not found" in said
