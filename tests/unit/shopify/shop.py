"""Our client and the Shopify stand-in in one process: a budget that keeps books, and a record of what was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orderbridge.http import AsgiApp, Http, open_http
from orderbridge.shopify import Shop, Shopify
from orderbridge_standins.shopify import create_app
from tests.support.shopify_standin import SHOP, ManualClock

BASE = "http://127.0.0.1"
DEMO = Shop("main", SHOP, "demo-client", "demo-secret")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass
class Ledger:
    """A budget that grants what it is told to: ``waits`` are given in turn, then everything is granted."""

    waits: list[float] = field(default_factory=list)
    taken: list[tuple[str, float, float]] = field(default_factory=list)
    taught: list[tuple[str, float, float, float | None]] = field(default_factory=list)
    given_back: list[float] = field(default_factory=list)
    broken: bool = False

    async def take(self, name: str, cost: float, *, reserve: float, rate: float, burst: float) -> float:
        if self.waits:
            return self.waits.pop(0)
        self.taken.append((name, cost, reserve))
        return 0.0

    async def teach(
        self, name: str, *, rate: float, burst: float, tokens: float | None, given_back: float = 0.0
    ) -> None:
        if self.broken:
            raise ConnectionError("the budget's database is away")
        self.taught.append((name, rate, burst, tokens))
        self.given_back.append(given_back)


@dataclass
class Asked:
    query: str
    variables: dict[str, Any]
    requested_cost: float | None = None


@dataclass
class ShopUnderTest:
    client: Shopify
    http: Http
    budget: Ledger
    clock: ManualClock
    asked: list[Asked]
    slept: list[float]

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """One call to the control door of the demo shop."""
        url = f"{BASE}/_control/shops/{SHOP}/{path}"
        headers = {"Content-Type": "application/json"}
        answer = await self.http.send(method, url, headers=headers, content=json.dumps(body).encode() if body else None)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    async def trouble(self, kind: str, operation: str = "*", **more: Any) -> None:
        await self.control("POST", "trouble", kind=kind, operation=operation, **more)

    async def outcomes(self) -> list[tuple[str, bool]]:
        """``(outcome, effect)`` of every orderCreate that came to the shop."""
        ledger = await self.control("GET", "ledger")
        return [(each["outcome"], each["effect"]) for each in ledger["order_creates"]]

    async def calls(self) -> dict[str, int]:
        ledger = await self.control("GET", "ledger")
        calls: dict[str, int] = ledger["counts"]["calls"]
        return calls

    async def variants(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = await self.control("GET", "variants")
        return shown


@asynccontextmanager
async def shop_under_test() -> AsyncIterator[ShopUnderTest]:
    clock = ManualClock()
    asked: list[Asked] = []
    slept: list[float] = []
    budget = Ledger()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    async with open_http(asgi=_recording(create_app(clock), asked)) as http:
        client = Shopify(http, budget, base_url=f"{BASE}/{{shop}}", monotonic=clock.monotonic, sleep=sleep)
        yield ShopUnderTest(client, http, budget, clock, asked, slept)


def _recording(app: AsgiApp, asked: list[Asked]) -> AsgiApp:
    """The same app; every GraphQL request is written down with the cost that the answer gives."""

    async def recorded(scope: Message, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/graphql.json"):
            await app(scope, receive, send)
            return
        message = await receive()
        given = json.loads(message["body"])
        asked.append(Asked(given["query"], given["variables"]))
        pending = [message]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        async def note(answer: Message) -> None:
            if answer["type"] == "http.response.body":
                asked[-1].requested_cost = _requested_cost(answer.get("body", b""))
            await send(answer)

        await app(scope, replay, note)

    return recorded


def _requested_cost(body: bytes) -> float | None:
    try:
        cost = json.loads(body)["extensions"]["cost"]["requestedQueryCost"]
    except (ValueError, KeyError, TypeError):
        return None
    return float(cost)
