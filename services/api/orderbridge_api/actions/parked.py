"""Parked messages: listed, and replayed by the service that keeps them."""

from __future__ import annotations

from orderbridge.step.replay import replay_work

from ..domain.commands import CommandRecord, command_event
from ..domain.paging import Position, cursor_of, page_of
from ..domain.parked import ParkedPage, ParkedState
from ..domain.problems import Problem, not_found
from ..ports import Unit
from .commands import accepted, new_command_id, send
from .desk import Answer, Caller, Desk, Once, once_only

_SORT = "-at"


async def list_parked(desk: Desk, state: ParkedState, limit: int, cursor: str | None) -> ParkedPage:
    """Newest first."""
    page = page_of(_SORT, limit + 1, cursor)
    async with desk.store.transaction() as unit:
        found = await unit.list_parked(state, page)
    shown = found[:limit]
    more = len(found) > limit
    following = cursor_of(_SORT, Position(shown[-1].at, shown[-1].id)) if more else None
    return ParkedPage(items=tuple(shown), next=following)


async def replay_parked(desk: Desk, caller: Caller, parked_id: str, once: Once | None) -> Answer:
    """Ask the service that keeps the message to take it again."""

    async def act(unit: Unit) -> Answer:
        parked = await unit.hold_parked(parked_id)
        if parked is None:
            raise not_found("parked message", parked_id)
        if (already := await unit.open_replay(parked_id)) is not None:
            return accepted(already)
        if parked.state != "parked":
            raise Problem(
                409,
                "not_applicable",
                f"The message is not parked any more: it is {parked.state}.",
                remedy="There is nothing left to do.",
            )
        command = CommandRecord(
            new_command_id(),
            parked.order_id,
            parked.connection_id or "",
            "replay",
            None,
            caller.name,
            unit.now,
            parked_id=parked_id,
        )
        if parked.service == "api":
            # Our own: the worker of this process carries it out.
            unit.schedule(replay_work(command_event(command, "api")))
        await send([command], unit, parked.service)
        return accepted(command)

    return await once_only(desk, caller, once, act)
