"""How a shop's whole catalogue is read: Shopify writes it to a file, we read that, and ask for what it did not name.

The file is a picture of the shop at the moment it was begun. What is read by another way meanwhile is newer, and counts
as confirmed; a variant that nothing confirmed is asked for by its id before it is taken for gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

AGAIN_AFTER = timedelta(hours=24)
"""Only a full export tells of deletions that no webhook told of."""


@dataclass(frozen=True, slots=True)
class Export:
    """What Shopify says of an export: over when it is complete or failed."""

    operation: str
    created_at: datetime
    complete: bool
    failed: bool
    url: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One export of a shop: asked for, being read (``lines`` are kept already), being swept, or done."""

    shop: str
    state: Literal["asked", "loading", "sweeping", "done"]
    operation: str | None = None
    created_at: datetime | None = None
    """Shopify's time: what changed since is not in the file."""
    lines: int = 0
    finished_at: datetime | None = None

    def due_in_s(self, now: datetime) -> float:
        """Seconds until the next export of the shop is due; of a run that is not done, none."""
        if self.state != "done" or self.finished_at is None:
            return 0.0
        return max(0.0, (self.finished_at + AGAIN_AFTER - now).total_seconds())
