"""What becomes of an order: the table of design section 5, the first line that holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from orderbridge.events import ConnectionChanged, Disposition

from .orders import Known, Told

KNOWN_STATUSES = frozenset(
    {
        "PENDING_AVAILABILITY",
        "PENDING",
        "UNSHIPPED",
        "PARTIALLY_SHIPPED",
        "SHIPPED",
        "CANCELLED",
        "UNFULFILLABLE",
    }
)
"""``fulfillmentStatus`` of Orders API v2026-01-01; an open set, so others are expected."""


@dataclass(frozen=True)
class Policy:
    """What a connection's settings say of its orders; ``marketplaces`` None means all."""

    import_from: datetime
    import_enabled: bool = True
    marketplaces: Collection[str] | None = None
    import_fulfilled_by_amazon: bool = False


def policy_of(connection: ConnectionChanged) -> Policy:
    settings = connection.settings
    return Policy(
        import_from=settings.import_from or connection.added_at,
        import_enabled=settings.import_enabled,
        marketplaces=None if settings.marketplaces is None else frozenset(settings.marketplaces),
        import_fulfilled_by_amazon=settings.import_fulfilled_by_amazon,
    )


def dispose(told: Told, known: Known, policy: Policy | None) -> Disposition:
    """Decide anew; ``known`` gives the order's history, ``policy`` is None when the connection was removed."""
    if told.status not in KNOWN_STATUSES:
        return _wait("unknown_amazon_status")
    if told.status == "CANCELLED":
        if not known.ever_open:
            return _skip("canceled_before_import")
        return Disposition(kind="cancel", reason=f"canceled_by_{told.canceled_by or 'amazon'}")
    if told.status == "UNFULFILLABLE":
        return _skip("unfulfillable_at_amazon")
    if policy is not None and policy.marketplaces is not None and told.marketplace_id not in policy.marketplaces:
        return _skip("marketplace_not_selected")
    if told.sales_channel != "AMAZON":
        return _skip("not_sold_on_amazon")
    if policy is None:
        return _skip("connection_removed")
    if told.fulfilled_by == "unknown":
        return _wait("unknown_amazon_status")
    if told.fulfilled_by == "amazon" and not policy.import_fulfilled_by_amazon:
        return _skip("fulfilled_by_amazon")
    if not policy.import_enabled or known.switched_off:
        return _skip("import_disabled")
    if not known.named and (told.purchased_at is None or told.purchased_at < policy.import_from):
        return _skip("before_start_date")
    if told.status == "SHIPPED" and told.fulfilled_by == "merchant":
        return _skip("already_shipped")
    if told.status in ("PENDING", "PENDING_AVAILABILITY"):
        return _wait("awaiting_payment")
    return Disposition(kind="import")


def _wait(reason: str) -> Disposition:
    return Disposition(kind="wait", reason=reason)


def _skip(reason: str) -> Disposition:
    return Disposition(kind="skip", reason=reason)
