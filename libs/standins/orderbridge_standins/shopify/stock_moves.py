"""``inventoryMoveQuantities``: units change their state at one location; all of the changes are made, or none.

A move is no stock check: ``available`` may fall below zero.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .definitions import UserError
from .shop import Shop
from .stock_changes import ADJUSTABLE, Wish, apply, bad_reason, repeatable, require_compare

MOST_DOCUMENTS: Final = 2
"""Ledger documents that one call may name."""


def move_quantities(shop: Shop, given: Mapping[str, Any], key: str | None) -> Mapping[str, Any]:
    """The payload of ``inventoryMoveQuantities``."""
    changes = given["changes"]
    require_compare([change[end] for change in changes for end in ("from", "to")], "InventoryMoveQuantityTerminalInput")
    errors = [*bad_reason(given), *_bad_documents(changes)]
    for number, change in enumerate(changes):
        errors += _bad_change(("input", "changes", str(number)), change)
    wishes = [wish for number, change in enumerate(changes) for wish in _wishes(number, change)]
    return repeatable(shop, ("move", given), key, lambda: apply(shop, given, wishes, errors))


def _wishes(number: int, change: Mapping[str, Any]) -> Iterator[Wish]:
    place, units = ("input", "changes", str(number)), int(change["quantity"])
    item = {"inventoryItemId": change["inventoryItemId"]}
    taken, put = change["from"], change["to"]
    yield Wish(place, (*place, "from"), {**item, **taken}, taken["name"], lambda _: -units)
    yield Wish(place, (*place, "to"), {**item, **put}, put["name"], lambda _: units)


def _bad_change(path: tuple[str, ...], change: Mapping[str, Any]) -> Iterator[UserError]:
    if change["quantity"] < 0:
        yield UserError("The quantity can't be negative.", (*path, "quantity"), "INVALID_QUANTITY_NEGATIVE")
    if change["from"]["locationId"] != change["to"]["locationId"]:
        message = "The quantities can't be moved between different locations."
        yield UserError(message, path, "DIFFERENT_LOCATIONS")
    if change["from"]["name"] == change["to"]["name"]:
        message = "The quantity names for each change can't be the same."
        yield UserError(message, path, "SAME_QUANTITY_NAME")
    for end in ("from", "to"):
        yield from _bad_end((*path, end), change[end])


def _bad_end(path: tuple[str, ...], end: Mapping[str, Any]) -> Iterator[UserError]:
    name, uri = end["name"], end.get("ledgerDocumentUri")
    if name not in ADJUSTABLE:
        message = f"The specified quantity name is invalid. Valid values are: {', '.join(ADJUSTABLE)}."
        yield UserError(message, (*path, "name"), "INVALID_QUANTITY_NAME")
    elif name == "available" and uri:
        message = "A ledger document URI is not allowed when adjusting available."
        yield UserError(message, (*path, "ledgerDocumentUri"), "INVALID_AVAILABLE_DOCUMENT")
    elif name != "available" and not uri:
        message = "A ledger document URI is required except when adjusting available."
        yield UserError(message, (*path, "ledgerDocumentUri"), "INVALID_QUANTITY_DOCUMENT")
    elif uri and uri.startswith("gid://shopify/"):
        message = "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API."
        yield UserError(message, None, "INTERNAL_LEDGER_DOCUMENT")


def _bad_documents(changes: list[Mapping[str, Any]]) -> Iterator[UserError]:
    named = {change[end].get("ledgerDocumentUri") for change in changes for end in ("from", "to")} - {None}
    if len(named) > MOST_DOCUMENTS:
        message = f"The maximum number of ledger document URIs is {MOST_DOCUMENTS}."
        yield UserError(message, ("input", "changes"), "MAXIMUM_LEDGER_DOCUMENT_URIS")
