"""A stack seen from outside, by demo and end-to-end tests: the api over REST, the stand-ins by control doors."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from .stack import Stack
from .supervisor import DIRECT

T = TypeVar("T")
CONNECTION = "main"
SELLER = "A1ORDERBRIDGE"
SHOP = "orderbridge-demo.myshopify.com"
CATALOGUE = {"catalogue_seed": 1, "catalogue_variants": 300}
UNDECIDED = ("imported", "matched", "creating")
# Longer than the api takes to answer when the machine is busy; a test of a connection takes 10 s by contract.
ANSWER_WITHIN_S = 30.0
LOOK_EVERY_S = 0.25


class Refused(Exception):
    """An answer other than 2xx; ``body`` is what it said, read as JSON where it is some."""

    def __init__(self, request: str, status: int, body: Any) -> None:
        said = body.get("detail", body) if isinstance(body, dict) else body
        super().__init__(f"{request} was answered {status}: {said}")
        self.status = status
        self.body = body


class TooLate(Exception):
    """Something awaited did not come in time."""


class Door:
    """JSON over HTTP on this machine. Each call blocks a thread of its own, never the event loop."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def get(self, path: str, **query: str | int) -> Any:
        """Raises ``Refused``."""
        return await self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Raises ``Refused``; the answer's body is read as JSON, None when there is none."""
        return await asyncio.to_thread(self._send, method, path, body)

    def _send(self, method: str, path: str, body: Any) -> Any:
        given = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({"Content-Type": "application/json"} if given is not None else {})}
        request = urllib.request.Request(self._url + path, data=given, headers=headers, method=method)
        try:
            with DIRECT.open(request, timeout=ANSWER_WITHIN_S) as answer:
                return _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(f"{method} {path}", error.code, _json(error.read())) from None
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{method} {path}", 0, f"no answer ({error})") from None


@dataclass(frozen=True)
class Account:
    """One Amazon seller and one Shopify shop with their keys, as the stand-ins know them."""

    connection_id: str = CONNECTION
    seller_id: str = SELLER
    refresh_token: str = "Atzr|demo"  # noqa: S105 - the stand-in's own, invented
    shop: str = SHOP

    def body(self, **settings: Any) -> dict[str, Any]:
        """What `POST /v1/connections` takes."""
        return {
            "connection_id": self.connection_id,
            "amazon": {
                "region": "na",
                "seller_id": self.seller_id,
                "marketplace_ids": ["ATVPDKIKX0DER"],
                "client_id": "amzn1.application-oa2-client.demo",
                "client_secret": "demo-secret",
                "refresh_token": self.refresh_token,
            },
            "shopify": {"shop": self.shop, "client_id": "demo-client", "client_secret": "demo-secret"},
            "settings": settings,
        }


