"""Trouble that the control door orders in advance: the next so many calls of an operation go wrong in one way."""

from dataclasses import dataclass
from typing import Final

PAGE_KINDS: Final = frozenset({"unreadable_order", "duplicate_page"})
"""Trouble with what a page holds; it is spent only on a page where it can show."""

_ANY_CALL: Final = frozenset(
    {
        "throttle",
        "error500",
        "error503",
        "html",
        "empty",
        "malformed",
        "not_json_object",
        "hang",
        "cut",
        "forbidden",
        "bad_request",
    }
)
KINDS: Final = {
    "token": _ANY_CALL,
    "getOrder": _ANY_CALL | {"expired_token", "unreadable_order"},
    "searchOrders": _ANY_CALL | {"expired_token"} | PAGE_KINDS,
}


@dataclass
class Trouble:
    """``times`` calls still to spoil, of one seller or of anyone; ``hang_s`` is real time."""

    operation: str
    kind: str
    times: int
    seller_id: str | None
    hang_s: float


class Troubles:
    """What is still to go wrong, oldest order first."""

    def __init__(self) -> None:
        self._ordered: list[Trouble] = []

    def order(self, trouble: Trouble) -> None:
        """Plan trouble; :class:`ValueError` names what this operation cannot suffer."""
        if trouble.operation not in KINDS:
            raise ValueError(f"unknown operation {trouble.operation}, known are {', '.join(KINDS)}")
        if trouble.kind not in KINDS[trouble.operation]:
            raise ValueError(
                f"{trouble.operation} knows no trouble {trouble.kind}, "
                f"only {', '.join(sorted(KINDS[trouble.operation]))}"
            )
        if trouble.times < 1:
            raise ValueError("times is at least 1")
        self._ordered.append(trouble)

    def next_for(self, operation: str, seller_id: str | None) -> Trouble | None:
        for trouble in self._ordered:
            if trouble.operation == operation and trouble.seller_id in (None, seller_id):
                return trouble
        return None

    def spend(self, trouble: Trouble) -> None:
        """Count one spoiled call."""
        trouble.times -= 1
        if trouble.times == 0:
            self._ordered.remove(trouble)

    def clear(self) -> None:
        self._ordered.clear()
