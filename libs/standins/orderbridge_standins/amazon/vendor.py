"""Amazon's own addresses: the token endpoint, the two reading operations, and a refusal for everything else."""

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Request, Response

from .accounts import Grant
from .clock import stamp
from .ledger import Call
from .problems import LoginRefusal, Refusal, access_denied, invalid_client, invalid_input
from .search import included_data, search_request
from .spoiled import spoiled_api_answer, spoiled_login_answer, unreadable
from .trouble import PAGE_KINDS, Trouble
from .wire import json_answer, json_bytes
from .world import World

_ORDER_ID: Final = re.compile(r"\d{3}-\d{7}-\d{7}")
_ORDERS: Final = "/orders/2026-01-01/orders"
_FORM: Final = "application/x-www-form-urlencoded"
_ANNOUNCED_ON: Final = frozenset({200, 400, 404})
"""Statuses whose answers carry the rate limit; 401, 403, 429 and 5xx never do."""

Answer = Callable[[Grant, Call, Trouble | None], dict[str, object]]


def vendor_routes(world: World) -> APIRouter:
    """All paths but the control door's; whatever is no operation of ours is recorded as ``other``."""
    router = APIRouter()

    @router.post("/auth/o2/token")
    async def token(request: Request) -> Response:
        return await _login(world, request)

    @router.get(_ORDERS)
    async def search_orders(request: Request) -> Response:
        def answer(grant: Grant, call: Call, trouble: Trouble | None) -> dict[str, object]:
            asked = search_request(request.query_params.multi_items(), world.clock.now())
            if asked.marketplace_ids is not None and not asked.marketplace_ids <= set(grant.marketplace_ids):
                raise access_denied()
            page = world.search(grant, asked, trouble)
            call.window_orders, call.order_ids = page.window_orders, page.order_ids
            if trouble is not None and trouble.kind == "unreadable_order" and page.order_ids:
                world.troubles.spend(trouble)
                page.body["orders"][0] = unreadable(page.body["orders"][0])
            return page.body

        return await _operate(world, request, "searchOrders", answer)

    @router.get(f"{_ORDERS}/{{order_id}}")
    async def get_order(request: Request, order_id: str) -> Response:
        def answer(grant: Grant, call: Call, trouble: Trouble | None) -> dict[str, object]:
            if not _ORDER_ID.fullmatch(order_id):
                raise invalid_input()
            order = world.find_order(grant, order_id, included_data(request.query_params.multi_items()))
            call.order_ids = [order_id]
            if trouble is not None:
                world.troubles.spend(trouble)
                order = unreadable(order)
            return {"order": order}

        return await _operate(world, request, "getOrder", answer)

    @router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def other(path: str) -> Response:
        if path.startswith("_control"):
            raise HTTPException(404, "the control door has no such knob")
        call = world.ledger.begin(Call("other", stamp(world.clock.now()), {"path": f"/{path}"}))
        return _refused(world, call, access_denied())

    return router


async def _operate(world: World, request: Request, operation: str, answer: Answer) -> Response:
    """Admit, charge the quota, suffer planned trouble, answer; each refusal in Amazon's shape."""
    params = {name: value for name, value in request.query_params.items() if name != "paginationToken"}
    call = world.ledger.begin(Call(operation, stamp(world.clock.now()), params))
    if operation == "searchOrders":
        call.first_page = "paginationToken" not in request.query_params
    access_token = request.headers.get("x-amz-access-token")
    call.seller_id = world.accounts.holder(access_token)
    try:
        grant = world.accounts.admit(access_token, world.clock.now())
        world.limits.take(grant.seller_id, operation)
        trouble = world.troubles.next_for(operation, grant.seller_id)
        if trouble is not None and trouble.kind not in PAGE_KINDS:
            return await _suffer(world, call, trouble, answer, grant)
        times_before = trouble.times if trouble is not None else 0
        body = answer(grant, call, trouble)
        if trouble is not None and trouble.times < times_before:
            call.trouble = trouble.kind
    except Refusal as refusal:
        return _refused(world, call, refusal)
    call.status = 200
    return json_answer(body, headers=_headers(world, call))


async def _suffer(world: World, call: Call, trouble: Trouble, answer: Answer, grant: Grant) -> Response:
    world.troubles.spend(trouble)
    call.trouble = trouble.kind
    if trouble.kind == "hang":
        await asyncio.sleep(trouble.hang_s)
    whole = b"" if trouble.kind not in {"cut", "hang", "malformed"} else json_bytes(answer(grant, call, None))
    call.order_ids = []
    response = spoiled_api_answer(trouble.kind, whole, _headers(world, call))
    call.status = None if trouble.kind in {"cut", "hang"} else response.status_code
    if response.status_code in _ANNOUNCED_ON:
        response.headers.update(_rate_header(world, call))
    return response


async def _login(world: World, request: Request) -> Response:
    """Login with Amazon takes a form only; a JSON body is refused as an unauthenticated client."""
    call = world.ledger.begin(Call("token", stamp(world.clock.now()), {}))
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = (await request.body()).decode(errors="replace")
    form = {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
    call.params = {"grant_type": form.get("grant_type", "")}
    grant = world.accounts.grant(form.get("refresh_token", ""))
    call.seller_id = None if grant is None else grant.seller_id
    trouble = world.troubles.next_for("token", call.seller_id)
    if trouble is not None:
        world.troubles.spend(trouble)
        call.trouble = trouble.kind
        if trouble.kind == "hang":
            await asyncio.sleep(trouble.hang_s)
        response = spoiled_login_answer(trouble.kind)
        call.status = None if trouble.kind in {"cut", "hang"} else response.status_code
        return response
    request_id = str(uuid4())
    try:
        if media_type != _FORM:
            raise invalid_client()
        issued = world.accounts.issue(form, world.clock.now())
    except LoginRefusal as refusal:
        call.status = refusal.status
        return json_answer(refusal.body(request_id), refusal.status, {"x-amzn-RequestId": request_id})
    call.status = 200
    return json_answer(issued, headers={"x-amzn-RequestId": request_id, "Cache-Control": "no-store"})


def _refused(world: World, call: Call, refusal: Refusal) -> Response:
    call.status = refusal.status
    headers = _headers(world, call)
    if refusal.error_type is not None:
        headers["x-amzn-ErrorType"] = refusal.error_type
    return json_answer(refusal.body(), refusal.status, headers)


def _headers(world: World, call: Call) -> dict[str, str]:
    headers = {"x-amzn-RequestId": str(uuid4())}
    if call.status in _ANNOUNCED_ON:
        headers |= _rate_header(world, call)
    return headers


def _rate_header(world: World, call: Call) -> dict[str, str]:
    rate = world.limits.announced(call.operation)
    return {} if rate is None else {"x-amzn-RateLimit-Limit": rate}
