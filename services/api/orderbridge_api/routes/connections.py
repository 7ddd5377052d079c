from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ..actions import (
    Caller,
    Desk,
    ask_backfill,
    create_connection,
    get_connection,
    list_connections,
    put_connection,
    remove_connection,
    test_connection,
)
from ..domain.commands import CommandResource
from ..domain.connections import (
    ConnectionBody,
    ConnectionPage,
    ConnectionResource,
    ConnectionTested,
    NewConnectionBody,
)
from .guard import caller_of, desk_of, needs
from .requests import BackfillBody, ConnectionQuery, IdempotencyKey, IdPath, once_of, respond

router = APIRouter(prefix="/v1/connections", tags=["connections"])
TheDesk = Annotated[Desk, Depends(desk_of)]


@router.get("", operation_id="listConnections", summary="All connections, by id", **needs("viewer"))
async def connections(desk: TheDesk, query: Annotated[ConnectionQuery, Query()]) -> ConnectionPage:
    return await list_connections(desk, query.limit, query.cursor)


@router.post(
    "",
    operation_id="createConnection",
    summary="Add a connection; its workers try their vendors at once",
    status_code=201,
    response_model=ConnectionResource,
    **needs("admin"),
)
async def create(
    desk: TheDesk,
    caller: Annotated[Caller, Depends(caller_of)],
    request: Request,
    body: NewConnectionBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return respond(await create_connection(desk, caller, body, await once_of(request, idempotency_key)))


@router.get(
    "/{connection_id}",
    operation_id="getConnection",
    summary="Settings, how each worker gets on, and what is missing",
    **needs("viewer"),
)
async def connection(desk: TheDesk, connection_id: IdPath) -> ConnectionResource:
    return await get_connection(desk, connection_id)


@router.put(
    "/{connection_id}",
    operation_id="putConnection",
    summary="Replace the settings; secrets that are left out are kept",
    **needs("admin"),
)
async def change(desk: TheDesk, connection_id: IdPath, body: ConnectionBody) -> ConnectionResource:
    return await put_connection(desk, connection_id, body)


@router.delete(
    "/{connection_id}",
    operation_id="deleteConnection",
    summary="Remove a connection; its orders stay, and say so",
    status_code=204,
    **needs("admin"),
)
async def remove(desk: TheDesk, connection_id: IdPath) -> None:
    await remove_connection(desk, connection_id)


@router.post(
    "/{connection_id}/test",
    operation_id="testConnection",
    summary="Have each worker try its vendor now; waits up to 10 s",
    **needs("admin"),
)
async def test(desk: TheDesk, connection_id: IdPath) -> ConnectionTested:
    return await test_connection(desk, connection_id)


@router.post(
    "/{connection_id}/backfill",
    operation_id="backfillConnection",
    summary="Take in orders of the past, by when they were created or by their ids",
    status_code=202,
    response_model=CommandResource,
    **needs("admin"),
)
async def backfill(
    desk: TheDesk,
    caller: Annotated[Caller, Depends(caller_of)],
    request: Request,
    connection_id: IdPath,
    body: BackfillBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await ask_backfill(desk, caller, connection_id, body.asked(), once))
