"""Moving units between available and reserved at one location (Shopify Admin API 2026-10).

``inventoryMoveQuantities`` takes effect once for a key: Shopify keeps the result of each key for 24 hours, so a call
whose answer never came is made again with the very same key and arguments until it is answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import Permanent, Refused, Throttled, Unavailable
from .client import Client
from .privacy import Problem, user_problems
from .tokens import Shop

MOVE_COST: Final = 15
MOVES_A_CALL: Final = 250
"""The most that Shopify takes as one list."""
MOVE_DEADLINE_S: Final = 30.0
MOVE_SCOPE: Final = "write_inventory"
BUSY_S: Final = 1.0

_GONE: Final = frozenset({"INVALID_INVENTORY_ITEM", "INVALID_LOCATION", "NON_MUTABLE_INVENTORY_ITEM"})
_OPEN: Final = frozenset({"IDEMPOTENCY_CONCURRENT_REQUEST", "SERVICE_UNAVAILABLE"})
_VOID: Final = frozenset({"CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"})
_CHANGE: Final = re.compile(r"changes\.(\d+)")

Direction = Literal["reserve", "release"]


@dataclass(frozen=True, slots=True)
class StockMove:
    """Units of an item at one location; ``available`` is how many there must be, None: whatever there are."""

    inventory_item_id: str
    location_id: str
    units: int
    available: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """All of it was moved, now or when the same call was made before."""


@dataclass(frozen=True, slots=True)
class MoveStale:
    """Nothing was moved, nor will be under this key: a level is not what it was, or an earlier try failed."""


@dataclass(frozen=True, slots=True)
class ItemsGone:
    """Nothing was moved: these moves, by their place in the call, name an item or a location that is not there."""

    places: frozenset[int]


@dataclass(frozen=True, slots=True)
class MoveRefused:
    """Nothing was moved, for what the call says."""

    problems: tuple[Problem, ...]


MoveOutcome = Moved | MoveStale | ItemsGone | MoveRefused


class StockMover(Client):
    async def move_stock(
        self, shop: Shop, moves: Sequence[StockMove], direction: Direction, *, key: str, document: str
    ) -> MoveOutcome:
        """Move all of it or nothing; ``document`` is the URI that the reserved units are booked under.

        :raises Throttled, Unavailable: it may have been moved or not; make the same call again, within 24 hours.
        :raises Blocked: the same, once somebody has mended the connection.
        """
        asked = {
            "reason": "reservation_created" if direction == "reserve" else "reservation_deleted",
            "referenceDocumentUri": document,
            "changes": [_change(move, direction, document) for move in moves],
        }
        variables = {"input": asked, "key": key}
        try:
            data = await self.execute(
                shop,
                "inventory_move_quantities",
                variables,
                cost=MOVE_COST,
                reserve=0.0,
                deadline_s=MOVE_DEADLINE_S,
            )
        except Permanent as error:
            problems = error.problems if isinstance(error, Refused) else ()
            return MoveRefused(problems or (("", "", str(error)),))
        payload = data.get("inventoryMoveQuantities")
        return _outcome(shop.domain, payload if isinstance(payload, Mapping) else {})


def _change(move: StockMove, direction: Direction, document: str) -> dict[str, Any]:
    available = {"name": "available", "locationId": move.location_id, "changeFromQuantity": move.available}
    reserved = {
        "name": "reserved",
        "locationId": move.location_id,
        "changeFromQuantity": None,
        "ledgerDocumentUri": document,
    }
    source, target = (available, reserved) if direction == "reserve" else (reserved, available)
    return {"inventoryItemId": move.inventory_item_id, "quantity": move.units, "from": source, "to": target}


def _outcome(domain: str, payload: Mapping[str, Any]) -> MoveOutcome:
    errors = [error for error in payload.get("userErrors") or () if isinstance(error, Mapping)]
    problems = user_problems(errors, {})
    codes = {code for code, _, _ in problems}
    if not problems:
        if isinstance(payload.get("inventoryAdjustmentGroup"), Mapping):
            return Moved()
        raise Unavailable(f"{domain} answered with neither a change of stock nor an error")
    if codes & _OPEN:
        raise Throttled(f"{domain} is still busy with the same change of stock", retry_after_s=BUSY_S)
    gone = [problem for problem in problems if problem[0] in _GONE]
    if places := frozenset(int(found[1]) for _, field, _ in gone if (found := _CHANGE.search(field))):
        return ItemsGone(places)
    if codes & _VOID:
        return MoveStale()
    return MoveRefused(problems)
