"""An order as the matcher keeps it: what its newest import orders, and what was said of it last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from orderbridge.events import Disposition, Fact, LineMatch, Mode, Reason

from . import reasons

MATCHABLE = ("import", "wait")
"""Dispositions whose orders are matched; a waiting one so that it is ready."""

Pins = tuple[LineMatch, ...]
"""The lines of an order's newest successful match: the variants it is bound to, with the SKUs they had then."""


@dataclass(slots=True, frozen=True)
class Line:
    """An order item; SKU and title as Amazon sent them."""

    order_item_id: str
    quantity: int
    amazon_sku: str | None = None
    title: str | None = None


class Import(Fact):
    """Of ``orders.imported.v1`` what matching needs: reading the rest would take most of a hop's time."""

    source: Literal["ingestor"] = "ingestor"
    disposition: Disposition
    purchased_at: datetime | None = None
    ship_by: datetime | None = None
    lines: tuple[Line, ...] = ()


class Created(Fact):
    """Of ``orders.created.v1`` just that there is a Shopify order now."""

    source: Literal["creator"] = "creator"


@dataclass(slots=True, frozen=True)
class Order:
    """``seq`` numbers the newest match published; ``fact`` is that match as it was published, if it is loaded."""

    order_id: str
    connection_id: str
    imported_seq: int
    disposition: str | None
    disposition_reason: str | None
    purchased_at: datetime | None
    ship_by: datetime | None
    lines: tuple[Line, ...]
    seq: int
    fact: str | None = None
    pins: Pins = ()
    created: bool = False
    """There is a Shopify order: nothing that happens to a variant takes its match away any more."""

    @property
    def matchable(self) -> bool:
        return self.disposition in MATCHABLE


class OpenCommand(NamedTuple):
    """A command that no fact has answered yet."""

    command_id: str
    order_id: str
    mode: Mode


def refusal(order: Order | None) -> Reason | None:
    """Why a command for the order can lead to nothing, None when it can lead to something (contract section 4)."""
    if order is not None and order.disposition == "import":
        return None
    return reasons.of_disposition(order.disposition_reason if order else None)
