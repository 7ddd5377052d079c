"""The one error of the runner."""

from __future__ import annotations


class StartError(Exception):
    """Something is missing or in the way; ``remedy`` is what the operator can do. Shown as one line, exit code 2."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} — {remedy}")
        self.what = what
        self.remedy = remedy
