"""Access tokens of Login with Amazon: one at a time per authorisation, renewed before they end.

Source: Login with Amazon, ``/auth/o2/token``, refresh token grant; error shapes as recorded (facts: Amazon section 1).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from orderbridge.errors import Blocked, OutcomeUnknown, Throttled, Unavailable
from orderbridge.http import Http, Response, Timeouts
from orderbridge.telemetry import VENDOR_CALLS

from .clock import AmazonClock
from .reading import load_json

TOKEN_PATH: Final = "/auth/o2/token"  # noqa: S105 (a path)
RENEW_AT: Final = 0.8
"""Part of a token's life after which it is renewed."""
THROTTLED_FOR_S: Final = 30.0
"""Amazon announces no limit for tokens; frequent calls were reported to be refused."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_TIMEOUTS: Final = Timeouts(connect_s=5.0, total_s=15.0)
_REFUSALS: Final = {
    "invalid_client": ("does not accept the client id and secret", "a client id and secret that Amazon accepts"),
    "invalid_grant": ("does not accept the refresh token", "a new authorisation by the seller (refresh token)"),
    "unauthorized_client": ("does not allow this application", "an application that this seller has authorised"),
}


@dataclass(frozen=True)
class Credentials:
    """One seller's authorisation of one application; a changed secret makes another, with a token of its own."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass
class _Held:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: str | None = field(default=None, repr=False)
    renew_at: datetime = _LONG_AGO


class Tokens:
    """Callers that come at once share one request. A token's life is counted by Amazon's clock."""

    def __init__(self, http: Http, base_url: str, clock: AmazonClock) -> None:
        self._http = http
        self._url = base_url.rstrip("/") + TOKEN_PATH
        self._clock = clock
        self._held: dict[Credentials, _Held] = {}

    async def token(self, credentials: Credentials, *, refused: str | None = None) -> str:
        """A token that is not ``refused``, the one that Amazon has just answered 403 to.

        :raises Blocked: unauthorized; :raises Unavailable: no answer that can be used; :raises Throttled: too often.
        """
        held = self._held.setdefault(credentials, _Held())
        async with held.lock:
            if held.value is None or held.value == refused or self._clock.now() >= held.renew_at:
                held.value = None
                value, life_s = await self._ask(credentials)
                held.renew_at = self._clock.now() + timedelta(seconds=life_s * RENEW_AT)
                held.value = value
            return held.value

    def forget(self, credentials: Credentials) -> None:
        """Ask anew the next time, whatever is held."""
        self._held.pop(credentials, None)

    async def _ask(self, credentials: Credentials) -> tuple[str, float]:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.refresh_token,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        }
        try:
            response = await self._http.send(
                "POST",
                self._url,
                headers={
                    "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
                    "Accept": "application/json",
                },
                content=urlencode(form).encode(),
                timeout=_TIMEOUTS,
            )
        except OutcomeUnknown as error:  # asking again does no harm
            VENDOR_CALLS.labels("amazon", "token", "no_answer").inc()
            raise Unavailable(str(error)) from None
        VENDOR_CALLS.labels("amazon", "token", str(response.status)).inc()
        self._clock.learn(response.headers)
        return _read(response)


def _read(response: Response) -> tuple[str, float]:
    status = response.status
    if status == 429:
        raise Throttled("Amazon limits token requests", retry_after_s=response.retry_after_s() or THROTTLED_FOR_S)
    answer = _object(response.body)
    if status in (400, 401, 403):
        named = answer.get("error")
        refusal = _REFUSALS.get(named if isinstance(named, str) else "")
        if refusal is None and status == 401:
            refusal = _REFUSALS["invalid_client"]
        if refusal is not None:
            raise Blocked("unauthorized", f"Login with Amazon {refusal[0]} ({status})", missing=(refusal[1],))
    if status != 200:
        # A refusal in words that we do not know may pass, as the vendor's 400s to valid requests did.
        raise Unavailable(f"Login with Amazon answered a token request with {status}")
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise Unavailable("Login with Amazon gave no token that can be read")
    life_s = answer.get("expires_in")
    return token, float(life_s) if isinstance(life_s, int) else 3600.0


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = load_json(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