class World:
    """A stack seen from outside, by one account at a time."""

    def __init__(self, stack: Stack, account: Account | None = None) -> None:
        self.account = account or Account()
        self.api = Door(stack.api_url, stack.admin_key)
        self.amazon = Door(stack.amazon_url)
        self.shopify = Door(stack.shopify_url)
        self._shop = f"/_control/shops/{self.account.shop}"

    def order_id(self, amazon_order_id: str) -> str:
        return f"{self.account.connection_id}:{amazon_order_id}"

    # --- Amazon's side

    async def move_clock(self, seconds: float) -> None:
        """Amazon's own clock: nobody waits for the safety lag behind it."""
        await self.amazon.send("POST", "/_control/clock", {"advance_s": seconds})

    async def lift_limits(self, per_second: float) -> None:
        """Have Amazon announce another rate by header, so that frequent polls are not throttled."""
        limits = {"operation": "searchOrders", "rate": per_second, "burst": 100}
        await self.amazon.send("POST", "/_control/limits", limits)

    async def place_orders(self, seed: int, profile: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """Orders of the last ``within_s`` seconds of Amazon's clock; the ids of each story of the profile."""
        asked = {
            "seller_id": self.account.seller_id,
            "seed": seed,
            "profile": profile,
            "updated_within_s": within_s,
            **CATALOGUE,
        }
        made = await self.amazon.send("POST", "/_control/orders/generate", asked)
        by_story: dict[str, Any] = made["by_profile"]
        return by_story

    async def relist(self, amazon_order_id: str, sku: str, title: str | None = None) -> None:
        """Have the order's only line be another Amazon listing of the same thing."""
        [line] = (await self.amazon_order(amazon_order_id))["orderItems"]
        listing = {**line["product"], "sellerSku": sku, **({"title": title} if title else {})}
        await self.change(amazon_order_id, orderItems=[{**line, "product": listing}])

    async def amazon_order(self, amazon_order_id: str) -> dict[str, Any]:
        """Whole, also what Amazon does not show of it at its status."""
        [order] = [one for one in await self.amazon_orders() if one["orderId"] == amazon_order_id]
        return order

    async def change(self, amazon_order_id: str, **fields: Any) -> None:
        """Change the order at Amazon, by merge patch; a poll sees it once it is past the safety lag."""
        await self.amazon.send("PATCH", f"/_control/orders/{self.account.seller_id}/{amazon_order_id}", fields)

    async def become(self, amazon_order_id: str, status: str) -> None:
        """Give the order another status at Amazon."""
        await self.change(amazon_order_id, fulfillment={"fulfillmentStatus": status})

    async def amazon_orders(self) -> list[dict[str, Any]]:
        answer = await self.amazon.get("/_control/orders", seller_id=self.account.seller_id)
        orders: list[dict[str, Any]] = answer["orders"]
        return orders

    async def amazon_calls(self) -> list[dict[str, Any]]:
        """Of this account's seller, or of nobody that Amazon knows."""
        answer = await self.amazon.get("/_control/ledger")
        return [call for call in answer["calls"] if call["seller_id"] in (self.account.seller_id, None)]

    # --- Shopify's side

    async def set_stock(self, sku: str, available: int) -> None:
        await self.shopify.send("POST", f"{self._shop}/stock", {"sku": sku, "available": available})

    async def stock(self, sku: str) -> Counter[str]:
        """The units of the one variant with this SKU by state, over all locations."""
        [variant] = await self.shopify.get(f"{self._shop}/variants", sku=sku)
        units = Counter[str]()
        for level in variant["levels"]:
            units.update({name: level[name] for name in ("available", "committed", "on_hand")})
        units["reserved"] = units["on_hand"] - units["available"] - units["committed"]
        return units

    async def rename(self, sku: str, new: str) -> None:
        """Give the variant another SKU."""
        await self.shopify.send("PATCH", f"{self._shop}/variants/{quote(sku, safe='')}", {"sku": new})

    async def skus(self) -> list[str]:
        return [variant["sku"] for variant in await self.shopify.get(f"{self._shop}/variants")]

    async def shopify_settings(self, **settings: Any) -> None:
        await self.shopify.send("POST", f"{self._shop}/settings", settings)

    async def shopify_ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = await self.shopify.get(f"{self._shop}/ledger")
        return ledger

    # --- ours

    async def connect(self, **settings: Any) -> None:
        await self.api.send("POST", "/v1/connections", self.account.body(**settings))

    async def set(self, **settings: Any) -> None:
        """Change some of the connection's settings; the workers have them when this is done."""
        kept = (await self.connection())["settings"]
        body = self.account.body(**{**kept, **settings})
        await self.api.send("PUT", f"/v1/connections/{self.account.connection_id}", body)
        await self.test_connection()

    async def connection(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.api.get(f"/v1/connections/{self.account.connection_id}")
        return found

    async def test_connection(self) -> dict[str, Any]:
        tested: dict[str, Any] = await self.api.send("POST", f"/v1/connections/{self.account.connection_id}/test")
        return tested

    async def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = await self.api.get("/v1/orders/counts", connection=self.account.connection_id)
        return counts

    async def orders(self) -> list[dict[str, Any]]:
        """All of the connection, over all pages."""
        query: dict[str, str | int] = {"connection": self.account.connection_id, "limit": 200}
        orders: list[dict[str, Any]] = []
        while True:
            page = await self.api.get("/v1/orders", **query)
            orders += page["items"]
            if page["next"] is None:
                return orders
            query["cursor"] = page["next"]

    async def order(self, amazon_order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.api.get(f"/v1/orders/{self._path(amazon_order_id)}")
        return found

    async def retry(self, amazon_order_id: str, mode: str, reason: str | None = None) -> dict[str, Any]:
        """The command, once it has ended. Raises ``Refused``, ``TooLate``."""
        asked = {"mode": mode, **({"reason": reason} if reason else {})}
        command = await self.api.send("POST", f"/v1/orders/{self._path(amazon_order_id)}/retry", asked)
        address = f"/v1/commands/{command['command_id']}"
        ended = await until(
            lambda: self.api.get(address), lambda it: it["state"] != "open", 30, f"the end of {mode} {amazon_order_id}"
        )
        answered: dict[str, Any] = ended
        return answered

    async def map_sku(self, amazon_sku: str, *targets: tuple[str, int]) -> dict[str, Any]:
        """Save a mapping; what the api says of it."""
        body = {"targets": [{"shopify_sku": sku, "units": units} for sku, units in targets]}
        address = f"/v1/sku-mappings/{self.account.connection_id}/{quote(amazon_sku, safe='')}"
        saved: dict[str, Any] = await self.api.send("PUT", address, body)
        return saved

    def _path(self, amazon_order_id: str) -> str:
        return quote(self.order_id(amazon_order_id), safe="")


async def until(
    look: Callable[[], Any], holds: Callable[[Any], bool], within_s: float, what: str, every_s: float = LOOK_EVERY_S
) -> Any:
    """Look again and again until it holds; what was seen then. Raises ``TooLate`` with what was seen last."""
    deadline = time.monotonic() + within_s
    while not holds(seen := await look()):
        if time.monotonic() > deadline:
            raise TooLate(f"{what} did not come within {within_s:g} s; the last look gave {_short(seen)}")
        await asyncio.sleep(every_s)
    return seen


def is_decided(counts: Mapping[str, Any], orders: int) -> bool:
    """Whether so many orders are known and each has an outcome, or a reason why it has none."""
    return bool(counts["total"] >= orders and not any(counts["by_status"].get(status) for status in UNDECIDED))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")[:300]


def _short(seen: Any) -> str:
    text = json.dumps(seen, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}…"
