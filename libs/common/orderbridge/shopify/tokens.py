"""Access tokens by the client credentials grant, one at a time per shop.

Source: shopify.dev, client credentials grant; read 2026-11. There is no refresh token: one asks again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..errors import Blocked, OutcomeUnknown, Throttled, Unavailable
from ..http import Http, Response, Timeouts

TOKEN_PATH: Final = "/admin/oauth/access_token"  # noqa: S105 (a path)
RENEW_AT: Final = 0.8
"""Part of a token's life after which it is renewed."""
TIMEOUTS: Final = Timeouts(connect_s=5.0, total_s=15.0)


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop as one connection reaches it; a changed secret makes another Shop, with a token of its own."""

    connection_id: str
    domain: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(slots=True)
class _Held:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: str | None = field(default=None, repr=False)
    renew_at: float = 0.0


class Tokens:
    """Holds a token per shop; callers that come at once share one request."""

    def __init__(self, http: Http, base_url_of: Callable[[str], str], monotonic: Callable[[], float]) -> None:
        self._http = http
        self._base_url_of = base_url_of
        self._monotonic = monotonic
        self._held: dict[Shop, _Held] = {}

    async def token(self, shop: Shop, *, refused: str | None = None) -> str:
        """A token that is not ``refused``, the one that Shopify just answered 401 to.

        :raises Blocked: unauthorized (wrong credentials), or misconfigured (no such shop, or it is closed).
        :raises Unavailable: Shopify cannot be reached; :raises Throttled: it asks to wait.
        """
        held = self._held.setdefault(shop, _Held())
        async with held.lock:
            if held.value is None or held.value == refused or self._monotonic() >= held.renew_at:
                asked_at = self._monotonic()
                held.value = None
                held.value, life_s = await self._ask(shop)
                held.renew_at = asked_at + life_s * RENEW_AT
            return held.value

    def forget(self, shop: Shop) -> None:
        """Drop what is held for a shop whose connection changed or went away."""
        self._held.pop(shop, None)

    async def _ask(self, shop: Shop) -> tuple[str, float]:
        grant = {
            "client_id": shop.client_id,
            "client_secret": shop.client_secret,
            "grant_type": "client_credentials",
        }
        try:
            response = await self._http.send(
                "POST",
                self._base_url_of(shop.domain) + TOKEN_PATH,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                content=json.dumps(grant).encode(),
                timeout=TIMEOUTS,
            )
        except OutcomeUnknown as error:  # asking again does no harm
            raise Unavailable(str(error)) from None
        return _read(shop, response)


def _read(shop: Shop, response: Response) -> tuple[str, float]:
    status = response.status
    if status in (429, 430):
        raise Throttled(f"{shop.domain} limits token requests", retry_after_s=response.retry_after_s())
    if status >= 500 or status == 408:
        raise Unavailable(f"{shop.domain} answered a token request with {status}")
    if status == 404 or 300 <= status < 400:
        raise Blocked("misconfigured", f"there is no shop {shop.domain}", missing=(f"the shop {shop.domain}",))
    if status in (402, 423):
        raise Blocked("misconfigured", f"the shop {shop.domain} is closed", missing=("a shop that is open",))
    if status >= 400:
        raise Blocked(
            "unauthorized",
            f"{shop.domain} refused the app's client id and secret ({status})",
            missing=("a client id and secret that the shop accepts",),
        )
    try:
        answer = json.loads(response.body)
        token, life_s = answer["access_token"], float(answer.get("expires_in", 3600))
    except (ValueError, TypeError, KeyError, AttributeError):
        token, life_s = None, 0.0
    if not isinstance(token, str) or not token:
        raise Unavailable(f"{shop.domain} gave no token that can be read")
    return token, life_s
