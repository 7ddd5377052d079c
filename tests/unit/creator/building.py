"""Builders of the creator's orders."""

from __future__ import annotations

from typing import Any

from orderbridge.events import Command, CommandMode, MatchFact, Reservation, ShopifyOrder
from orderbridge_creator.domain import phases
from orderbridge_creator.domain.intake import compare, take_import, take_match
from orderbridge_creator.domain.order import Change, Order
from tests.support.facts import ORDER, at, imported, matched

SHOPIFY = ShopifyOrder(order_id="gid://shopify/Order/1", name="#1001")
CLAIMED = Reservation(state="claimed", at=at())


def order_with(match: MatchFact | None = None) -> Order:
    """Imported, matched, planned."""
    order = take_match(take_import(Order(ORDER, "main"), imported()), match or matched())
    return compare(order, at(), None).order


def sent(order: Order) -> Order:
    return phases.sending(order, at()).order


def command(command_id: str, mode: CommandMode, **more: Any) -> Command:
    values = {"order_id": ORDER, "connection_id": "main", "reason": "made by hand", "actor": "key:test", "at": at()}
    return Command(command_id=command_id, mode=mode, **(values | more))


def ends(change: Change) -> dict[str, tuple[str, str | None]]:
    """By command: its state, and its outcome or the code of its reason."""
    return {
        ended.command_id: (
            ended.state,
            ended.outcome if ended.state == "done" else ended.reason.code if ended.reason else None,
        )
        for ended in change.ended
    }
