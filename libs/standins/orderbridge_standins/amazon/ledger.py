"""The record of every call a client made, for tests and the demo to compare with; tokens never enter it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Call:
    """``status`` is None when the connection was cut instead of answered.

    ``window_orders`` says how many orders matched the whole window of a ``searchOrders`` when its first page was asked
    for, and is None when the search was refused; both it and ``first_page`` are None for every other operation.
    """

    operation: str
    at: str
    params: Mapping[str, str]
    n: int = 0
    seller_id: str | None = None
    status: int | None = None
    order_ids: list[str] = field(default_factory=list)
    trouble: str | None = None
    first_page: bool | None = None
    window_orders: int | None = None


class Ledger:
    def __init__(self) -> None:
        self._calls: list[Call] = []

    def begin(self, call: Call) -> Call:
        """Number a call in the order of arrival; its outcome is filled in later."""
        call.n = len(self._calls) + 1
        self._calls.append(call)
        return call

    def read(self, since: int = 0) -> dict[str, Any]:
        """Calls with a number above ``since``; the counts are of all."""
        operations = Counter(call.operation for call in self._calls)
        statuses = Counter(f"{call.operation} {call.status or 'cut'}" for call in self._calls)
        return {
            "calls": [asdict(call) for call in self._calls[since:]],
            "counts": {"total": len(self._calls), **operations, "by_status": dict(statuses)},
        }
