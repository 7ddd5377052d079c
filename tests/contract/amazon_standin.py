"""A client of the Amazon stand-in for its tests; each answer it gets is held against Amazon's own model."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft4Validator, FormatChecker

from orderbridge_standins.amazon import create_app
from orderbridge_standins.amazon.clock import instant
from orderbridge_standins.amazon.search import SAFETY_LAG
from orderbridge_standins.amazon.world import World

SHARED = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "amazon"
ORDERS = "/orders/2026-01-01/orders"
SELLER = "A1ORDERBRIDGE"
ALL_DATA = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
DEMO_FORM = {
    "grant_type": "refresh_token",
    "refresh_token": "Atzr|demo",
    "client_id": "amzn1.application-oa2-client.demo",
    "client_secret": "demo-secret",
}
_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time", ValueError)(lambda text: instant(text) is not None)


class Model:
    """Amazon's published model of the Orders API, as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def judge(self, definition: str, value: object) -> None:
        schema = {"$ref": f"#/definitions/{definition}", "definitions": self._document["definitions"]}
        Draft4Validator(schema, format_checker=_FORMATS).validate(value)


@cache
def amazon_model() -> Model | None:
    """The model, where the checkout has the shared contracts beside it."""
    path = SHARED / "models" / "orders_2026-01-01.json"
    return Model(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def required_model() -> Model:
    model = amazon_model()
    if model is None:
        pytest.skip(f"Amazon's model is not beside this checkout: {SHARED.name}")
    return model


def sandbox_cases(operation: str) -> list[dict[str, Any]]:
    """Amazon's static sandbox cases of one operation; none where the checkout stands alone."""
    path = SHARED / "derived" / "sandbox-static-cases.json"
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []
    return [
        case
        for case in cases
        if case["model"] == "orders_2026-01-01.json"
        and case["operationId"] == operation
        and case["kind"] == "sandbox-static"
    ]


@dataclass
class Door:
    """Both sides of the stand-in: Amazon's, as a seller's application, and the control door's."""

    http: httpx.AsyncClient
    world: World
    access_token: str = ""

    async def control(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        answer = await self.http.request(method, f"/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def log_in(self, **form: str) -> httpx.Response:
        """Ask for a token and keep it, if there is one."""
        answer = await self.http.post("/auth/o2/token", data=DEMO_FORM | form)
        if answer.status_code == 200:
            self.access_token = answer.json()["access_token"]
        return answer

    async def search(self, **params: str | int) -> httpx.Response:
        return await self._ask(ORDERS, params, "SearchOrdersResponse")

    async def get(self, order_id: str, **params: str) -> httpx.Response:
        return await self._ask(f"{ORDERS}/{order_id}", params, "GetOrderResponse")

    async def walk(self, **params: str | int) -> list[dict[str, Any]]:
        """All pages of a search."""
        pages: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            answer = await self.search(**params, **token)
            assert answer.status_code == 200, answer.text
            pages.append(answer.json())
            if "pagination" not in pages[-1]:
                return pages
            token = {"paginationToken": pages[-1]["pagination"]["nextToken"]}

    async def generate(self, profile: dict[str, Any], **more: Any) -> Any:
        asked = {"seller_id": SELLER, "seed": 7, "catalogue_seed": 1, "catalogue_variants": 60}
        return await self.control("orders/generate", asked | {"profile": profile} | more)

    async def generous(self) -> None:
        """Enough quota for a test that is not about quota."""
        for operation in ("searchOrders", "getOrder"):
            await self.control("limits", {"operation": operation, "rate": 1000, "burst": 10000})

    async def _ask(self, path: str, params: dict[str, Any], definition: str) -> httpx.Response:
        headers = {"x-amz-access-token": self.access_token} if self.access_token else {}
        answer = await self.http.get(path, params=params, headers=headers)
        if (model := amazon_model()) is not None:
            model.judge(definition if answer.status_code == 200 else "ErrorList", answer.json())
        return answer


@asynccontextmanager
async def open_door(world: World | None = None) -> AsyncIterator[Door]:
    """A stand-in in this process with the demo seller logged in."""
    world = world or World()
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://amazon.example") as http:
        door = Door(http, world)
        await door.log_in()
        yield door


def wide_window() -> dict[str, str]:
    """A lower bound below all that a test generates."""
    return {"lastUpdatedAfter": "2026-01-01T00:00:00Z"}


def newest_bound(world: World) -> str:
    """The latest upper bound that is allowed now."""
    return (world.clock.now() - SAFETY_LAG).replace(microsecond=0).isoformat().replace("+00:00", "Z")
