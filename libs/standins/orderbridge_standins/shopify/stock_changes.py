"""``inventorySetQuantities`` and ``inventoryAdjustQuantities``: compare-and-swap, repeatable under one key.

``inventoryMoveQuantities`` builds on the same, in a module of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from graphql import GraphQLError

from .definitions import UserError
from .gids import gid, number_of
from .shop import Shop, StoredResult
from .stock import InventoryItem, InventoryLevel, Location

KEY_LIFE_S: Final = 24 * 3600.0
ADJUSTABLE: Final = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")
_REASONS: Final = (
    "correction, cycle_count_available, damaged, movement_canceled, movement_created, movement_received,"
    " movement_updated, other, promotion, quality_control, received, reservation_created, reservation_deleted,"
    " reservation_updated, restock, safety_stock, shrinkage"
)
_STALE: Final = "The changeFromQuantity argument no longer matches the persisted quantity."
_MISMATCH: Final = UserError(
    "The same idempotency key cannot be used with different operation parameters.",
    None,
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
)


@dataclass(frozen=True, slots=True)
class InventoryChange:
    name: str
    delta: int
    quantity_after_change: int
    ledger_document_uri: str | None
    item: InventoryItem
    location: Location


@dataclass(frozen=True, slots=True)
class InventoryAdjustmentGroup:
    kind: ClassVar[str] = "InventoryAdjustmentGroup"
    gid: str
    created_at: datetime
    reason: str
    reference_document_uri: str | None
    changes: tuple[InventoryChange, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """By how much one quantity changes, once its level is known; ``place`` names its line, ``path`` what says so."""

    place: tuple[str, ...]
    path: tuple[str, ...]
    given: Mapping[str, Any]
    name: str
    delta: Callable[[InventoryLevel], int]


def set_quantities(shop: Shop, given: Mapping[str, Any], key: str | None) -> Mapping[str, Any]:
    """The payload of ``inventorySetQuantities``; all of its quantities are set, or none."""
    name = given["name"]

    def wish(place: int, line: Mapping[str, Any]) -> Wish:
        path = ("input", "quantities", str(place))
        return Wish(path, path, line, name, lambda level: line["quantity"] - level.quantity(name))

    lines = given["quantities"]
    require_compare(lines, "InventoryQuantityInput")
    wishes = [wish(place, line) for place, line in enumerate(lines)]
    errors = [*bad_reason(given), *_bad_set(name, lines)]
    return repeatable(shop, ("set", given), key, lambda: apply(shop, given, wishes, errors))


def adjust_quantities(shop: Shop, given: Mapping[str, Any], key: str | None) -> Mapping[str, Any]:
    """The payload of ``inventoryAdjustQuantities``; all of its changes are made, or none."""
    name, lines = given["name"], given["changes"]

    def wish(place: int, line: Mapping[str, Any]) -> Wish:
        path = ("input", "changes", str(place))
        return Wish(path, path, line, name, lambda _: int(line["delta"]))

    require_compare(lines, "InventoryChangeInput")
    wishes = [wish(place, line) for place, line in enumerate(lines)]
    errors = [*bad_reason(given), *_bad_adjustment(name, lines)]
    return repeatable(shop, ("adjust", given), key, lambda: apply(shop, given, wishes, errors))


def require_compare(lines: list[Mapping[str, Any]], type_name: str) -> None:
    if any("changeFromQuantity" not in line for line in lines):
        message = f"{type_name} must include the following argument: changeFromQuantity."
        raise GraphQLError(message, extensions={"code": "INVALID_FIELD_ARGUMENTS"})


def repeatable(shop: Shop, arguments: Any, key: str | None, run: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    if key is None:
        message = "The @idempotent directive is required for this mutation but was not provided."
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
    now = shop.clock.monotonic()
    stored = shop.idempotent.get(key)
    if stored is None or stored.until <= now:
        stored = shop.idempotent[key] = StoredResult(arguments, run(), now + KEY_LIFE_S)
    elif stored.arguments != arguments:
        return {"inventoryAdjustmentGroup": None, "userErrors": [_MISMATCH]}
    return stored.payload


def bad_reason(given: Mapping[str, Any]) -> Iterator[UserError]:
    if given["reason"] not in _REASONS.split(", "):
        message = f"The specified reason is invalid. Valid values are: {_REASONS}."
        yield UserError(message, ("input", "reason"), "INVALID_REASON")


def _bad_set(name: str, lines: list[Mapping[str, Any]]) -> Iterator[UserError]:
    if name not in ("available", "on_hand"):
        yield UserError("The quantity name must be either 'available' or 'on_hand'.", ("input", "name"), "INVALID_NAME")
    seen: set[tuple[str, str]] = set()
    for place, line in enumerate(lines):
        path = ("input", "quantities", str(place))
        if name == "on_hand" and line["quantity"] < 0:
            message = "The quantity can't be negative."
            yield UserError(message, (*path, "quantity"), "INVALID_QUANTITY_NEGATIVE")
        pair = (line["inventoryItemId"], line["locationId"])
        if pair in seen:
            message = "The combination of inventoryItemId and locationId must be unique."
            yield UserError(message, (*path, "locationId"), "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR")
        seen.add(pair)


def _bad_adjustment(name: str, lines: list[Mapping[str, Any]]) -> Iterator[UserError]:
    if name not in ADJUSTABLE:
        message = f"The specified quantity name is invalid. Valid values are: {', '.join(ADJUSTABLE)}."
        yield UserError(message, ("input", "name"), "INVALID_QUANTITY_NAME")
        return
    for place, line in enumerate(lines):
        path, uri = ("input", "changes", str(place), "ledgerDocumentUri"), line.get("ledgerDocumentUri")
        if name == "available" and uri:
            message = "A ledger document URI is not allowed when adjusting available."
            yield UserError(message, path, "INVALID_AVAILABLE_DOCUMENT")
        elif name != "available" and not uri:
            message = "A ledger document URI is required except when adjusting available."
            yield UserError(message, path, "INVALID_QUANTITY_DOCUMENT")
        elif uri and uri.startswith("gid://shopify/"):
            message = "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API."
            yield UserError(message, None, "INTERNAL_LEDGER_DOCUMENT")
    if len({line.get("ledgerDocumentUri") for line in lines}) > 1:
        message = (
            "All changes must have the same ledger document URI or, in the case of adjusting available,"
            " no ledger document URI."
        )
        yield UserError(message, ("input", "changes"), "MAX_ONE_LEDGER_DOCUMENT")


def apply(shop: Shop, given: Mapping[str, Any], wishes: list[Wish], errors: list[UserError]) -> Mapping[str, Any]:
    found = [(wish, _level(shop, wish)) for wish in wishes]
    errors = errors or [level for _, level in found if isinstance(level, UserError)]
    if errors:
        return {"inventoryAdjustmentGroup": None, "userErrors": errors}
    now = shop.clock.now()
    changes = tuple(_change(wish, level, now) for wish, level in found if isinstance(level, InventoryLevel))
    shop.stock_changed(change.item.levels[change.location.id] for change in changes if change.delta)
    reason, reference = given["reason"], given.get("referenceDocumentUri")
    group_gid = gid("InventoryAdjustmentGroup", shop.next_id())
    group = InventoryAdjustmentGroup(group_gid, now, reason, reference, changes)
    return {"inventoryAdjustmentGroup": group, "userErrors": []}


def _level(shop: Shop, wish: Wish) -> InventoryLevel | UserError:
    number = number_of("InventoryItem", wish.given["inventoryItemId"])
    item = None if number is None else shop.items.get(number)
    if item is None:
        message = "The specified inventory item could not be found."
        return UserError(message, (*wish.place, "inventoryItemId"), "INVALID_INVENTORY_ITEM")
    place = number_of("Location", wish.given["locationId"])
    level = None if place is None else item.levels.get(place)
    if level is None:
        message = "The specified location could not be found."
        return UserError(message, (*wish.path, "locationId"), "INVALID_LOCATION")
    expected = wish.given["changeFromQuantity"]
    if expected is not None and expected != level.quantity(wish.name):
        return UserError(_STALE, (*wish.path, "changeFromQuantity"), "CHANGE_FROM_QUANTITY_STALE")
    return level


def _change(wish: Wish, level: InventoryLevel, now: datetime) -> InventoryChange:
    delta = wish.delta(level)
    level.put(wish.name, level.quantity(wish.name) + delta, now)
    level.item.updated_at = now
    after, uri = level.quantity(wish.name), wish.given.get("ledgerDocumentUri")
    return InventoryChange(wish.name, delta, after, uri, level.item, level.location)
