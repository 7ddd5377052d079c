"""Shopify's webhooks: whether one is genuine, and what it says changed. Nothing else of its body is looked at."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from orderbridge.events import Event

from .problems import unusable
from .projection import utc

Kind = Literal["product", "inventory_item", "order"]

OLD_SECRET_FOR = timedelta(hours=1)
"""Shopify signs with the old client secret for a while after it was replaced."""
PREVIOUS = "previous_secret"
PREVIOUS_UNTIL = "previous_until"
_ID = re.compile(r"[1-9][0-9]{0,19}")
_WEBHOOK_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Delivery:
    """A webhook as it came: its headers, and its body as bytes, because those are what is signed."""

    topic: str
    shop: str
    signature: str = field(repr=False)
    webhook_id: str
    triggered_at: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Change:
    """What changed: the gid of the product, inventory item or order, and when by Shopify's clock."""

    kind: Kind
    subject: str
    change: Literal["changed", "gone"]
    at: datetime | None


class WebhookTaken(Event):
    """``known``: it came before and has no second effect; ``ignored``: nothing here listens to its topic."""

    outcome: Literal["taken", "known", "ignored"]


@dataclass(frozen=True)
class _Topic:
    kind: Kind
    gid: str
    change: Literal["changed", "gone"] = "changed"
    id_at: tuple[str, ...] = ("id",)


_TOPICS: Mapping[str, _Topic] = {
    "products/create": _Topic("product", "Product"),
    "products/update": _Topic("product", "Product"),
    "products/delete": _Topic("product", "Product", "gone"),
    "inventory_levels/update": _Topic("inventory_item", "InventoryItem", id_at=("inventory_item_id",)),
    "orders/updated": _Topic("order", "Order"),
    "orders/cancelled": _Topic("order", "Order"),
    "orders/edited": _Topic("order", "Order", id_at=("order_edit", "order_id")),
    "orders/delete": _Topic("order", "Order", "gone"),
}


def signed(delivery: Delivery, secrets: Sequence[str]) -> bool:
    """Whether one of the app's secrets made the signature of these very bytes; compared in constant time."""
    given = delivery.signature.encode()
    genuine = False
    for secret in secrets:
        digest = hmac.digest(secret.encode(), delivery.body, hashlib.sha256)
        genuine |= hmac.compare_digest(base64.b64encode(digest), given)
    return genuine


def secrets_now(kept: Mapping[str, str], now: datetime) -> list[str]:
    """The secrets that a webhook may be signed with: the app's, and for an hour the one that it replaced."""
    found = [kept["client_secret"]] if kept.get("client_secret") else []
    if kept.get(PREVIOUS) and now < datetime.fromisoformat(kept[PREVIOUS_UNTIL]):
        found.append(kept[PREVIOUS])
    return found


def retired(kept: Mapping[str, str], now: datetime) -> dict[str, str]:
    """What is kept of a client secret that is being replaced."""
    if not kept.get("client_secret"):
        return {}
    return {PREVIOUS: kept["client_secret"], PREVIOUS_UNTIL: (now + OLD_SECRET_FOR).isoformat()}


def change_of(delivery: Delivery) -> Change | None:
    """What a genuine webhook says; None when nothing here listens to its topic.

    Raises a 422 ``Problem`` that names what cannot be read.
    """
    topic = _TOPICS.get(delivery.topic)
    if topic is None:
        return None
    if not _WEBHOOK_ID.fullmatch(delivery.webhook_id):
        raise _unreadable("X-Shopify-Webhook-Id", "It must be 1 to 200 visible characters.")
    payload = _payload(delivery.body)
    number = _at(payload, topic.id_at)
    if isinstance(number, bool) or not isinstance(number, int | str) or not _ID.fullmatch(str(number)):
        raise _unreadable(".".join(topic.id_at), "It must be an id of Shopify: a whole number.")
    at = _time(payload.get("updated_at")) or _time(delivery.triggered_at)
    return Change(topic.kind, f"gid://shopify/{topic.gid}/{number}", topic.change, at)


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, Mapping):
        raise _unreadable("body", "It must be a JSON object.")
    return payload


def _at(payload: Mapping[str, Any], path: Sequence[str]) -> object:
    value: object = payload
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _time(text: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return utc(read) if read is not None and read.tzinfo is not None else None


def _unreadable(what: str, message: str) -> Exception:
    # Its value is left out: a payload can hold what must not be repeated.
    return unusable(what, None, f"The webhook cannot be read: {what}.", message)
