"""What the shop was asked and what took effect: the other side of the importer's books."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .gids import gid
from .money import normalised
from .orders import Order

Outcome = Literal["accepted", "refused", "cut_off"]


@dataclass(slots=True)
class Attempt:
    """One orderCreate. accepted: it took effect, whether or not the answer arrived; refused: Shopify said no;
    cut_off: it ended without effect because of trouble."""

    n: int
    at: datetime
    amazon_order_id: str | None
    trouble: str | None
    outcome: Outcome = "cut_off"
    order_gid: str | None = None
    user_errors: list[Mapping[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "at": self.at.isoformat(),
            "amazon_order_id": self.amazon_order_id,
            "outcome": self.outcome,
            "effect": self.outcome == "accepted",
            "trouble": self.trouble,
            "order_gid": self.order_gid,
            "user_errors": self.user_errors,
        }


class Ledger:
    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.calls: Counter[str] = Counter()

    def begin(self, amazon_order_id: str | None, trouble: str | None, now: datetime) -> Attempt:
        attempt = Attempt(len(self.attempts) + 1, now, amazon_order_id, trouble)
        self.attempts.append(attempt)
        return attempt

    def as_json(self, orders: Iterable[Order]) -> dict[str, Any]:
        outcomes = Counter(attempt.outcome for attempt in self.attempts)
        return {
            "order_creates": [attempt.as_json() for attempt in self.attempts],
            "counts": {
                "accepted": outcomes["accepted"],
                "refused": outcomes["refused"],
                "cut_off": outcomes["cut_off"],
                "calls": dict(self.calls),
            },
            "orders": [_order_as_json(order) for order in orders],
        }


def amazon_order_id_of(given: Any) -> str | None:
    """The Amazon order id inside an order input, from its ``id`` metafield or its sourceIdentifier."""
    if not isinstance(given, Mapping):
        return None
    metafields = given.get("metafields")
    for metafield in metafields if isinstance(metafields, list) else ():
        if isinstance(metafield, Mapping) and metafield.get("key") == "amazon_order_id":
            return str(metafield.get("value"))
    source = given.get("sourceIdentifier")
    return source if isinstance(source, str) else None


def _order_as_json(order: Order) -> dict[str, Any]:
    marked = next((m.value for m in order.metafields if m.key == "amazon_order_id"), order.source_identifier)
    return {
        "gid": order.gid,
        "name": order.name,
        "amazon_order_id": marked,
        "email": order.email,
        "tags": list(order.tags),
        "fulfillment_status": order.display_fulfillment_status,
        "shipping": [line.title for line in order.shipping],
        "by_hand": order.by_hand,
        "cancelled": order.cancelled_at is not None,
        "cancel_reason": order.cancel_reason,
        "restocked_units": sum(claim.quantity for claim in order.claims) if order.restocked else 0,
        "total": normalised(order.total),
        "currency": order.currency_code,
        "lines": [
            {
                "variant_id": None if line.variant_id is None else gid("ProductVariant", line.variant_id),
                "sku": line.sku,
                "quantity": line.quantity,
            }
            for line in order.lines
        ],
    }
