"""Products, variants and their inventory by location, as the shop holds them now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from .gids import gid

ON_HAND: Final = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control")
"""The six states whose sum is ``on_hand``; ``incoming`` stands outside it."""


@dataclass(eq=False, slots=True)
class Location:
    kind: ClassVar[str] = "Location"
    id: int
    name: str
    is_active: bool = True
    fulfills_online_orders: bool = True
    ships_inventory: bool = True

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    activatable = property(lambda self: not self.is_active)
    deactivatable = property(lambda self: self.is_active)
    is_fulfillment_service = False

    @property
    def takes_orders(self) -> bool:
        """Order routing considers only active locations that fulfil online orders."""
        return self.is_active and self.fulfills_online_orders


@dataclass(eq=False, slots=True)
class InventoryQuantity:
    kind: ClassVar[str] = "InventoryQuantity"
    gid: str
    name: str
    quantity: int
    updated_at: datetime


@dataclass(eq=False, slots=True)
class InventoryLevel:
    kind: ClassVar[str] = "InventoryLevel"
    item: "InventoryItem"
    location: Location
    updated_at: datetime
    states: dict[str, int] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        return f"{gid(self.kind, self.location.id)}?inventory_item_id={self.item.id}"

    @property
    def is_active(self) -> bool:
        return self.location.is_active

    def quantity(self, name: str) -> int:
        if name == "on_hand":
            return sum(self.states.get(each, 0) for each in ON_HAND)
        return self.states.get(name, 0)

    def add(self, name: str, delta: int, now: datetime) -> None:
        self.states[name] = self.states.get(name, 0) + delta
        self.updated_at = now

    def put(self, name: str, quantity: int, now: datetime) -> None:
        """Set one state; ``on_hand`` is set through ``available``, which takes the difference."""
        if name == "on_hand":
            self.add("available", quantity - self.quantity("on_hand"), now)
        else:
            self.add(name, quantity - self.quantity(name), now)


@dataclass(eq=False, slots=True)
class InventoryItem:
    kind: ClassVar[str] = "InventoryItem"
    id: int
    created_at: datetime
    updated_at: datetime
    tracked: bool = True
    requires_shipping: bool = True
    variant: "Variant" = field(init=False)
    levels: dict[int, InventoryLevel] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def sku(self) -> str:
        return self.variant.sku

    @property
    def available(self) -> int:
        return sum(level.quantity("available") for level in self.levels.values() if level.is_active)


@dataclass(frozen=True, slots=True)
class SelectedOption:
    name: str
    value: str


@dataclass(eq=False, slots=True)
class Variant:
    kind: ClassVar[str] = "ProductVariant"
    id: int
    product: "Product"
    sku: str
    title: str
    selected_options: tuple[SelectedOption, ...]
    price: Decimal
    inventory_item: InventoryItem
    created_at: datetime
    updated_at: datetime
    inventory_policy: str = "DENY"
    taxable: bool = True
    barcode: str | None = None
    requires_components = False

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def display_name(self) -> str:
        return f"{self.product.title} - {self.title}"

    @property
    def inventory_quantity(self) -> int:
        return self.inventory_item.available

    @property
    def never_refused(self) -> bool:
        """Untracked items and those that continue selling are ordered whatever the stock."""
        return not self.inventory_item.tracked or self.inventory_policy == "CONTINUE"

    @property
    def available_for_sale(self) -> bool:
        return self.product.status == "ACTIVE" and (self.never_refused or self.inventory_quantity > 0)


@dataclass(eq=False, slots=True)
class Product:
    kind: ClassVar[str] = "Product"
    id: int
    title: str
    vendor: str
    status: str
    created_at: datetime
    updated_at: datetime
    product_type: str = ""
    tags: tuple[str, ...] = ()
    variants: list[Variant] = field(default_factory=list)
    is_gift_card = False

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def handle(self) -> str:
        return "-".join(self.title.casefold().split())

    @property
    def total_inventory(self) -> int:
        return sum(variant.inventory_quantity for variant in self.variants)

    @property
    def tracks_inventory(self) -> bool:
        return any(variant.inventory_item.tracked for variant in self.variants)


@dataclass(frozen=True, slots=True)
class Claim:
    """Units that an order took from one level: available fell and committed rose by ``quantity``."""

    level: InventoryLevel
    quantity: int
    place: int = 0
    """Of the order's line, counted from 0."""


def route(wanted: Iterable[tuple[Variant | None, int]], *, obey_policy: bool) -> Sequence[Claim] | None:
    """Choose the locations for an order's lines, or None when one unit cannot be reserved.

    A location that holds the whole line is taken first, else the line is split over those that hold some of it.
    What no location holds is owed by one that stocks it, below zero, unless the policy forbids it; then nothing is
    claimed for any line.
    """
    claims: list[Claim] = []
    taken: dict[InventoryLevel, int] = {}
    for place, (variant, quantity) in enumerate(wanted):
        if variant is None or not variant.inventory_item.tracked:
            continue
        item = variant.inventory_item
        levels = sorted(
            (level for level in item.levels.values() if level.location.takes_orders),
            key=lambda level: level.location.id,
        )
        held = {level: max(0, level.quantity("available") - taken.get(level, 0)) for level in levels}
        if obey_policy and not variant.never_refused and sum(held.values()) < quantity:
            return None
        for level, units in _split(held, quantity):
            taken[level] = taken.get(level, 0) + units
            claims.append(Claim(level, units, place))
    return claims


def _split(held: dict[InventoryLevel, int], quantity: int) -> list[tuple[InventoryLevel, int]]:
    for level, units in held.items():
        if units >= quantity:
            return [(level, quantity)]
    shares: dict[InventoryLevel, int] = {}
    left = quantity
    for level, units in held.items():
        if (share := min(units, left)) > 0:
            shares[level] = share
            left -= share
    if left and held:
        owing = next(iter(shares), None) or max(held, key=lambda level: level.quantity("on_hand"))
        shares[owing] = shares.get(owing, 0) + left
    return list(shares.items())


def commit(claims: Iterable[Claim], now: datetime) -> None:
    for claim in claims:
        claim.level.add("available", -claim.quantity, now)
        claim.level.add("committed", claim.quantity, now)


def release(claims: Iterable[Claim], now: datetime, *, restock: bool) -> None:
    """Undo :func:`commit`; units that are not restocked leave the shop (on_hand falls)."""
    for claim in claims:
        claim.level.add("committed", -claim.quantity, now)
        if restock:
            claim.level.add("available", claim.quantity, now)
