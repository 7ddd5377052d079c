"""Webhooks: subscriptions, and their deliveries in the background, signed, repeated on failure, and kept to be read.

Facts: shopify.dev, webhooks, and its change log of 2024-09 (eight retries, each with the payload and the address of the
moment it was triggered; then the subscription is deleted). Never in order, at least once.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import logging
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from .clock import Clock
from .gids import gid
from .posting import Deliver
from .profile import Profile, WebhookSettings
from .webhook_payloads import Payload, only

API_VERSION: Final = "2026-10"
_KEPT: Final = 5000
_AT_ONCE: Final = 16
_LONGEST_WAIT_S: Final = 30.0
_FLUSH_S: Final = 10.0
State = Literal["pending", "held", "delivered", "failed", "dropped"]

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscription:
    kind: ClassVar[str] = "WebhookSubscription"
    id: int
    topic: str
    uri: str
    created_at: datetime
    updated_at: datetime
    include_fields: tuple[str, ...] = ()
    name: str | None = None
    format = "JSON"
    api_version: ClassVar[Mapping[str, Any]] = {
        "handle": API_VERSION,
        "displayName": f"{API_VERSION} (Latest)",
        "supported": True,
    }

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def spoken_topic(self) -> str:
        """``inventory_levels/update`` of INVENTORY_LEVELS_UPDATE."""
        thing, _, event = self.topic.lower().rpartition("_")
        return f"{thing}/{event}"


@dataclass(eq=False, slots=True)
class Delivery:
    """One webhook on its way to one subscription; what is sent was fixed when it was triggered."""

    webhook_id: str
    event_id: str
    subscription: Subscription
    uri: str
    headers: Mapping[str, str]
    body: bytes
    state: State = "pending"
    statuses: list[int] = field(default_factory=list)
    """Of each attempt; 0 where no answer came."""

    def as_json(self) -> dict[str, Any]:
        return {
            "webhook_id": self.webhook_id,
            "event_id": self.event_id,
            "subscription": self.subscription.gid,
            "topic": self.subscription.spoken_topic,
            "uri": self.uri,
            "state": self.state,
            "statuses": self.statuses,
            "headers": dict(self.headers),
            "body": json.loads(self.body),
        }


class Webhooks:
    """What one app is told of one shop."""

    def __init__(self, profile: Profile, clock: Clock, settings: WebhookSettings, deliver: Deliver) -> None:
        self._profile = profile
        self._clock = clock
        self._settings = settings
        self._deliver = deliver
        self.subscriptions: dict[int, Subscription] = {}
        self.sent: deque[Delivery] = deque(maxlen=_KEPT)
        self._by_topic: dict[str, list[Subscription]] = {}
        self._held: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._untried: set[asyncio.Event] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._turn = itertools.count(1)
        self._event_id: str | None = None

    # subscriptions

    def put(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.id] = subscription
        self._sort()

    def remove(self, number: int) -> None:
        self.subscriptions.pop(number, None)
        self._sort()

    def _sort(self) -> None:
        self._by_topic.clear()
        for subscription in self.subscriptions.values():
            self._by_topic.setdefault(subscription.topic, []).append(subscription)

    # events

    def wants(self, topic: str) -> bool:
        """Whether anybody is to be told; a payload that nobody wants need not be made."""
        return topic in self._by_topic

    def new_action(self) -> None:
        """What is told from now on belongs to another action of the merchant or of an app: it has another event id."""
        self._event_id = None

    def tell(self, topic: str, payload: Payload) -> None:
        """Have every subscription of the topic told; the deliveries are made later, by tasks of the running loop."""
        for subscription in self._by_topic.get(topic, ()):
            delivery = self._delivery(subscription, payload)
            self.sent.append(delivery)
            match self._settings.mode:
                case "drop":
                    delivery.state = "dropped"
                case "reversed":
                    delivery.state = "held"
                    self._held.append(delivery)
                case "twice":
                    self._spawn(delivery, made=0)
                    self._spawn(delivery, made=0)
                case "on":
                    self._spawn(delivery, made=0)

    async def flush(self) -> int:
        """Send what is held, the newest first, one after the other; then wait until all were tried once.

        Returns how many were held.
        """
        held, self._held = self._held[::-1], []
        for delivery in held:
            if not await self._succeeds(delivery):
                self._spawn(delivery, made=1)
        async with asyncio.timeout(_FLUSH_S):
            await asyncio.gather(*(tried.wait() for tried in self._untried))
        return len(held)

    def close(self) -> None:
        """Nobody is told anything any more."""
        self.subscriptions.clear()
        self._by_topic.clear()
        self._held.clear()
        for task in self._tasks:
            task.cancel()

    def as_json(self, topic: str | None) -> dict[str, Any]:
        chosen = (each for each in self.sent if topic in (None, each.subscription.spoken_topic))
        return {
            "subscriptions": [
                {"id": each.gid, "topic": each.spoken_topic, "uri": each.uri} for each in self.subscriptions.values()
            ],
            "sent": [each.as_json() for each in chosen],
        }

    # deliveries

    def _delivery(self, subscription: Subscription, payload: Payload) -> Delivery:
        body = json.dumps(only(payload, subscription.include_fields), separators=(",", ":")).encode()
        self._event_id = self._event_id or str(uuid.uuid4())
        webhook_id = str(uuid.uuid4())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": subscription.spoken_topic,
            "X-Shopify-Hmac-Sha256": self._signature(body),
            "X-Shopify-Shop-Domain": self._profile.domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Event-Id": self._event_id,
            "X-Shopify-Triggered-At": self._triggered_at(),
        }
        if subscription.name is not None:
            headers["X-Shopify-Name"] = subscription.name
        return Delivery(webhook_id, self._event_id, subscription, subscription.uri, headers, body)

    def _signature(self, body: bytes) -> str:
        key = self._profile.client_secret.encode()
        return base64.b64encode(hmac.digest(key, body, hashlib.sha256)).decode()

    def _triggered_at(self) -> str:
        """The clock gives whole seconds; behind them the turn keeps two events of one second apart and in order."""
        return f"{self._clock.now():%Y-%m-%dT%H:%M:%S}.{next(self._turn) % 1_000_000:06d}000Z"

    def _spawn(self, delivery: Delivery, made: int) -> None:
        tried = asyncio.Event()
        self._untried.add(tried)
        task = asyncio.get_running_loop().create_task(self._carry(delivery, made, tried))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, delivery: Delivery, made: int, tried: asyncio.Event) -> None:
        """Deliver until it succeeds, or has failed too often; ``made`` attempts have failed already."""
        try:
            await self._repeat(delivery, made, tried)
        finally:
            tried.set()
            self._untried.discard(tried)

    async def _repeat(self, delivery: Delivery, made: int, tried: asyncio.Event) -> None:
        for attempt in itertools.count(made + 1):
            if attempt > 1:
                tried.set()
                self._untried.discard(tried)
                await asyncio.sleep(min(_LONGEST_WAIT_S, self._settings.backoff_s * 2 ** (attempt - 2)))
                if delivery.subscription.id not in self.subscriptions:
                    delivery.state = "failed"
                    return
            if await self._succeeds(delivery):
                return
            if attempt >= self._settings.attempts:
                delivery.state = "failed"
                self.remove(delivery.subscription.id)
                return

    async def _succeeds(self, delivery: Delivery) -> bool:
        async with self._slots:
            status = await self._status_of(delivery)
        delivery.statuses.append(status)
        succeeded = 200 <= status < 300
        delivery.state = "delivered" if succeeded or delivery.state == "delivered" else "pending"
        return succeeded

    async def _status_of(self, delivery: Delivery) -> int:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._deliver(delivery.uri, delivery.headers, delivery.body)
        except Exception as error:  # noqa: BLE001 - a receiver may fail in any way, and each of them is a failed delivery
            _log.info("a webhook was not delivered: %s", type(error).__name__)
            return 0


def taken(subscriptions: Iterable[Subscription], topic: str, uri: str, but: int | None = None) -> bool:
    """Whether an address hears of the topic already."""
    return any((each.topic, each.uri) == (topic, uri) and each.id != but for each in subscriptions)
