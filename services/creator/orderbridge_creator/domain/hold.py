"""Units that are held for an order before it can be created: what was moved to reserved at the shop, and where."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from orderbridge.events import Reservation, ReservedLine
from orderbridge.ids import amazon_order_id_of

_KEYS: Final = uuid.UUID("5b0f4c0e-6d0b-5c43-9d0e-6a3b6f0c7d11")


@dataclass(frozen=True)
class Move:
    """Units of a variant at one location; ``available`` is how many were there when the stock was read."""

    variant_id: str
    shopify_sku: str | None
    inventory_item_id: str
    location_id: str
    units: int
    available: int


@dataclass(frozen=True)
class Hold:
    """What is held, or on its way to it or back; an order without one holds nothing.

    ``lines`` is all that the match asked for, ``moves`` what of it is limited and so was moved. A hold that is
    ``taking`` or ``releasing`` is an intent: written down before the call, which is made under one key until it is
    answered. ``intent`` numbers the order's intents.
    """

    state: Literal["taking", "held", "releasing"]
    lines: tuple[ReservedLine, ...]
    moves: tuple[Move, ...]
    intent: int
    since: datetime
    held_at: datetime | None = None
    """When the units were moved; None while they are being taken."""
    gone: tuple[int, ...] = ()
    """Places of moves whose item or location is not there any more: nothing is left to give back."""

    @property
    def open_moves(self) -> tuple[Move, ...]:
        return tuple(move for place, move in enumerate(self.moves) if place not in self.gone)

    def without(self, places: Iterable[int]) -> Hold:
        """Without these of the open moves."""
        still = [place for place in range(len(self.moves)) if place not in self.gone]
        found = {still[place] for place in places if place < len(still)}
        return replace(self, gone=tuple(sorted({*self.gone, *found})))

    @property
    def reserved_lines(self) -> tuple[ReservedLine, ...]:
        """The lines whose units were moved."""
        moved = {move.variant_id for move in self.moves}
        return tuple(line for line in self.lines if line.variant_id in moved)

    def reservation(self, state: Literal["held", "released"], at: datetime) -> Reservation:
        return Reservation(state=state, lines=self.reserved_lines, at=at)

    def key(self, order_id: str) -> str:
        """The idempotency key of the call under way: the same for the same intent, for no two intents the same."""
        moves = (
            f"{move.inventory_item_id},{move.location_id},{move.units},{move.available}" for move in self.open_moves
        )
        return str(uuid.uuid5(_KEYS, "|".join((order_id, self.state, str(self.intent), str(self.since), *moves))))


def units_of(lines: Iterable[ReservedLine]) -> dict[str, int]:
    """Units by variant."""
    units = Counter[str]()
    for line in lines:
        units[line.variant_id] += line.quantity
    return {variant_id: count for variant_id, count in units.items() if count > 0}


def document_of(order_id: str) -> str:
    """The document that held units are booked under at the shop."""
    return f"gid://orderbridge/AmazonOrder/{amazon_order_id_of(order_id)}"
