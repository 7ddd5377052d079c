"""What every action works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orderbridge.events import Event

from ..ports import Answer, Caller, Once, Shops, Store, Unit

__all__ = ["Answer", "Caller", "Desk", "Once", "answered", "once_only"]


@dataclass(frozen=True)
class Desk:
    """The store, the shops, how long ``test`` waits for the workers, and the api's address from outside, if any."""

    store: Store
    shops: Shops
    test_wait_s: float = 10.0
    public_url: str | None = None
    look_up_s: float = 10.0
    """How long somebody who saves mappings waits for the shop to look their targets up."""


def answered(status: int, body: Event, location: str | None = None) -> Answer:
    return Answer(status, body.model_dump_json(), location)


async def once_only(desk: Desk, caller: Caller, once: Once | None, act: Callable[[Unit], Awaitable[Answer]]) -> Answer:
    """Act in one transaction, or give the answer that the same ``Idempotency-Key`` got before."""
    async with desk.store.transaction() as unit:
        if once is None:
            return await act(unit)
        if (before := await unit.recall(caller.name, once)) is not None:
            return before
        answer = await act(unit)
        await unit.keep_answer(caller.name, once, answer)
        return answer
