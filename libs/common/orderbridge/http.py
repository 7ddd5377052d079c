"""The one home of httpx: a request is sent once, and how it ended is said in our own errors.

No redirects, no retries, no proxy from the environment: who may repeat a request is the caller's to decide.
Nothing here logs a header or a body, and no error carries one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .errors import ConfigurationError, OutcomeUnknown, Unavailable

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

BODY_CAP: Final = 32 * 1024 * 1024
NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """``connect_s`` bounds the connection (and the wait for a free one), ``total_s`` the whole request."""

    connect_s: float = 5.0
    total_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status; ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def retry_after_s(self) -> float | None:
        """``Retry-After`` in seconds, a date counted from the answer's own ``Date``; None when there is none."""
        text = self.headers.get("Retry-After", "").strip()
        if not text:
            return None
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(text) - parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None
        return max(0.0, until.total_seconds())


class Http:
    """Sends requests over one pool of connections; made by :func:`open_http`."""

    def __init__(self, client: httpx.AsyncClient, body_cap: int) -> None:
        self._client = client
        self._body_cap = body_cap

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout: Timeouts = Timeouts(),
    ) -> Response:
        """Send once and read the whole answer.

        :raises Unavailable: no connection came about, so nothing was sent.
        :raises OutcomeUnknown: it was, or may have been, sent, and no whole answer came within ``total_s``.
        :raises ConfigurationError: the address is not https, nor http on this machine.
        """
        require_safe_url("the address of a request", url)
        try:
            async with asyncio.timeout(timeout.total_s):
                return await self._send(method, url, headers, content, params, timeout)
        except TimeoutError:
            failure: Exception = OutcomeUnknown(f"no answer from {_place(url)} within {timeout.total_s:g} s")
        except NOTHING_SENT as error:
            failure = Unavailable(f"{_place(url)} cannot be reached ({type(error).__name__})")
        except (httpx.TransportError, httpx.DecodingError) as error:
            failure = OutcomeUnknown(f"{_place(url)} gave no whole answer ({type(error).__name__})")
        # Outside the handlers: httpx's errors carry the request with its headers, ours must not drag them along.
        raise failure

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        content: bytes | None,
        params: Mapping[str, str] | None,
        timeout: Timeouts,
    ) -> Response:
        request = self._client.build_request(
            method,
            url,
            headers=headers,
            content=content,
            params=params,
            timeout=httpx.Timeout(timeout.total_s, connect=timeout.connect_s, pool=timeout.connect_s),
        )
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._body_cap:
                    raise OutcomeUnknown(f"{_place(url)} answered more than {self._body_cap} bytes")
        finally:
            await response.aclose()
        return Response(response.status_code, response.headers, bytes(body))

    async def lines(self, url: str, *, connect_s: float = 5.0, idle_s: float = 60.0) -> AsyncIterator[bytes]:
        """The lines of a body that is read as it comes, however long it is; nothing of ours goes along.

        :raises Unavailable: it cannot be reached, it answers with trouble, or it broke off (``idle_s`` without a byte).
        """
        require_safe_url("the address of a download", url)
        timeout = httpx.Timeout(idle_s, connect=connect_s, pool=connect_s)
        failure: Exception | None = None
        try:
            async with self._client.stream("GET", url, timeout=timeout) as response:
                if response.status_code != 200:
                    raise Unavailable(f"{_place(url)} answered a download with {response.status_code}")
                rest = b""
                async for chunk in response.aiter_bytes():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        if line:
                            yield line
                    if len(rest) > self._body_cap:
                        raise Unavailable(f"{_place(url)} sends a line of more than {self._body_cap} bytes")
                if rest:
                    yield rest
        except (httpx.TransportError, httpx.DecodingError) as error:
            failure = Unavailable(f"{_place(url)} broke off a download ({type(error).__name__})")
        if failure is not None:
            raise failure


@asynccontextmanager
async def open_http(
    *, asgi: AsgiApp | None = None, max_connections: int = 64, body_cap: int = BODY_CAP
) -> AsyncIterator[Http]:
    """A pool of connections, closed at the end; ``asgi`` answers every request in this process instead."""
    for chatty in ("httpx", "httpcore"):  # they log addresses with their parameters, and headers at DEBUG
        logging.getLogger(chatty).setLevel(logging.WARNING)
    transport: httpx.AsyncBaseTransport
    if asgi is None:
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        transport = httpx.AsyncHTTPTransport(retries=0, trust_env=False, limits=limits)
    else:
        transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False) as client:
        yield Http(client, body_cap)


def require_safe_url(setting: str, url: str) -> str:
    """The address without a slash at its end; https, or http on this machine only.

    :raises ConfigurationError: one line that names ``setting`` and the remedy, and never a password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"{setting} is not an address: give https://host[:port]") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{setting} is not an http address: give https://host[:port]")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{setting} carries a user or password: leave them out")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"{setting} is plain http to {host}: use https (http is for this machine only)")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(url: str) -> str:
    """Scheme and host alone: a path or its parameters may carry what no log should."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
