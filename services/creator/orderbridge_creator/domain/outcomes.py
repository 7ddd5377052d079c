"""What a call to Shopify came to, in the creator's words."""

from __future__ import annotations

from dataclasses import dataclass, field

from orderbridge.errors import Blocked
from orderbridge.events import ShopifyOrder
from orderbridge.money import Money

Problem = tuple[str, str, str]
"""Shopify's words: code, field, message; the order's personal values are cut out of them."""


@dataclass(frozen=True)
class Accepted:
    """The order exists. What else the answer says is None where it could not be read."""

    shopify: ShopifyOrder
    variant_ids: tuple[str | None, ...] | None = None
    total: Money | None = None


@dataclass(frozen=True)
class StockRefused:
    """Not enough stock; nothing was created."""


@dataclass(frozen=True)
class IdentityTaken:
    """An order with this Amazon order id exists already; nothing was created."""


@dataclass(frozen=True)
class OrderRefused:
    """Shopify does not take what the order says; nothing was created."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class NotSent:
    """The call never left: no connection, or our own budget was used up."""

    retry_after_s: float | None = None


@dataclass(frozen=True)
class Slowed:
    """Shopify asked us to slow down; nothing promises that the call did nothing."""

    retry_after_s: float | None = None


@dataclass(frozen=True)
class Unanswered:
    """It may have taken effect, or still may."""


@dataclass(frozen=True)
class Closed:
    """The connection cannot work until somebody mends it; nothing was created."""

    why: Blocked = field(compare=False)


Outcome = Accepted | StockRefused | IdentityTaken | OrderRefused | NotSent | Slowed | Unanswered | Closed


@dataclass(frozen=True)
class CancelAccepted:
    """Shopify carries it out by and by; ``job`` is None where it named none."""

    job: str | None


@dataclass(frozen=True)
class CancelRefused:
    """Not canceled, or canceled before."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class UnitsMoved:
    """All of them, now or when the same call was made before."""


@dataclass(frozen=True)
class MoveStale:
    """None was moved: the stock is not what was read, or an earlier try of the call failed."""


@dataclass(frozen=True)
class UnitsGone:
    """None was moved: the items or locations of these moves, by their places in the call, are not there."""

    places: frozenset[int]


@dataclass(frozen=True)
class MoveRefused:
    """None was moved, for what the call says."""

    problems: tuple[Problem, ...]


MoveOutcome = UnitsMoved | MoveStale | UnitsGone | MoveRefused


@dataclass(frozen=True)
class FulfillmentOrder:
    """What a location is to send of an order, which nobody has begun; without ``location_id`` Shopify named none."""

    gid: str
    location_id: str | None


@dataclass(frozen=True)
class Reassigned:
    """Another location is to send it now."""


@dataclass(frozen=True)
class ReassignmentRefused:
    """It stays where it is."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Level:
    """A variant's units at one location; ``serves`` when online orders can be fulfilled from it."""

    location: str
    serves: bool
    available: int
    location_id: str | None = None


@dataclass(frozen=True)
class Stock:
    """A variant's stock; ``limited`` when it is tracked and does not go on selling without stock."""

    limited: bool
    levels: tuple[Level, ...] = ()
    sku: str | None = None
    inventory_item_id: str | None = None
    product_id: str | None = None

    @property
    def available(self) -> int:
        return sum(level.available for level in self.levels if level.serves)
