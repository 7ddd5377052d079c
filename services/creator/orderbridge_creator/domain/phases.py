"""The named phases of one Shopify write, and what is to be done next in each.

``planned -> sending -> created | failed | unknown -> (settle, look up) -> created | planned``. Each arrow is one
transaction; the calls to Shopify lie between them. Who finds an order ``sending`` has taken it over from a worker that
died: nothing may be sent again before whatever that worker sent has had its time to take effect (``settle``, counted
from the take-over), and before Shopify was asked whether the order exists.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orderbridge.events import (
    CreationFact,
    OrderCreated,
    OrderFailed,
    OrderMatched,
    OrderProgress,
    Reason,
    Reservation,
    ShopifyOrder,
)
from orderbridge.ids import amazon_order_id_of
from orderbridge.money import Money

from . import holding, reasons
from .aftermath import made_of
from .intake import plan
from .order import Cause, Change, Ending, Order, end_apart, end_commands
from .outcomes import Accepted


@dataclass(frozen=True)
class Nothing:
    """Created, or not asked for any more: the work is done."""


@dataclass(frozen=True)
class Held:
    """Something of the order is parked: nothing is sent until that is replayed or superseded; its commands end."""


@dataclass(frozen=True)
class TakeOver:
    """Another worker died while it was sending."""


@dataclass(frozen=True)
class Settle:
    """Come back later: what was sent may still take effect."""

    seconds: float


@dataclass(frozen=True)
class LookUp:
    """Ask Shopify whether the order exists."""


@dataclass(frozen=True)
class Reserving:
    """Units are being moved for the order, or others are held than it needs: nothing is sent until that is settled."""


@dataclass(frozen=True)
class Send:
    """Create the order from this match."""

    match: OrderMatched


Step = Nothing | Held | TakeOver | Settle | LookUp | Reserving | Send


def next_step(order: Order, clock: datetime, settle_s: float, *, parked: bool) -> Step:
    """``clock`` is the database's time, which all workers share."""
    if order.phase == "created":
        return Nothing()
    if order.phase == "sending":
        return TakeOver()
    if order.phase == "unknown":
        settled_at = (order.unknown_since or clock) + timedelta(seconds=settle_s)
        if clock < settled_at:
            return Settle((settled_at - clock).total_seconds())
        return LookUp()
    match = order.wanted
    if match is None or not order.due:
        # What carried a command came to nothing, and what would be sent instead may be what is parked.
        return Held() if parked and order.carried else Nothing()
    if parked:
        return Held()
    if order.look_up_first:
        return LookUp()
    if order.hold is not None and not (order.hold.state == "held" and holding.covers(order.hold, match)):
        return Reserving()
    return Send(match)


def _of_attempt(order: Order, now: datetime) -> dict[str, Any]:
    """The fields that a fact about the attempt under way has in common with the newest fact."""
    fact = order.newest
    return {
        "order_id": order.order_id,
        "seq": order.seq + 1,
        "at": now,
        "command_id": fact.command_id,
        "mode": fact.mode,
        "imported_seq": fact.imported_seq,
        "match_seq": fact.match_seq,
        "attempts": order.attempts,
        "made_of": fact.made_of,
    }


def _publish(order: Order, fact: CreationFact) -> Change:
    return Change(replace(order, fact=fact), facts=(fact,))


def forced(order: Order) -> bool:
    """Whether one of the commands that the attempt answers is a force."""
    return any(one.mode == "force" for one in order.open_commands)


def sending(order: Order, now: datetime) -> Change:
    """Write down, before it is sent, that it may have been sent; the waiting commands ride with it."""
    carried = tuple(replace(one, state="carried") if one.state == "waiting" else one for one in order.asked)
    cause = Cause.of(order.open_commands)
    fact = OrderProgress(
        order_id=order.order_id,
        seq=order.seq + 1,
        at=now,
        command_id=cause.command_id,
        mode=cause.mode,
        imported_seq=order.imported_seq,
        match_seq=order.match_seq,
        phase="sending",
        attempts=order.attempts + 1,
        reservation=order.held,
        made_of=made_of(order.imported),
    )
    return _publish(replace(order, asked=carried, unknown_since=None, look_up_first=False, identity_taken=False), fact)


