"""What a newly arrived fact asks for. Facts come in any order and more than once; each arrival decides again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orderbridge.events import (
    CreationFact,
    MatchFact,
    OrderFailed,
    OrderImported,
    OrderProgress,
    OrderUnmatched,
    Reason,
)

from . import reasons
from .order import Asked, Cause, Change, Ending, Order, end_commands, same_view


def take_import(order: Order, event: OrderImported) -> Order:
    """Keep the newest."""
    if order.imported is not None and order.imported.seq >= event.seq:
        return order
    return replace(order, imported=event)


def take_match(order: Order, event: MatchFact) -> Order:
    """Keep the newest; a command that comes with an older one counts for the next attempt all the same."""
    if event.command_id is not None and all(one.command_id != event.command_id for one in order.asked):
        order = replace(order, asked=(*order.asked, Asked(event.command_id, event.mode or "retry")))
    if order.match is not None and order.match.seq >= event.seq:
        return order
    return replace(order, match=event)


def compare(order: Order, now: datetime, blocked: Reason | None) -> Change:
    """Hold the newest facts against what was done; ``blocked`` is why the connection does not work, if so.

    Every new match that answers the newest import is one attempt, whatever failed before. A command that can lead to
    nothing ends. What is being sent is left alone: it is compared when its outcome is known.
    """
    if order.phase == "created":
        return end_commands(order, order.open_commands, Ending("rejected", reason=reasons.ALREADY_CREATED), now)
    if order.phase in ("sending", "unknown"):
        # Its work may have been parked, and this arrival may have taken the place of what was parked.
        return Change(order, due=True)
    if order.imported is None:
        return Change(order)
    if order.imported.disposition.kind != "import":
        why = reasons.of_disposition(order.imported.disposition.reason)
        return end_commands(order, order.open_commands, Ending("rejected", reason=why), now)
    if order.match is None or order.match.imported_seq != order.imported.seq:
        return Change(order)
    if isinstance(order.match, OrderUnmatched):
        return _unmatched(order, order.match, now)
    return _attempt(order, now, blocked)


def _unmatched(order: Order, match: OrderUnmatched, now: datetime) -> Change:
    forces = tuple(one for one in order.open_commands if one.mode == "force")
    retries = tuple(one for one in order.open_commands if one.mode == "retry")
    change = end_commands(order, retries, Ending("done", "unmatched", match.reason), now)
    return change.then(lambda it: end_commands(it, forces, Ending("rejected", reason=reasons.STOCK_ONLY), now))


def _attempt(order: Order, now: datetime, blocked: Reason | None) -> Change:
    answered = order.fact is not None and order.fact.match_seq == order.match_seq
    if answered and not order.waiting:
        # Its work may have ended while something of the order was parked.
        return Change(order, due=order.due)
    if blocked is None:
        return plan(order, now)
    return plan_view(order, _blocked_fact(order, now, blocked)).then(
        lambda it: end_commands(it, it.open_commands, Ending("rejected", reason=blocked), now)
    )


def plan(order: Order, now: datetime) -> Change:
    """Promise an attempt with the newest import and match."""
    cause = Cause.of(order.open_commands)
    return plan_view(
        order,
        OrderProgress(
            order_id=order.order_id,
            seq=order.seq + 1,
            at=now,
            command_id=cause.command_id,
            mode=cause.mode,
            imported_seq=order.imported_seq,
            match_seq=order.match_seq,
            phase="planned",
            attempts=order.attempts,
        ),
    )


def _blocked_fact(order: Order, now: datetime, blocked: Reason) -> OrderFailed:
    cause = Cause.of(order.open_commands)
    return OrderFailed(
        order_id=order.order_id,
        seq=order.seq + 1,
        at=now,
        command_id=cause.command_id,
        mode=cause.mode,
        imported_seq=order.imported_seq,
        match_seq=order.match_seq,
        attempts=order.attempts,
        reason=blocked,
    )


def plan_view(order: Order, fact: CreationFact) -> Change:
    """Publish it unless it says nothing new; either way the order's work is due."""
    if same_view(order.fact, fact):
        return Change(order, due=True)
    return Change(replace(order, fact=fact), facts=(fact,), due=True)


def block(order: Order, now: datetime, blocked: Reason) -> Change:
    """The connection stopped working: what was promised fails for now, and its commands end."""
    if not order.due or order.fact is None:
        return Change(order)
    if isinstance(order.fact, OrderFailed) and order.fact.reason == blocked:
        return Change(order)
    return plan_view(order, _blocked_fact(order, now, blocked)).then(
        lambda it: end_commands(it, it.open_commands, Ending("rejected", reason=blocked), now)
    )
