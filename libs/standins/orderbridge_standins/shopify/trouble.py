"""Scripted trouble: which call it meets, how often, and whether the call takes effect."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "throttled",
    "http429",
    "error500",
    "error502",
    "html",
    "timeout_before",
    "timeout_after",
    "cut_before",
    "cut_after",
    "late",
    "unauthorized",
    "access_denied",
    "internal_error",
    "too_many_attempts",
    "garbled_after",
    "bulk_fail",
    "bulk_cut",
]
AFTER_EFFECT: Final[frozenset[Kind]] = frozenset({"timeout_after", "cut_after", "garbled_after"})
REFUSING: Final[frozenset[Kind]] = frozenset({"throttled", "http429", "unauthorized", "access_denied"})
"""An answer that says plainly that nothing was done; the ledger books it as refused."""
GRAPHQL_ONLY: Final[frozenset[Kind]] = frozenset({"throttled", "access_denied", "internal_error", "too_many_attempts"})
ANY_CALL: Final = "*"
TOKEN_CALL: Final = "token"
DOWNLOAD_CALL: Final = "download"
"""Fetching the file of a bulk operation."""
BULK_RUN: Final = "bulk run"
"""Not a call: an operation that begins; ``bulk_fail`` lets it end as FAILED."""


@dataclass(slots=True)
class Trouble:
    kind: Kind
    operation: str
    times: int
    hang_s: float
    late_s: float
    retry_after: float
    error_code: str = "INTERNAL_SERVER_ERROR"

    def meets(self, calls: Collection[str]) -> bool:
        if self.kind == "too_many_attempts":
            return "orderCreate" in calls
        if self.kind == "bulk_fail" or BULK_RUN in calls:
            return self.kind == "bulk_fail" and BULK_RUN in calls
        if self.kind == "bulk_cut":
            return DOWNLOAD_CALL in calls
        if self.kind in GRAPHQL_ONLY and (TOKEN_CALL in calls or DOWNLOAD_CALL in calls):
            return False
        return self.operation == ANY_CALL or self.operation in calls


class Script:
    """Troubles in the order they were asked for; each is used up by the calls it meets."""

    def __init__(self) -> None:
        self._waiting: list[Trouble] = []

    def add(self, trouble: Trouble) -> None:
        self._waiting.append(trouble)

    def next_for(self, calls: Collection[str]) -> Trouble | None:
        for trouble in self._waiting:
            if trouble.meets(calls):
                trouble.times -= 1
                if trouble.times <= 0:
                    self._waiting.remove(trouble)
                return trouble
        return None

    def clear(self) -> None:
        self._waiting.clear()
