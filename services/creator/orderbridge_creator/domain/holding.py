"""Holding stock for an order that waits at Amazon: when, how much and where, and when it must go back.

Taken only while the order waits; given back when the order is created or closed, or when its match asks for something
else; never given back while it is open whether an order was created from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from orderbridge.events import MatchFact, OrderImported, OrderMatched, OrderProgress, Reservation, ReservedLine

from . import reasons
from .hold import Hold, Move, units_of
from .order import Change, Order
from .outcomes import Stock

CLOSED: Final = ("created", "resolved", "canceled")
GIVE_UP: Final = timedelta(hours=23)
"""How long an unanswered call is made again: Shopify knows its key for 24 hours."""
MOST_MOVES: Final = 250
"""The most that can be moved in one call, and so whole or not at all."""


@dataclass(frozen=True)
class Take:
    """Hold the units of these lines."""

    lines: tuple[ReservedLine, ...]


@dataclass(frozen=True)
class Release:
    """Give back what is held."""

    hold: Hold


@dataclass(frozen=True)
class Repeat:
    """A call was begun whose outcome is not known: make it again."""

    hold: Hold


Todo = Take | Release | Repeat


def todo(order: Order, *, on: bool) -> Todo | None:
    """What is to be done next; ``on``: the connection holds stock for orders that wait."""
    if order.open_outcome:
        return None
    hold = order.hold
    if hold is None:
        lines = _asked_for(order) if on else ()
        return Take(lines) if lines else None
    if hold.state != "held":
        return Repeat(hold)
    return Release(hold) if _is_over(order, hold, on=on) else None


def concerns(order: Order) -> bool:
    """Whether the order holds something, or could be asked to."""
    return order.hold is not None or bool(_asked_for(order))


def ground(order: Order) -> tuple[object, ...]:
    """What ``todo`` is decided by, but for what holding itself changes."""
    return order.imported_seq, order.match_seq, None if order.phase == "holding" else order.phase


def covers(hold: Hold, match: MatchFact) -> bool:
    """Whether the hold is of exactly what the match asks for."""
    return isinstance(match, OrderMatched) and units_of(hold.lines) == units_of(reasons.reserved_lines(match))


def _asked_for(order: Order) -> tuple[ReservedLine, ...]:
    """What an order that waits is to have held: nobody but the merchant takes it out of the shop's stock."""
    imported, match = order.imported, order.match
    if imported is None or order.phase in CLOSED or imported.disposition.kind != "wait":
        return ()
    if imported.fulfilled_by != "merchant" or not isinstance(match, OrderMatched) or not _answers(match, imported):
        return ()
    return tuple(line for line in reasons.reserved_lines(match) if line.quantity > 0)


def _answers(match: MatchFact, imported: OrderImported) -> bool:
    return match.imported_seq == imported.seq


def _is_over(order: Order, hold: Hold, *, on: bool) -> bool:
    imported, match = order.imported, order.match
    if imported is None or order.phase in CLOSED or imported.disposition.kind in ("cancel", "skip"):
        return True
    if imported.disposition.kind == "wait" and not on:
        return True
    if match is None or not _answers(match, imported):
        return False
    return not covers(hold, match)


# --- how much, and where


def allot(
    lines: Iterable[ReservedLine], stock: Mapping[str, Stock], location_id: str | None = None
) -> tuple[Move, ...] | None:
    """Where to take each variant's units from; None when one unit is short, empty when none of them is limited.

    One location that has all units of a variant comes before several that have them together, and before others the
    one that the connection names.
    """
    lines = tuple(lines)
    skus = {line.variant_id: line.shopify_sku for line in lines}
    moves: list[Move] = []
    for variant_id, units in sorted(units_of(lines).items()):
        found = stock.get(variant_id)
        if found is None:
            return None
        if not found.limited:
            continue
        shares = list(_shares(found, units, location_id))
        # What one location owes, another's units are for.
        if found.inventory_item_id is None or found.available < units or sum(share for _, share, _ in shares) < units:
            return None
        item = found.inventory_item_id
        moves += [Move(variant_id, skus[variant_id], item, place, share, there) for place, share, there in shares]
    return tuple(moves) if len(moves) <= MOST_MOVES else None


def _shares(stock: Stock, units: int, location_id: str | None) -> Iterator[tuple[str, int, int]]:
    """Location, units taken from it, and units that are there."""
    levels = [
        (level.location_id, level.available)
        for level in stock.levels
        if level.serves and level.location_id is not None and level.available > 0
    ]
    levels.sort(key=lambda level: level[0] != location_id)
    whole = [level for level in levels if level[1] >= units][:1]
    for place, there in whole or sorted(levels, key=lambda level: -level[1]):
        if (share := min(units, there)) > 0:
            yield place, share, there
            units -= share


# --- what each step leaves behind


def taking(order: Order, lines: tuple[ReservedLine, ...], moves: tuple[Move, ...], now: datetime) -> Order:
    """Write down, before it is asked for, that these units may have been moved."""
    intent = order.hold_intents + 1
    return replace(order, hold=Hold("taking", lines, moves, intent, now), hold_intents=intent)


def releasing(order: Order, hold: Hold, now: datetime) -> tuple[Order, Hold]:
    """The same, of the way back."""
    intent = order.hold_intents + 1
    begun = replace(hold, state="releasing", intent=intent, since=now)
    return replace(order, hold=begun, hold_intents=intent), begun


def taken(order: Order, hold: Hold, now: datetime) -> Change:
    held = replace(hold, state="held", since=now, held_at=now)
    return _shown(replace(order, hold=held), held.reservation("held", now), now)


def not_taken(order: Order) -> Change:
    """Nothing was moved."""
    return Change(replace(order, hold=None), due=order.due)


def not_released(order: Order, hold: Hold, now: datetime) -> Change:
    """Nothing was moved: what is left of the hold stands, and the next try is a call of its own."""
    return Change(replace(order, hold=replace(hold, state="held", since=now)))


def released(order: Order, before: Hold, now: datetime) -> Change:
    """Nothing is held any more of what was held ``before``."""
    return _shown(replace(order, hold=None), before.reservation("released", now), now)


def expired(hold: Hold, now: datetime) -> bool:
    """Whether it is too late to make the call of this intent again."""
    return hold.state != "held" and now - hold.since > GIVE_UP


def abandoned(order: Order, now: datetime) -> Change:
    """Forget a call that was never answered; a person was told."""
    hold = order.hold
    if hold is None or hold.state == "held":
        return Change(order)
    return released(order, hold, now) if hold.state == "releasing" else not_taken(order)


def _shown(order: Order, reservation: Reservation, now: datetime) -> Change:
    """An attempt that is promised, or failed, keeps its fact; what is closed has said its last word.

    A promised attempt that waited for the units to be settled is due.
    """
    if order.phase in CLOSED:
        return Change(order)
    fact = order.fact
    number = {"seq": order.seq + 1, "at": now}
    if fact is not None and order.wanted is not None and fact.phase in ("planned", "failed"):
        told = fact.model_copy(update={**number, "reservation": reservation})
        return Change(replace(order, fact=told), facts=(told,), due=order.due)
    progress = OrderProgress(
        order_id=order.order_id,
        **number,
        imported_seq=order.imported_seq,
        match_seq=order.match_seq,
        phase="holding",
        attempts=order.attempts,
        reservation=reservation,
    )
    return Change(replace(order, fact=progress), facts=(progress,))


def in_words(hold: Hold) -> str:
    """What is held, for a person and for the log."""
    return ", ".join(f"{move.units} of {move.shopify_sku or move.variant_id}" for move in hold.moves)
