"""The vendor's door: ``/{shop}/admin/oauth/access_token`` and ``/{shop}/admin/api/{version}/graphql.json``.

The files of bulk operations lie beside it, at ``/{shop}/bulk/{name}``; their name is their key.
"""

import asyncio
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from . import refusals
from .documents import known_documents
from .execution import Request, answer, throttled
from .ledger import Attempt, Outcome, amazon_order_id_of
from .resolving import Call
from .shop import Shop
from .trouble import AFTER_EFFECT, DOWNLOAD_CALL, REFUSING, TOKEN_CALL, Trouble
from .wire import (
    Answer,
    ConnectionCut,
    Receive,
    Scope,
    Send,
    as_json,
    cut,
    read_body,
    send_answer,
    send_half,
    send_pieces,
    wait_silently,
)
from .world import World

API_VERSION: Final = "2026-10"
_TOKEN_PATH: Final = re.compile(r"/([^/]+)/admin/oauth/access_token")
_API_PATH: Final = re.compile(r"/([^/]+)/admin/api/(\d{4}-\d{2})/graphql\.json")
_FILE_PATH: Final = re.compile(r"/([^/]+)/bulk/([0-9a-f]+\.jsonl)")
_NO_FILE: Final = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>"
_UNAUTHORIZED: Final = "[API] Invalid API key or access token (unrecognized login or wrong password)"
_JSON_LINES: Final = "application/jsonl"
_MAINTENANCE: Final = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"


