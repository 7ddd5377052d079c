from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ..actions import (
    Caller,
    Desk,
    OrderCounts,
    OrderPage,
    ask_order,
    count_orders,
    get_order,
    list_orders,
    timeline,
)
from ..domain.commands import CommandResource
from ..domain.resource import OrderResource
from ..domain.timeline import Timeline
from .guard import caller_of, desk_of, needs
from .requests import (
    CancelBody,
    CountQuery,
    IdempotencyKey,
    OrderIdPath,
    OrderQuery,
    ResolveBody,
    RetryBody,
    json_text,
    once_of,
    respond,
)

router = APIRouter(prefix="/v1/orders", tags=["orders"])
TheDesk = Annotated[Desk, Depends(desk_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]


@router.get("", operation_id="listOrders", summary="Orders, newest first", response_model=OrderPage, **needs("viewer"))
async def orders(desk: TheDesk, query: Annotated[OrderQuery, Query()]) -> Response:
    return json_text(await list_orders(desk, query.asked(), query.sort, query.limit, query.cursor))


@router.get("/counts", operation_id="countOrders", summary="How many, by status and reason", **needs("viewer"))
async def counts(desk: TheDesk, query: Annotated[CountQuery, Query()]) -> OrderCounts:
    return await count_orders(desk, query.asked())


@router.get(
    "/{order_id}",
    operation_id="getOrder",
    summary="One order, as it is on orders.status.v1",
    response_model=OrderResource,
    **needs("viewer"),
)
async def order(desk: TheDesk, order_id: OrderIdPath) -> Response:
    return json_text(await get_order(desk, order_id))


@router.get(
    "/{order_id}/timeline",
    operation_id="getOrderTimeline",
    summary="Every fact and command, oldest first",
    **needs("viewer"),
)
async def story(desk: TheDesk, order_id: OrderIdPath) -> Timeline:
    return await timeline(desk, order_id)


@router.post(
    "/{order_id}/retry",
    operation_id="retryOrder",
    summary="Ask for another attempt",
    status_code=202,
    response_model=CommandResource,
    **needs("operator"),
)
async def retry(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    order_id: OrderIdPath,
    body: RetryBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await ask_order(desk, caller, order_id, body.asked(), once))


@router.post(
    "/{order_id}/resolve",
    operation_id="resolveOrder",
    summary="Close the order: linked to an existing Shopify order, or handled elsewhere",
    status_code=202,
    response_model=CommandResource,
    **needs("operator"),
)
async def resolve(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    order_id: OrderIdPath,
    body: ResolveBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await ask_order(desk, caller, order_id, body.asked(), once))


@router.post(
    "/{order_id}/cancel",
    operation_id="cancelOrder",
    summary="Cancel the Shopify order that was created",
    status_code=202,
    response_model=CommandResource,
    **needs("operator"),
)
async def cancel(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    order_id: OrderIdPath,
    body: CancelBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await ask_order(desk, caller, order_id, body.asked(), once))
