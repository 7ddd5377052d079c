"""The visible status of an order: a pure function of the newest fact per source (contract section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .events import CreationFact, MatchFact, OrderFailed, OrderImported, OrderMatched, OrderUnmatched, Reason

Status = Literal["imported", "pending", "skipped", "unmatched", "matched", "creating", "created", "failed", "canceled"]
STATUSES: tuple[Status, ...] = (
    "imported",
    "pending",
    "skipped",
    "unmatched",
    "matched",
    "creating",
    "created",
    "failed",
    "canceled",
)

MESSAGES = {
    "fulfilled_by_amazon": "Amazon fulfils this order itself.",
    "import_disabled": "Import is switched off for this connection.",
    "connection_removed": "The connection of this order was removed.",
    "marketplace_not_selected": "The order's marketplace is not selected for import.",
    "not_sold_on_amazon": "The order was not sold on Amazon.",
    "before_start_date": "The order was placed before the connection's start date.",
    "already_shipped": "The order is already shipped.",
    "canceled_before_import": "The order was canceled before it could be imported.",
    "unfulfillable_at_amazon": "Amazon says that the order cannot be fulfilled.",
    "resolved_by_operator": "An operator closed the order as handled elsewhere.",
    "awaiting_payment": "Amazon has not released the order yet.",
    "unknown_amazon_status": "Amazon gives a status that is not known here; the order waits.",
    "outcome_unknown": "Shopify's answer did not arrive; it is looked up before anything is sent again.",
    "message_parked": "A message of this order could not be processed; replay it once the cause is mended.",
    "canceled_by_amazon": "Amazon canceled the order.",
    "canceled_by_buyer": "The buyer canceled the order.",
    "canceled_by_merchant": "The order was canceled at Amazon by the merchant.",
    "canceled_by_operator": "An operator canceled the order.",
}


@dataclass(frozen=True)
class Standing:
    """Where an order stands, and why when that needs saying."""

    status: Status
    reason: Reason | None = None


def _said(code: str | None) -> Reason | None:
    return Reason(code=code, message=MESSAGES.get(code, code)) if code else None


def standing(
    imported: OrderImported | None,
    match: MatchFact | None,
    creation: CreationFact | None,
    *,
    parked: bool = False,
) -> Standing:
    """The first line of contract section 3 that holds; ``parked``: a message of the order is parked and open."""
    phase = creation.phase if creation else None
    disposition = imported.disposition if imported else None
    kind = disposition.kind if disposition else None
    why = _said(disposition.reason) if disposition else None
    if phase == "canceled" or (kind == "cancel" and phase not in ("sending", "unknown", "created")):
        return Standing("canceled", why if kind == "cancel" else _said("canceled_by_operator"))
    if phase == "created":
        return Standing("created")
    if phase in ("sending", "unknown"):
        return Standing("creating", _said("outcome_unknown") if phase == "unknown" else None)
    if phase == "resolved" or kind == "skip":
        return Standing("skipped", _said("resolved_by_operator") if phase == "resolved" else why)
    if parked:
        return Standing("failed", _said("message_parked"))
    if isinstance(creation, OrderFailed) and match is not None and creation.match_seq == match.seq:
        return Standing("failed", creation.reason)
    if kind == "wait":
        return Standing("pending", why)
    if match is not None and imported is not None and match.imported_seq == imported.seq:
        if isinstance(match, OrderUnmatched):
            return Standing("unmatched", match.reason)
        if isinstance(match, OrderMatched):
            return Standing("matched")
    return Standing("imported")