def unknown(order: Order, now: datetime, clock: datetime, *, identity_taken: bool = False) -> Change:
    """The outcome is open from ``clock`` (the database's time) on."""
    fact = OrderProgress(**_of_attempt(order, now), phase="unknown", reservation=order.held)
    return _publish(replace(order, unknown_since=clock, identity_taken=identity_taken), fact)


def created(order: Order, now: datetime, shopify: ShopifyOrder, reservation: Reservation | None) -> Change:
    """The order exists; every command of the attempt is done, every other comes too late."""
    fact = OrderCreated(**_of_attempt(order, now), shopify=shopify, reservation=reservation)
    change = _publish(replace(order, unknown_since=None, look_up_first=False), fact)
    carried = order.carried
    late = order.waiting
    too_late = Ending("rejected", reason=reasons.already_created(shopify))
    return change.then(lambda it: end_commands(it, carried, Ending("done", "created"), now)).then(
        lambda it: end_apart(it, late, Ending("done", "created"), too_late, now)
    )


def claimed(order: Order, now: datetime) -> Reservation | None:
    """Shopify took the stock with the order; the lines are told while the match that was sent is still the newest.

    None of an order that Amazon ships: it leaves the shop's stock alone.
    """
    if order.imported is not None and order.imported.fulfilled_by == "amazon":
        return None
    sent = order.match
    same = isinstance(sent, OrderMatched) and order.fact is not None and sent.seq == order.fact.match_seq
    lines = reasons.reserved_lines(sent) if same and isinstance(sent, OrderMatched) else ()
    return Reservation(state="claimed", lines=lines, at=now)


def failed(order: Order, now: datetime, reason: Reason, reservation: Reservation | None = None) -> Change:
    """It was certainly not created; the commands of the attempt are done, with this outcome.

    Commands that came after it was sent wait for an attempt of their own.
    """
    sent = order.open_outcome
    fact = OrderFailed(**_of_attempt(order, now), reason=reason, reservation=reservation or order.held)
    ended = order.carried if sent else order.open_commands
    change = _publish(replace(order, unknown_since=None, look_up_first=False), fact)
    return change.then(lambda it: end_commands(it, ended, Ending("done", "failed", reason), now))


def disconnected(order: Order, now: datetime, reason: Reason) -> Change:
    """The connection stopped working before anything was created: the order fails for now, and stays due."""
    fact = OrderFailed(**_of_attempt(order, now), reason=reason, reservation=order.held)
    change = _publish(order, fact)
    return change.then(lambda it: end_commands(it, it.open_commands, Ending("rejected", reason=reason), now))


def not_created(order: Order, now: datetime, *, look_up_first: bool = False) -> Change:
    """It is certain, or after a look-up as good as certain, that nothing was created: back to ``planned``."""
    return plan(replace(order, unknown_since=None, look_up_first=look_up_first, identity_taken=False), now)


def looked_up_in_vain(order: Order, now: datetime) -> Change:
    """The shop has no such order."""
    if order.identity_taken:
        return failed(order, now, reasons.of_duplicate(amazon_order_id_of(order.order_id)))
    return not_created(order, now)


def held(order: Order, now: datetime) -> Change:
    """Something of the order is parked: its commands lead to nothing."""
    return end_commands(order, order.open_commands, Ending("rejected", reason=reasons.MESSAGE_PARKED), now)


def held_back(order: Order, now: datetime) -> Change:
    """The same, of an order that something is parked of just now; what was sent still has its outcome to come."""
    commands = order.waiting if order.open_outcome else order.open_commands
    return end_commands(order, commands, Ending("rejected", reason=reasons.MESSAGE_PARKED), now)


def differences(accepted: Accepted, match: OrderMatched, total: Money) -> tuple[str, ...]:
    """What Shopify made otherwise than it was asked, in words for the log; empty when all is as it should be."""
    found = []
    if accepted.total is not None and (
        accepted.total.currency != total.currency or accepted.total.amount != total.amount
    ):
        found.append(f"total {accepted.total} instead of {total}")
    if accepted.variant_ids is not None:
        asked = {target.variant_id for line in match.lines for target in line.targets if target.quantity > 0}
        made = Counter(accepted.variant_ids)
        foreign = [variant or "a line without a variant" for variant in made if variant not in asked]
        missing = sorted(asked - {variant for variant in made if variant})
        found += [f"{variant} was not asked for" for variant in foreign]
        found += [f"{variant} is missing" for variant in missing]
    return tuple(found)
