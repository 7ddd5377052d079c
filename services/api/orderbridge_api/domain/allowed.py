"""What an operator may do with an order: the table of contract section 4, as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from orderbridge.status import Status

OrderMode = Literal["retry", "rematch", "force", "refetch", "resolve", "cancel"]
MODES: tuple[OrderMode, ...] = ("retry", "rematch", "force", "refetch", "resolve", "cancel")


@dataclass(frozen=True)
class Verdict:
    """``code`` is the 409's, None when allowed; ``remedy`` is what mends the order, in one plain sentence."""

    allowed: bool
    code: str | None = None
    remedy: str | None = None


YES = True
NO = False
"""A bare 409: it has the code of its row, else the order's reason code, else ``not_applicable``."""
STOCK_ONLY = "stock_only"
Cell = bool | str


@dataclass(frozen=True)
class Row:
    """``reasons`` of the statuses it is about, None for any; a cell is ``YES``, ``NO``, or a 409's own code."""

    statuses: tuple[Status, ...]
    reasons: tuple[str, ...] | None
    retry: Cell
    rematch: Cell
    force: Cell
    refetch: Cell
    resolve: Cell
    cancel: Cell
    code: str | None = None


_BOUND = ("sku_changed_after_import", "variant_missing")
_NO_STOCK = ("unable_to_reserve_inventory",)
_CONNECTION = ("connection_unauthorized", "connection_misconfigured")
_PARKED = ("message_parked",)

# The first row that fits; reasons that are not known yet are treated like the others of their status.
#                                   retry rematch force      refetch resolve cancel
_TABLE = (
    Row(("skipped",), None,         NO,   NO,     NO,         YES,    NO,     NO),
    Row(("pending",), None,         NO,   NO,     NO,         YES,    YES,    NO),
    Row(("imported", "matched"), None,
                                    NO,   NO,     NO,         YES,    YES,    NO, "in_progress"),
    Row(("creating",), None,        NO,   NO,     NO,         NO,     NO,     NO, "in_progress"),
    Row(("unmatched",), _BOUND,     NO,   YES,    NO,         YES,    YES,    NO),
    Row(("unmatched",), None,       YES,  YES,    STOCK_ONLY, YES,    YES,    NO),
    Row(("failed",), _NO_STOCK,     YES,  YES,    YES,        YES,    YES,    NO),
    Row(("failed",), _CONNECTION,   YES,  YES,    NO,         YES,    YES,    NO),
    Row(("failed",), _PARKED,       NO,   NO,     NO,         YES,    YES,    NO),
    Row(("failed",), None,          YES,  YES,    STOCK_ONLY, YES,    YES,    NO),
    Row(("created",), None,         NO,   NO,     NO,         YES,    NO,     YES, "already_created"),
    Row(("canceled",), None,        NO,   NO,     NO,         YES,    NO,     NO),
)  # fmt: skip

_REMEDIES = {
    "fulfilled_by_amazon": "Switch on import_fulfilled_by_amazon to import such orders, then refetch.",
    "import_disabled": "Switch import_enabled on for this connection, then refetch.",
    "marketplace_not_selected": "Add the marketplace to the connection's settings, then refetch.",
    "before_start_date": "Back-fill the order, or set import_from to an earlier moment and refetch.",
    "awaiting_payment": "Wait for Amazon to release the order.",
    "unknown_amazon_status": "Wait for Amazon to say more.",
    "sku_not_found": "Map the SKU, or put it on the product.",
    "ambiguous_sku": "Map the SKU, or leave it on one Shopify variant only.",
    "ambiguous_title": "Map the SKU, or put it on the product.",
    "mapping_target_missing": "Correct the mapping, or put its Shopify SKU on one product.",
    "sku_changed_after_import": "Rematch the order against today's products, or give the variant its old SKU back.",
    "variant_missing": "Rematch the order against today's products, or bring the variant back.",
    "unable_to_reserve_inventory": "Restock the items, or force the order.",
    "money_mismatch": "Compare the two figures in the reason's details, then retry.",
    "address_missing": "Complete the fields that the reason's details name, then retry.",
    "shopify_refused": "Mend what Shopify names in the reason's details, then retry.",
    "duplicate_suspected": "Look at the other order in the reason's details, then retry.",
    "connection_unauthorized": "Give the connection working credentials; the order is then retried by itself.",
    "connection_misconfigured": "Mend what the connection names as missing; the order is then retried by itself.",
    "message_parked": "Replay the parked message once its cause is mended.",
}


def allowed(status: Status, reason: str | None, mode: OrderMode, link: str | None = None) -> Verdict:
    """Whether ``mode`` may be asked for; ``link`` leads to the Shopify order, if one exists."""
    row = _row_of(status, reason)
    cell: Cell = getattr(row, mode)
    remedy = _remedy(row, reason, link)
    if cell is YES:
        return Verdict(True, None, remedy)
    if isinstance(cell, str):
        return Verdict(False, cell, remedy)
    return Verdict(False, row.code or reason or "not_applicable", remedy)


@lru_cache(maxsize=256)
def _row_of(status: Status, reason: str | None) -> Row:
    return next(row for row in _TABLE if status in row.statuses and (row.reasons is None or reason in row.reasons))


def _remedy(row: Row, reason: str | None, link: str | None) -> str | None:
    if row.code == "in_progress":
        return "Wait: the order is on its way."
    if row.code == "already_created":
        return f"Open the order in Shopify: {link}" if link else None
    return _REMEDIES.get(reason or "")
