"""What a newly arrived fact asks for. Facts come in any order and more than once; each arrival decides again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orderbridge.events import (
    CreationFact,
    MatchFact,
    Mode,
    OrderFailed,
    OrderImported,
    OrderProgress,
    OrderUnmatched,
    Reason,
)

from . import reasons
from .order import Asked, Cause, Change, Ending, Order, end_apart, end_commands, same_view
from .remedies import give_up
from .standing import settled


def take_import(order: Order, event: OrderImported) -> Order:
    """Keep the newest; the refetch that came with an older one waits for an answer all the same."""
    order = _asked(order, event.command_id, "refetch")
    if order.imported is not None and order.imported.seq >= event.seq:
        return order
    return replace(order, imported=event)


def take_match(order: Order, event: MatchFact) -> Order:
    """Keep the newest; a command that comes with an older one counts for the next attempt all the same."""
    order = _asked(order, event.command_id, event.mode or "retry")
    if order.match is not None and order.match.seq >= event.seq:
        return order
    return replace(order, match=event)


def _asked(order: Order, command_id: str | None, mode: Mode) -> Order:
    if command_id is None or any(one.command_id == command_id for one in order.asked):
        return order
    return replace(order, asked=(*order.asked, Asked(command_id, mode)))


def compare(order: Order, now: datetime, blocked: Reason | None) -> Change:
    """Hold the newest facts against what was done; ``blocked`` is why the connection does not work, if so.

    Every new match that answers the newest import is one attempt, whatever failed before. A command that can lead to
    nothing ends. What is being sent is left alone: it is compared when its outcome is known.
    """
    if order.open_outcome:
        # Its work may have been parked, and this arrival may have taken the place of what was parked.
        return replace(turn_away(order, now, blocked), due=True)
    if (end := settled(order)) is not None:
        done = Ending("done", end.status, None if end.status == "created" else end.reason)
        return end_apart(order, order.open_commands, done, Ending("rejected", reason=end.reason), now)
    if order.imported is None or order.match is None or order.match.imported_seq != order.imported.seq:
        return turn_away(order, now, blocked)
    if isinstance(order.match, OrderUnmatched):
        return _unmatched(order, order.match, now)
    return _attempt(order, now, blocked)


def turn_away(order: Order, now: datetime, blocked: Reason | None) -> Change:
    """What waits for something to come ends when the connection does not work; what was sent keeps its commands."""
    if blocked is None:
        return Change(order)
    waiting = order.waiting if order.open_outcome else order.open_commands
    return end_commands(order, waiting, Ending("rejected", reason=blocked), now)


def _unmatched(order: Order, match: OrderUnmatched, now: datetime) -> Change:
    """A rematch or a refetch is answered by it; a retry of what only a rematch mends, and every force, is not."""
    bound = match.reason.code in reasons.BOUND_TO_VARIANT
    forces = tuple(one for one in order.open_commands if one.mode == "force")
    retries = tuple(one for one in order.open_commands if one.mode == "retry")
    rest = tuple(one for one in order.open_commands if one.mode not in ("force", "retry"))
    done = Ending("done", "unmatched", match.reason)
    refused = Ending("rejected", reason=match.reason)
    stock_only = Ending("rejected", reason=reasons.STOCK_ONLY)
    change = end_commands(order, rest, done, now)
    change = change.then(lambda it: end_commands(it, retries, refused if bound else done, now))
    return change.then(lambda it: end_commands(it, forces, refused if bound else stock_only, now))


def _attempt(order: Order, now: datetime, blocked: Reason | None) -> Change:
    # What is held says nothing of an attempt.
    answered = order.fact is not None and order.phase != "holding" and order.fact.match_seq == order.match_seq
    if answered and not order.waiting:
        # Its work may have ended while something of the order was parked.
        return Change(order, due=order.due)
    if blocked is None:
        return plan(order, now)
    return plan_view(order, _blocked_fact(order, now, blocked)).then(lambda it: turn_away(it, now, blocked))


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
            reservation=order.held,
            made_of=order.made_of,
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
        reservation=order.held,
        reason=blocked,
        made_of=order.made_of,
    )


def plan_view(order: Order, fact: CreationFact) -> Change:
    """Publish it unless it says nothing new; either way the order's work is due."""
    if same_view(order.fact, fact):
        return Change(order, due=True)
    return Change(replace(order, fact=fact), facts=(fact,), due=True)


def block(order: Order, now: datetime, blocked: Reason) -> Change:
    """The connection stopped working: what was promised fails for now, and the order's commands end."""
    change = Change(order)
    if order.due and not (isinstance(order.fact, OrderFailed) and order.fact.reason == blocked):
        change = plan_view(order, _blocked_fact(order, now, blocked))
    return change.then(lambda it: turn_away(it, now, blocked)).then(lambda it: give_up(it, now, blocked))
