"""Who may come in: a bearer key for all of ``/v1``, a bounded body, and a role that every route declares.

One address asks for no key: Shopify's webhooks are let in by their signature, which the action behind it checks.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPBearer

from ..actions import Caller, Desk, identify
from ..domain.problems import Problem
from .problems import answer, too_large

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Role = Literal["viewer", "operator", "admin"]

KIB = 1024
BODY_LIMIT = 256 * KIB
_WEBHOOK = re.compile(r"/v1/webhooks/shopify/[^/]+")
_MAPPING_FILE = re.compile(r"/v1/sku-mappings\.csv")
_LIMITS: dict[tuple[str, re.Pattern[str]], int] = {
    ("POST", _WEBHOOK): 1024 * KIB,
    ("POST", _MAPPING_FILE): 8192 * KIB,
}
"""Addresses whose bodies may be larger."""
_RANK = {"viewer": 0, "operator": 1, "admin": 2}
_bearer = HTTPBearer(auto_error=False, description="An API key.")


class Guard:
    """Asks for the key before anything else of a request under ``/v1`` is read, and bounds its body."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        limit = _limit_of(scope)
        try:
            if not _signed(scope):
                request.state.caller = await _caller(request)
            _check_announced(request, limit)
        except Problem as problem:
            await answer(problem)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive, limit), send)


def _signed(scope: Scope) -> bool:
    """Whether the request is let in by its signature instead of a key."""
    return scope["method"] == "POST" and _WEBHOOK.fullmatch(scope["path"]) is not None


def _limit_of(scope: Scope) -> int:
    limits = (
        limit
        for (method, path), limit in _LIMITS.items()
        if scope["method"] == method and path.fullmatch(scope["path"])
    )
    return next(limits, BODY_LIMIT)


async def _caller(request: Request) -> Caller:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    caller = await identify(request.app.state.desk, key.strip()) if kind.lower() == "bearer" and key else None
    if caller is None:
        raise Problem(
            401,
            "unauthorized",
            "The request carries no API key that is known here.",
            remedy="Send the header Authorization: Bearer <key>.",
        )
    return caller


def _check_announced(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > limit:
        raise too_large(_beyond(limit))


def _beyond(limit: int) -> str:
    return f"The body is larger than {limit // KIB} KiB."


def _bounded(receive: Receive, limit: int) -> Receive:
    """Also a body that does not say how long it is ends at the limit."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            # The framework hands on only its own errors from here.
            raise HTTPException(413, _beyond(limit))
        return message

    return bounded


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def needs(role: Role) -> dict[str, Any]:
    """What a route gives its decorator to declare its role: the check, and a word in the OpenAPI document."""

    def check(request: Request) -> None:
        caller = caller_of(request)
        if _RANK[caller.role] < _RANK[role]:
            raise Problem(403, "forbidden", f"This needs the role {role}.", remedy="Use a key that has it.")

    return {"dependencies": [Security(_bearer), Depends(check)], "openapi_extra": {"x-role": role}}
