from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ..actions import Caller, Desk, get_command, list_parked, replay_parked
from ..domain.commands import CommandResource
from ..domain.parked import ParkedPage
from .guard import caller_of, desk_of, needs
from .requests import IdempotencyKey, IdPath, ParkedQuery, once_of, respond

router = APIRouter(prefix="/v1")
TheDesk = Annotated[Desk, Depends(desk_of)]


@router.get(
    "/commands/{command_id}",
    operation_id="getCommand",
    tags=["commands"],
    summary="A command, and how it ended",
    **needs("viewer"),
)
async def command(desk: TheDesk, command_id: IdPath) -> CommandResource:
    return await get_command(desk, command_id)


@router.get("/parked", operation_id="listParked", tags=["parked"], summary="Given-up messages", **needs("operator"))
async def parked(desk: TheDesk, query: Annotated[ParkedQuery, Query()]) -> ParkedPage:
    return await list_parked(desk, query.state, query.limit, query.cursor)


@router.post(
    "/parked/{parked_id}/replay",
    operation_id="replayParked",
    tags=["parked"],
    summary="Have a given-up message taken again",
    status_code=202,
    response_model=CommandResource,
    **needs("operator"),
)
async def replay(
    desk: TheDesk,
    caller: Annotated[Caller, Depends(caller_of)],
    request: Request,
    parked_id: IdPath,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return respond(await replay_parked(desk, caller, parked_id, await once_of(request, idempotency_key)))
