"""The Selling Partner API as a connection reaches it: ``searchOrders`` and ``getOrder`` of Orders v2026-01-01.

Source: Amazon's model of 2026-08-05 and recorded traffic (facts: Amazon sections 1, 2 and 8). What an answer means is
decided by its status: bodies of errors may be HTML, empty, or without the documented fields.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge.budget import Budget
from orderbridge.errors import Blocked, OutcomeUnknown, Throttled, Unavailable
from orderbridge.events import ConnectionChanged
from orderbridge.http import Http, Response, Timeouts
from orderbridge.telemetry import VENDOR_CALLS, VENDOR_SECONDS
from orderbridge.vault import Vault, VaultTampered

from ..domain.orders import ReadOrder, UnreadableOrder
from ..domain.windows import Window
from ..ports import Page, RequestRefused, WindowLost
from .clock import AmazonClock
from .lwa import Credentials, Tokens
from .reading import load_json, read_order, time_in

REGIONS: Final = {
    "na": "https://sellingpartnerapi-na.amazon.com",
    "eu": "https://sellingpartnerapi-eu.amazon.com",
    "fe": "https://sellingpartnerapi-fe.amazon.com",
}
ORDERS_PATH: Final = "/orders/2026-01-01/orders"
INCLUDED_DATA: Final = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT"
PAGE_SIZE: Final = 100
USER_AGENT: Final = f"OrderBridge/0.1.0 (Language=Python/{platform.python_version()})"
REFUSED_REST_S: Final = 300.0
"""How long a search that Amazon refused with a fresh token is not tried again, unless a person asks for it."""
_SECRETS: Final = ("client id, client secret and refresh token",)
_TIMEOUTS: Final = Timeouts(connect_s=5.0, total_s=30.0)


@dataclass(frozen=True)
class Operation:
    """``rate`` (calls a second) and ``burst`` are Amazon's defaults; the answers teach the true rate."""

    name: str
    rate: float
    burst: int


SEARCH: Final = Operation("searchOrders", 0.0056, 20)
GET: Final = Operation("getOrder", 0.5, 30)


class _Secrets(BaseModel):
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr


