"""The Shopify stand-in in this process, with a clock that tests move, and a client that speaks to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn

from orderbridge_standins.serving import AsgiApp
from orderbridge_standins.shopify import Deliver, create_app

SHOP = "orderbridge-demo.myshopify.com"
TEE = "gid://shopify/ProductVariant/44000010000000"
TEE_SKU = "TS-CLA100-S-BLK"
MUG = "gid://shopify/ProductVariant/44000010000300"
MUG_SKU = "MG-CLA103-250ML"
AMAZON_ID = "113-1234567-7654321"

CREATE = """
mutation Create($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $options) {
    order { id name displayFinancialStatus totalPriceSet { shopMoney { amount currencyCode } } }
    userErrors { code field message }
  }
}
"""
FIND = """
query Find($value: String!) {
  orderByIdentifier(identifier: {customId: {namespace: "$app", key: "amazon_order_id", value: $value}}) { id }
}
"""
DEFINE = """
mutation Define($definition: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $definition) {
    createdDefinition { id namespace key type { name } capabilities { uniqueValues { enabled eligible } } }
    userErrors { code field message }
  }
}
"""
DEFINITION = {"name": "Amazon order", "namespace": "$app", "key": "amazon_order_id", "type": "id", "ownerType": "ORDER"}


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self._start = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
        self._passed = 1000.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=int(self._passed))

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds


@dataclass
class StandinClient:
    http: httpx.AsyncClient
    clock: ManualClock
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self) -> None:
        answer = await self.ask_token()
        self.headers = {"X-Shopify-Access-Token": answer.json()["access_token"]}

    async def ask_token(self, **changed: str) -> httpx.Response:
        asked = {"client_id": "demo-client", "client_secret": "demo-secret", "grant_type": "client_credentials"}
        return await self.http.post(f"/{SHOP}/admin/oauth/access_token", json={**asked, **changed})

    async def post(self, query: str, version: str = "2026-10", /, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self.http.post(f"/{SHOP}/admin/api/{version}/graphql.json", json=body, headers=self.headers)

    async def run(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The body of the answer, errors and all."""
        answer = await self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def data(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        body = await self.run(query, **variables)
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    async def create(self, order: Mapping[str, Any], behaviour: str = "BYPASS") -> dict[str, Any]:
        """The payload of one orderCreate: ``order`` and ``userErrors``."""
        data = await self.data(CREATE, order=order, options={"inventoryBehaviour": behaviour})
        payload: dict[str, Any] = data["orderCreate"]
        return payload

    async def find(self, amazon_order_id: str = AMAZON_ID) -> Any:
        return (await self.data(FIND, value=amazon_order_id))["orderByIdentifier"]

    async def define(self) -> dict[str, Any]:
        payload: dict[str, Any] = (await self.data(DEFINE, definition=DEFINITION))["metafieldDefinitionCreate"]
        return payload

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """One call to the control door of the demo shop."""
        answer = await self.http.request(method, f"/_control/shops/{SHOP}/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = await self.control("GET", "ledger")
        return ledger

    async def outcomes(self) -> list[tuple[str, bool, str | None]]:
        creates = (await self.ledger())["order_creates"]
        return [(each["outcome"], each["effect"], each["trouble"]) for each in creates]

    async def levels(self, sku: str = TEE_SKU) -> dict[str, tuple[int, int, int]]:
        """(available, committed, on hand) by location."""
        [variant] = (await self.http.get(f"/_control/shops/{SHOP}/variants", params={"sku": sku})).json()
        return {
            level["location"]: (level["available"], level["committed"], level["on_hand"]) for level in variant["levels"]
        }


@asynccontextmanager
async def shopify_standin(deliver: Deliver | None = None) -> AsyncIterator[StandinClient]:
    """A fresh stand-in with its demo shop, signed in; ``deliver`` takes its webhooks."""
    clock = ManualClock()
    transport = httpx.ASGITransport(create_app(clock, deliver))
    async with httpx.AsyncClient(transport=transport, base_url="http://shopify.example") as http:
        client = StandinClient(http, clock)
        await client.sign_in()
        yield client


@asynccontextmanager
async def served_shopify_standin() -> AsyncIterator[StandinClient]:
    """The same behind uvicorn, on the machine's clock; the client's clock says nothing about it."""
    async with served(create_app()) as base_url, httpx.AsyncClient(base_url=base_url, timeout=5) as http:
        client = StandinClient(http, ManualClock())
        await client.sign_in()
        yield client


@asynccontextmanager
async def served(app: AsgiApp) -> AsyncIterator[str]:
    """An app behind uvicorn on a free port, in this loop; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


def usd(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def line(variant: str | None = TEE, quantity: int = 1, price: str = "12.50", **more: Any) -> dict[str, Any]:
    named = {} if variant is None else {"variantId": variant}
    return {**named, "quantity": quantity, "requiresShipping": True, "priceSet": usd(price), **more}


def tax(amount: str, **more: Any) -> dict[str, Any]:
    return {"title": "State tax", "rate": "0.08", "channelLiable": True, "priceSet": usd(amount), **more}


def order(*lines: Mapping[str, Any], amazon_order_id: str = AMAZON_ID, **more: Any) -> dict[str, Any]:
    return {
        "sourceIdentifier": amazon_order_id,
        "currency": "USD",
        "lineItems": list(lines or (line(),)),
        "metafields": [{"namespace": "$app", "key": "amazon_order_id", "type": "id", "value": amazon_order_id}],
        **more,
    }
