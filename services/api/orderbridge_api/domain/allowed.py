"""What an operator may do with an order: the table of contract section 4, for the modes that are built."""

from __future__ import annotations

from dataclasses import dataclass

from orderbridge.events import Mode
from orderbridge.status import Status

MODES: tuple[Mode, ...] = ("retry", "force")


@dataclass(frozen=True)
class Verdict:
    """``code`` is the 409's, None when allowed; ``remedy`` is what mends the order, in one plain sentence."""

    allowed: bool
    code: str | None = None
    remedy: str | None = None


_BOUND_TO_VARIANT = ("sku_changed_after_import", "variant_missing")
_CONNECTION = ("connection_unauthorized", "connection_misconfigured")

_REMEDIES = {
    "fulfilled_by_amazon": "Switch on import_fulfilled_by_amazon to import such orders.",
    "import_disabled": "Switch import_enabled on for this connection.",
    "marketplace_not_selected": "Add the marketplace to the connection's settings.",
    "before_start_date": "Set import_from to an earlier moment.",
    "awaiting_payment": "Wait for Amazon to release the order.",
    "unknown_amazon_status": "Wait for Amazon to say more.",
    "sku_not_found": "Put the SKU on the right Shopify variant, then retry.",
    "ambiguous_sku": "Leave the SKU on one Shopify variant only, then retry.",
    "sku_changed_after_import": "Give the Shopify variant its old SKU back.",
    "variant_missing": "Bring the Shopify variant back.",
    "unable_to_reserve_inventory": "Restock the items and retry, or force the order.",
    "money_mismatch": "Compare the two figures in the reason's details, then retry.",
    "address_missing": "Complete the fields that the reason's details name, then retry.",
    "shopify_refused": "Mend what Shopify names in the reason's details, then retry.",
    "duplicate_suspected": "Look at the other order in the reason's details, then retry.",
    "connection_unauthorized": "Give the connection working credentials; the order is then retried by itself.",
    "connection_misconfigured": "Mend what the connection names as missing; the order is then retried by itself.",
    "message_parked": "Replay the parked message once its cause is mended.",
}


def allowed(status: Status, reason: str | None, mode: Mode, link: str | None = None) -> Verdict:
    """Whether ``mode`` may be asked for; ``link`` leads to the Shopify order, if one exists."""
    remedy = _REMEDIES.get(reason or "")
    if status in ("imported", "matched", "creating"):
        return Verdict(False, "in_progress", "Wait: the order is on its way.")
    if status == "created":
        return Verdict(False, "already_created", f"Open the order in Shopify: {link}" if link else None)
    if status == "unmatched":
        if reason in _BOUND_TO_VARIANT:
            return Verdict(False, reason, remedy)
        return Verdict(True, None, remedy) if mode == "retry" else Verdict(False, "stock_only", remedy)
    if status == "failed" and reason != "message_parked":
        if mode == "retry" or reason == "unable_to_reserve_inventory":
            return Verdict(True, None, remedy)
        return Verdict(False, reason if reason in _CONNECTION else "stock_only", remedy)
    return Verdict(False, reason or "not_applicable", remedy)