class AmazonClient:
    """Speaks for all connections; one budget per seller and operation, shared with every replica."""

    def __init__(
        self,
        http: Http,
        engine: AsyncEngine,
        vault: Vault,
        *,
        amazon_url: str | None,
        lwa_url: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._http = http
        self._engine = engine
        self._vault = vault
        self._budget = Budget(engine)
        self._amazon_url = amazon_url
        self._monotonic = monotonic
        self._clock = AmazonClock(monotonic)
        self._tokens = Tokens(http, lwa_url, self._clock)
        self._known: dict[str, tuple[int, Credentials]] = {}
        self._rates: dict[str, float] = {}
        self._refused: dict[str, tuple[int, float, Blocked]] = {}

    # --- the port

    async def now(self, connection: ConnectionChanged) -> datetime:
        """Amazon's time; the first answer that tells it is that to the first token request."""
        if not self._clock.known:
            await self._tokens.token(await self._credentials(connection))
        return self._clock.now()

    async def search(
        self, connection: ConnectionChanged, window: Window, token: str | None, reserve: float = 0.0
    ) -> Page:
        """The same parameters on every page but the token; no filter, or cancellations would be missed."""
        params = {
            f"{window.axis}After": window.after,
            f"{window.axis}Before": window.before,
            "marketplaceIds": window.marketplace_ids,
            "includedData": INCLUDED_DATA,
            "maxResultsPerPage": str(PAGE_SIZE),
        }
        if token is not None:
            params["paginationToken"] = token
        response = await self._call(connection, SEARCH, ORDERS_PATH, params, reserve)
        if 400 <= response.status < 500:
            refusal = WindowLost if token is not None else RequestRefused
            raise refusal(f"Amazon answers {response.status} to a search of orders")
        return page_of(response, window.axis)

    async def get_order(
        self, connection: ConnectionChanged, amazon_order_id: str, reserve: float = 0.0
    ) -> ReadOrder | UnreadableOrder | None:
        path = f"{ORDERS_PATH}/{quote(amazon_order_id, safe='')}"
        response = await self._call(connection, GET, path, {"includedData": INCLUDED_DATA}, reserve)
        if response.status == 404:
            return None
        if 400 <= response.status < 500:
            raise RequestRefused(f"Amazon answers {response.status} to a request for one order")
        raw = _object(response).get("order")
        if not isinstance(raw, Mapping):
            raise Unavailable("Amazon's answer has no order")
        return order_asked_for(amazon_order_id, read_order(raw))

    async def quota_left(self, connection: ConnectionChanged) -> float | None:
        return await self._budget.left(_bucket(connection, SEARCH))

    def read(self, body: bytes) -> ReadOrder | UnreadableOrder:
        try:
            return read_order(load_json(body))
        except ValueError:
            return UnreadableOrder(None, "the stored order is no JSON", None)

    # --- what the framework asks

    async def try_vendor(self, connection: ConnectionChanged) -> None:
        """A token can be had, made anew; and no search was refused just now although it could."""
        credentials = await self._credentials(connection)
        self._tokens.forget(credentials)
        await self._tokens.token(credentials)
        refused = self._refused.pop(connection.connection_id, None)
        if refused is not None and refused[0] == connection.rev and self._monotonic() < refused[1]:
            self._refused[connection.connection_id] = refused
            raise refused[2]

    # --- calls

    async def _call(
        self,
        connection: ConnectionChanged,
        operation: Operation,
        path: str,
        params: Mapping[str, str],
        reserve: float,
    ) -> Response:
        """200 and what the caller must tell apart (400, 404 and the like); all else is raised."""
        credentials = await self._credentials(connection)
        token = await self._tokens.token(credentials)
        response = await self._send(connection, operation, path, params, token, reserve)
        if response.status in (401, 403):
            # Expired, revoked or not allowed: only a fresh token tells, whatever the body says.
            token = await self._tokens.token(credentials, refused=token)
            response = await self._send(connection, operation, path, params, token, reserve)
        status = response.status
        if status in (401, 403):
            why = Blocked(
                "unauthorized",
                f"Amazon refuses {operation.name} with a fresh token ({status})",
                missing=("a role of the application that may read orders, or another region",),
            )
            rest_until = self._monotonic() + REFUSED_REST_S
            self._refused[connection.connection_id] = (connection.rev, rest_until, why)
            raise why
        if status == 429:
            await self._pause(connection, operation)
        if status in (408, 425) or not (status == 200 or 400 <= status < 500):
            raise Unavailable(f"Amazon answers {status} to {operation.name}")
        if status == 200:
            self._refused.pop(connection.connection_id, None)
        return response

    async def _send(
        self,
        connection: ConnectionChanged,
        operation: Operation,
        path: str,
        params: Mapping[str, str],
        token: str,
        reserve: float,
    ) -> Response:
        bucket = _bucket(connection, operation)
        wait_s = await self._budget.take(bucket, 1, reserve=reserve, rate=operation.rate, burst=operation.burst)
        if wait_s > 0:
            raise Throttled(f"the quota of {operation.name} is used up", retry_after_s=wait_s)
        started = self._monotonic()
        try:
            response = await self._http.send(
                "GET",
                self._base_url(connection) + path,
                headers={
                    "x-amz-access-token": token,
                    "x-amz-date": self._clock.now().strftime("%Y%m%dT%H%M%SZ"),
                    "user-agent": USER_AGENT,
                    "accept": "application/json",
                },
                params=params,
                timeout=_TIMEOUTS,
            )
        except OutcomeUnknown as error:  # a reading call: asking again does no harm
            VENDOR_CALLS.labels("amazon", operation.name, "no_answer").inc()
            raise Unavailable(str(error)) from None
        VENDOR_CALLS.labels("amazon", operation.name, str(response.status)).inc()
        VENDOR_SECONDS.labels("amazon", operation.name).observe(self._monotonic() - started)
        self._clock.learn(response.headers)
        await self._learn_rate(bucket, response)
        return response

    async def _learn_rate(self, bucket: str, response: Response) -> None:
        """Rates are dynamic: Amazon announces them on some answers, never on a 429."""
        try:
            rate = float(response.headers.get("x-amzn-RateLimit-Limit", ""))
        except ValueError:
            return
        if math.isfinite(rate) and rate > 0 and self._rates.get(bucket) != rate:
            await self._budget.teach(bucket, rate=rate)
            self._rates[bucket] = rate

    async def _pause(self, connection: ConnectionChanged, operation: Operation) -> None:
        """There is no Retry-After: one call's worth of time has to pass, for every replica."""
        bucket = _bucket(connection, operation)
        wait_s = 1 / self._rates.get(bucket, operation.rate)
        await self._budget.pause(bucket, wait_s)
        raise Throttled(f"Amazon throttles {operation.name}", retry_after_s=wait_s)

    def _base_url(self, connection: ConnectionChanged) -> str:
        return (self._amazon_url or REGIONS[connection.amazon.region]).rstrip("/")

    async def _credentials(self, connection: ConnectionChanged) -> Credentials:
        """Read from the vault again only when the connection's secrets changed."""
        name = connection.connection_id
        known = self._known.get(name)
        if known is not None and known[0] == connection.secrets_rev:
            return known[1]
        async with self._engine.begin() as database:
            try:
                stored = await self._vault.get(database, "connections", f"{name}/amazon")
            except VaultTampered as error:
                raise Blocked("misconfigured", str(error), missing=_SECRETS) from None
        credentials = _read_credentials(stored)
        if known is not None:
            self._tokens.forget(known[1])
        self._known[name] = (connection.secrets_rev, credentials)
        return credentials


def _bucket(connection: ConnectionChanged, operation: Operation) -> str:
    return f"amazon:{connection.amazon.seller_id}:{operation.name}"


def _read_credentials(stored: bytes | None) -> Credentials:
    if stored is None:
        raise Blocked("misconfigured", "Amazon's client id, secret and refresh token are not set", missing=_SECRETS)
    try:
        secrets = _Secrets.model_validate_json(stored)
    except ValidationError:
        raise Blocked(
            "misconfigured", "Amazon's client id, secret and refresh token cannot be read", missing=_SECRETS
        ) from None
    return Credentials(
        secrets.client_id, secrets.client_secret.get_secret_value(), secrets.refresh_token.get_secret_value()
    )


def _object(response: Response) -> Mapping[str, Any]:
    """The body of a 200. One that is cut off or no JSON is trouble on the way, not an answer without orders."""
    try:
        answer = load_json(response.body)
    except ValueError:
        raise Unavailable("Amazon's answer cannot be read") from None
    if not isinstance(answer, Mapping):
        raise Unavailable("Amazon's answer is no JSON object")
    return answer


def order_asked_for(amazon_order_id: str, order: ReadOrder | UnreadableOrder) -> ReadOrder | UnreadableOrder:
    """Whatever is wrong with the answer, it is about the order that was asked for."""
    if order.amazon_order_id == amazon_order_id:
        return order
    if order.amazon_order_id is not None or isinstance(order, ReadOrder):
        return UnreadableOrder(amazon_order_id, "the answer is another order than the one asked for", order.raw)
    return replace(order, amazon_order_id=amazon_order_id)


def page_of(response: Response, axis: str = "lastUpdated") -> Page:
    """A page from a 200; an answer without a list of orders is trouble, never an empty page."""
    answer = _object(response)
    orders = answer.get("orders")
    pagination = answer.get("pagination")
    if not isinstance(orders, list) or not (pagination is None or isinstance(pagination, Mapping)):
        raise Unavailable("Amazon's answer has no list of orders")
    token = (pagination or {}).get("nextToken")
    if token is not None and not isinstance(token, str):
        raise Unavailable("Amazon's answer has no page token that can be read")
    return Page([read_order(order) for order in orders], token or None, time_in(answer.get(f"{axis}Before")))
