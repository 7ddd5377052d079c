"""The Admin GraphQL API of Shopify, version 2026-10: one request, its points, its token, its meaning."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from ..errors import OutcomeUnknown, Throttled, Unavailable
from ..http import Http, Response, Timeouts
from ..telemetry import VENDOR_CALLS, VENDOR_SECONDS
from .answers import Kind, body_of, cost_of, data_of, number
from .documents import document
from .tokens import Shop, Tokens

API_VERSION: Final = "2026-10"
GRAPHQL_PATH: Final = f"/admin/api/{API_VERSION}/graphql.json"
DEFAULT_BASE_URL: Final = "https://{shop}"
READ_DEADLINE_S: Final = 30.0
CONNECT_S: Final = 5.0
READ_RESERVE: Final = 0.2
"""Part of the points that reads leave for the creation of orders."""
CREATE_RESERVE: Final = 0.1
"""Part of the points that new orders leave for the reads that bring an order under way to its end."""
READ_PATIENCE_S: Final = 2.0
"""How long a read waits in place for points; longer, and the caller is asked to come back."""

log = structlog.get_logger(__name__)


class OutOfPoints(Throttled):
    """Our own budget has no points left for now: nothing was sent."""


FIRST_RATE = 100.0
"""Points a second of a shop that has told nothing yet: those of the smallest plan (rate limits, 2026-10)."""
FIRST_BURST = 1000.0
"""The most that a single query may request; the bucket's true size comes with the first answer."""


class Budget(Protocol):
    """The points of one app on one shop, shared by all services and replicas."""

    async def take(self, name: str, cost: float, *, reserve: float, rate: float, burst: float) -> float:
        """0.0 when granted, else the seconds until it could be; ``reserve`` is the part of all that must remain."""
        ...

    async def teach(
        self, name: str, *, rate: float, burst: float, tokens: float | None, given_back: float = 0.0
    ) -> None:
        """Points a second, the most there can be, and how many are left, as the vendor said.

        ``given_back`` is what was taken for the call beyond what it cost: Shopify charges what a query really reads.
        """
        ...


class Client:
    """Sends operations to shops; the operations themselves are the subclasses'."""

    def __init__(
        self,
        http: Http,
        budget: Budget,
        *,
        base_url: str = DEFAULT_BASE_URL,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``{shop}`` in ``base_url`` stands for the shop's whole domain."""
        self._http = http
        self._budget = budget
        self._base_url = base_url.rstrip("/")
        self._sleep = sleep
        self._tokens = Tokens(http, self._base_url_of, monotonic)
        self._versions_seen: set[tuple[str, str]] = set()

    def forget(self, shop: Shop) -> None:
        """Drop the token of a shop whose connection changed or went away."""
        self._tokens.forget(shop)

    async def execute(
        self,
        shop: Shop,
        name: str,
        variables: Mapping[str, Any],
        *,
        kind: Kind = "read",
        cost: float,
        reserve: float = READ_RESERVE,
        deadline_s: float = READ_DEADLINE_S,
    ) -> dict[str, Any]:
        """Run the operation of ``documents/<name>.graphql`` and give its data.

        ``reserve`` is the part of the points that must remain for others after a cost of ``cost``.

        :raises Throttled: out of points, here or there; it was not run (Shopify does not promise that of a mutation).
        :raises Unavailable: a read came to nothing, or a create was never sent.
        :raises OutcomeUnknown: a create may have taken effect.
        :raises Blocked: the connection cannot work until somebody mends it.
        :raises Permanent: Shopify refuses the request for its form, which is a bug here.
        """
        await self._take(shop, cost, reserve, READ_PATIENCE_S if kind == "read" else 0.0)
        response, body = await self._post(shop, name, variables, kind, deadline_s)
        await self._teach(shop, body, cost)
        return data_of(shop.domain, response, body, kind)

    async def _take(self, shop: Shop, cost: float, reserve: float, patience_s: float) -> None:
        while wait_s := await self._budget.take(
            budget_name(shop), cost, reserve=reserve, rate=FIRST_RATE, burst=FIRST_BURST
        ):
            patience_s -= wait_s
            if patience_s < 0:
                raise OutOfPoints(f"the query points of {shop.domain} are used up", retry_after_s=wait_s)
            await self._sleep(wait_s)

    async def _post(
        self, shop: Shop, name: str, variables: Mapping[str, Any], kind: Kind, deadline_s: float
    ) -> tuple[Response, dict[str, Any] | None]:
        """Send once, and once more with a new token when the first was refused (so it had no effect)."""
        content = json.dumps({"query": document(name), "variables": variables}).encode()
        token = await self._tokens.token(shop)
        response = await self._send(shop, name, token, content, kind, deadline_s)
        if response.status in (401, 403):
            token = await self._tokens.token(shop, refused=token)
            response = await self._send(shop, name, token, content, kind, deadline_s)
        self._check_version(shop, response)
        return response, body_of(response)

    async def _send(self, shop: Shop, name: str, token: str, content: bytes, kind: Kind, deadline_s: float) -> Response:
        outcome = "no_answer"
        try:
            with VENDOR_SECONDS.labels("shopify", name).time():
                response = await self._http.send(
                    "POST",
                    self._base_url_of(shop.domain) + GRAPHQL_PATH,
                    headers={
                        "X-Shopify-Access-Token": token,
                        "Content-Type": "application/json",
                        "Accept": "application/json",
                    },
                    content=content,
                    timeout=Timeouts(min(CONNECT_S, deadline_s), deadline_s),
                )
            outcome = str(response.status)
        except OutcomeUnknown as error:
            if kind == "create":
                raise
            raise Unavailable(str(error)) from None
        finally:
            VENDOR_CALLS.labels("shopify", name, outcome).inc()
        return response

    async def _teach(self, shop: Shop, body: Mapping[str, Any] | None, taken: float) -> None:
        status = cost_of(body).get("throttleStatus")
        if not isinstance(status, Mapping):
            return
        rate, burst = number(status.get("restoreRate")), number(status.get("maximumAvailable"))
        if rate and burst:
            left, actual = number(status.get("currentlyAvailable")), number(cost_of(body).get("actualQueryCost"))
            unused = 0.0 if actual is None else max(0.0, taken - actual)
            await self._budget.teach(budget_name(shop), rate=rate, burst=burst, tokens=left, given_back=unused)

    def _check_version(self, shop: Shop, response: Response) -> None:
        """A retired version falls forward in silence; say so once for each shop."""
        served = response.headers.get("X-Shopify-API-Version", API_VERSION)
        if served != API_VERSION and (shop.domain, served) not in self._versions_seen:
            self._versions_seen.add((shop.domain, served))
            log.warning(
                "Shopify serves another API version than asked for",
                connection_id=shop.connection_id,
                asked=API_VERSION,
                served=served,
            )

    def _base_url_of(self, domain: str) -> str:
        return self._base_url.replace("{shop}", domain)


def budget_name(shop: Shop) -> str:
    return f"shopify:{shop.domain}:{shop.client_id}"