class VendorDoor:
    """Serves every shop of the world; a version that is not ours is answered as ours, and the header says so."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = known_documents()
        self._heard: dict[Shop, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive)
        except ConnectionCut:
            return
        path = scope["path"]
        found = _API_PATH.fullmatch(path) or _TOKEN_PATH.fullmatch(path) or _FILE_PATH.fullmatch(path)
        shop = self._world.find(found[1]) if found else None
        if found is None or shop is None:
            await send_answer(send, as_json(404, {"errors": "Not Found"}))
        elif found.re is _FILE_PATH:
            shop.catch_up()
            await self._download(shop, found[2], receive, send)
        elif scope["method"] != "POST":
            await send_answer(send, as_json(405, {"errors": "Method Not Allowed"}))
        else:
            shop.catch_up()
            headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
            if found.re is _TOKEN_PATH:
                await self._token(shop, headers, body, receive, send)
            else:
                await self._graphql(shop, scope["scheme"], headers, body, receive, send)

    def wake(self, shop: Shop) -> None:
        """End a silence that was lifted early; the calls that hang in it are cut off."""
        self._heard.pop(shop, asyncio.Event()).set()

    def _silence_left(self, shop: Shop) -> float:
        return shop.settings.silent_until - shop.clock.monotonic()

    async def _stay_silent(self, shop: Shop, receive: Receive) -> None:
        lifted = self._heard.setdefault(shop, asyncio.Event())
        await wait_silently(receive, self._silence_left(shop), until=lifted)
        await cut(receive)

    # tokens

    async def _token(self, shop: Shop, headers: Mapping[str, str], body: bytes, receive: Receive, send: Send) -> None:
        shop.ledger.calls[TOKEN_CALL] += 1
        if self._silence_left(shop) > 0:
            await self._stay_silent(shop, receive)
            return
        trouble = shop.script.next_for((TOKEN_CALL,))
        if trouble is not None and trouble.kind not in AFTER_EFFECT:
            await self._refuse(trouble, shop, 0, (TOKEN_CALL,), receive, send)
            return
        given = _form(body) if "form" in headers.get("content-type", "") else _object(body)
        await self._deliver(_grant(shop, given), trouble, receive, send)

    # graphql

    async def _graphql(
        self, shop: Shop, scheme: str, headers: Mapping[str, str], body: bytes, receive: Receive, send: Send
    ) -> None:
        given = _object(body)
        if given is None or not isinstance(given.get("query"), str):
            await send_answer(send, as_json(400, {"errors": {"query": "Required parameter missing or invalid"}}))
            return
        request = self._request(given)
        shop.ledger.calls.update(request.roots)
        if self._silence_left(shop) > 0:
            self._book(shop, request, "cut_off", "silence")
            await self._stay_silent(shop, receive)
            return
        if not shop.accepts(headers.get("x-shopify-access-token", "")):
            self._book(shop, request, "refused", "unauthorized")
            await send_answer(send, as_json(401, {"errors": _UNAUTHORIZED}))
            return
        trouble = shop.script.next_for(request.roots)
        if trouble is not None and trouble.kind not in AFTER_EFFECT and trouble.kind != "too_many_attempts":
            await self._meet(trouble, shop, request, receive, send)
            return
        kind = trouble.kind if trouble else None
        base_url = f"{scheme}://{headers.get('host', '')}"
        call = Call(shop, kind, too_many_attempts=kind == "too_many_attempts", base_url=base_url)
        await self._deliver(self._run(shop, request, call), trouble, receive, send)

    def _request(self, given: Mapping[str, Any]) -> Request:
        prepared = self._documents.prepare(given["query"])
        variables = given.get("variables")
        operation = prepared.operation(given.get("operationName"))
        return Request(prepared, operation, variables if isinstance(variables, dict) else {})

    def _run(self, shop: Shop, request: Request, call: Call) -> Answer:
        request_id = str(uuid.uuid4())
        body = answer(self._documents.schema, request, call, request_id)
        if "orderCreate" in request.roots and not call.attempts and call.booked is None:
            self._book(shop, request, "refused", call.trouble)
        return _graphql_answer(body, request_id)

    async def _meet(self, trouble: Trouble, shop: Shop, request: Request, receive: Receive, send: Send) -> None:
        """Trouble that keeps the request from taking effect now; ``late`` lets it take effect afterwards."""
        outcome: Outcome = "refused" if trouble.kind in REFUSING else "cut_off"
        booked = self._book(shop, request, outcome, trouble.kind)
        if trouble.kind == "late":
            call = Call(shop, trouble.kind, booked=booked)
            shop.at(trouble.late_s, lambda: self._run_late(shop, request, call))
        cost = request.operation.meter.requested(request.variables) if request.operation else 0
        await self._refuse(trouble, shop, cost, request.roots, receive, send)

    def _run_late(self, shop: Shop, request: Request, call: Call) -> None:
        self._run(shop, request, call)

    def _book(self, shop: Shop, request: Request, outcome: Outcome, trouble: str | None) -> Attempt | None:
        """Put an orderCreate into the ledger that no resolver will see, or not yet."""
        if "orderCreate" not in request.roots:
            return None
        named = (amazon_order_id_of(value) for value in request.variables.values())
        attempt = shop.ledger.begin(next(filter(None, named), None), trouble, shop.clock.now())
        attempt.outcome = outcome
        return attempt

    # files

    async def _download(self, shop: Shop, name: str, receive: Receive, send: Send) -> None:
        shop.ledger.calls[DOWNLOAD_CALL] += 1
        if self._silence_left(shop) > 0:
            await self._stay_silent(shop, receive)
            return
        trouble = shop.script.next_for((DOWNLOAD_CALL,))
        file = shop.bulk.file(name)
        if trouble is not None and trouble.kind != "bulk_cut":
            await self._refuse(trouble, shop, 0, (DOWNLOAD_CALL,), receive, send)
        elif file is None:
            await send_answer(send, Answer(404, _NO_FILE, "application/xml; charset=UTF-8"))
        elif trouble is not None:
            await send_half(send, receive, file.pieces, _JSON_LINES)
        else:
            await send_pieces(send, file.pieces, _JSON_LINES)

    # answers

    async def _refuse(
        self, trouble: Trouble, shop: Shop, cost: int, calls: tuple[str, ...], receive: Receive, send: Send
    ) -> None:
        if trouble.kind == "timeout_before":
            await wait_silently(receive, trouble.hang_s)
        refusal = _refusal(trouble, shop, cost, calls)
        if refusal is None:
            await cut(receive)
        else:
            await send_answer(send, refusal)

    async def _deliver(self, made: Answer, trouble: Trouble | None, receive: Receive, send: Send) -> None:
        """Hand over an answer whose effect is done, unless the trouble of this call keeps it back."""
        kind = trouble.kind if trouble else None
        if trouble is not None and kind == "timeout_after":
            await wait_silently(receive, trouble.hang_s)
        if kind in ("timeout_after", "cut_after"):
            await cut(receive)
        elif kind == "garbled_after":
            await send_answer(send, Answer(made.status, made.body[: len(made.body) // 2], headers=made.headers))
        else:
            await send_answer(send, made)


def _grant(shop: Shop, given: Mapping[str, Any] | None) -> Answer:
    given = given or {}
    if given.get("grant_type") != "client_credentials":
        return _oauth_error(400, "invalid_request", "The grant_type must be client_credentials.")
    if given.get("client_id") != shop.profile.client_id:
        return _oauth_error(400, "application_cannot_be_found", "No application was found for this client_id.")
    if not hmac.compare_digest(str(given.get("client_secret", "")).encode(), shop.profile.client_secret.encode()):
        return _oauth_error(401, "invalid_client", "The client_secret is not right.")
    token, expires_in = shop.issue_token()
    scope = ",".join(shop.profile.scopes)
    return as_json(200, {"access_token": token, "scope": scope, "expires_in": expires_in})


def _oauth_error(status: int, code: str, text: str) -> Answer:
    return as_json(status, {"error": code, "error_description": text})


def _refusal(trouble: Trouble, shop: Shop, cost: int, calls: tuple[str, ...]) -> Answer | None:
    """The answer of a call that did not take effect; None where the connection is cut instead."""
    request_id = str(uuid.uuid4())
    match trouble.kind:
        case "http429":
            wait = ("Retry-After", f"{trouble.retry_after:.1f}")
            return as_json(429, {"errors": "Exceeded the rate limit of this shop."}, wait)
        case "error500":
            return as_json(500, {"errors": "Internal Server Error"})
        case "error502":
            return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        case "html":
            return Answer(200, _MAINTENANCE, "text/html")
        case "unauthorized":
            return as_json(401, {"errors": _UNAUTHORIZED})
        case "throttled":
            return _graphql_answer(throttled(shop, cost), request_id)
        case "internal_error":
            return _graphql_answer({"errors": [refusals.internal_error(request_id)]}, request_id)
        case "access_denied":
            return _graphql_answer({"errors": [_denied(calls)], "data": None}, request_id)
    return None


def _denied(calls: tuple[str, ...]) -> dict[str, Any]:
    message = f"Access denied for {calls[0]} field."
    return {"message": message, "path": [calls[0]], "extensions": {"code": "ACCESS_DENIED"}}


def _graphql_answer(body: Mapping[str, Any], request_id: str) -> Answer:
    return as_json(200, body, ("X-Shopify-API-Version", API_VERSION), ("X-Request-Id", request_id))


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        given = json.loads(body)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _form(body: bytes) -> dict[str, Any]:
    return dict(parse_qsl(body.decode(errors="replace")))
