from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ..actions import Caller, Desk, get_retry, retry_orders
from ..domain.retries import RetryResource
from .guard import caller_of, desk_of, needs
from .requests import IdempotencyKey, IdPath, RetriesBody, once_of, respond

router = APIRouter(prefix="/v1/retries", tags=["retries"])
TheDesk = Annotated[Desk, Depends(desk_of)]


@router.post(
    "",
    operation_id="retryOrders",
    summary="Ask the same of all orders that match a filter",
    status_code=202,
    response_model=RetryResource,
    **needs("operator"),
)
async def retry_all(
    desk: TheDesk,
    caller: Annotated[Caller, Depends(caller_of)],
    request: Request,
    body: RetriesBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await retry_orders(desk, caller, body.orders(), body.asked(), once))


@router.get("/{retry_id}", operation_id="getRetry", summary="How far a bulk retry is", **needs("operator"))
async def retry(desk: TheDesk, retry_id: IdPath) -> RetryResource:
    return await get_retry(desk, retry_id)
