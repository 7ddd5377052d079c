"""An order as the matcher keeps it: what its newest import orders, and what was said of it last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from orderbridge.events import Disposition, Fact, Mode, Reason

from . import reasons

MATCHABLE = ("import", "wait")
"""Dispositions whose orders are matched; a waiting one so that it is ready."""


@dataclass(slots=True, frozen=True)
class Line:
    """An order item; ``amazon_sku`` as Amazon sent it."""

    order_item_id: str
    quantity: int
    amazon_sku: str | None = None


class Import(Fact):
    """Of ``orders.imported.v1`` what matching needs: reading the rest would take most of a hop's time."""

    source: Literal["ingestor"] = "ingestor"
    disposition: Disposition
    ship_by: datetime | None = None
    lines: tuple[Line, ...] = ()


@dataclass(slots=True, frozen=True)
class Order:
    """``seq`` numbers the newest match published; ``fact`` is that match as it was published, if it is loaded."""

    order_id: str
    connection_id: str
    imported_seq: int
    disposition: str | None
    disposition_reason: str | None
    ship_by: datetime | None
    lines: tuple[Line, ...]
    seq: int
    fact: str | None = None

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
