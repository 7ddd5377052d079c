"""Where an order stands, for the commands that ask something of it: what they may, and when they lead to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orderbridge.events import Reason
from orderbridge.status import standing

from . import reasons
from .order import Order


@dataclass(frozen=True)
class Settled:
    """Nothing is to be created (any more): ``status`` is the order's, ``reason`` says why."""

    status: str
    reason: Reason


def settled(order: Order) -> Settled | None:
    """None while an attempt may still be made, or one is under way."""
    where = standing(order.imported, order.match, order.fact)
    disposition = order.imported.disposition if order.imported else None
    if where.status == "created":
        return Settled("created", reasons.already_created(order.fact.shopify if order.fact else None))
    if where.status in ("canceled", "skipped"):
        return Settled(where.status, where.reason or reasons.of_disposition(None))
    if where.status != "creating" and disposition is not None and disposition.kind == "wait":
        return Settled("pending", reasons.of_disposition(disposition.reason))
    return None


def refusal(order: Order, mode: Literal["resolve", "cancel"]) -> Reason | None:
    """Why the order may not be resolved, or canceled, as it stands now (contract section 4); None when it may."""
    where = standing(order.imported, order.match, order.fact)
    match where.status:
        case "creating":
            return reasons.IN_PROGRESS
        case "created":
            return None if mode == "cancel" else reasons.already_created(order.fact.shopify if order.fact else None)
        case "canceled" | "skipped":
            return where.reason or reasons.of_disposition(None)
        case _:
            return None if mode == "resolve" else where.reason or reasons.IN_PROGRESS
