"""One page of a search, and how far the search has come with it."""

from __future__ import annotations

import hashlib

from orderbridge.events import ConnectionChanged

from ..domain.windows import Progress, advanced
from ..ports import Amazon, Page, WindowLost


async def next_page(
    amazon: Amazon, connection: ConnectionChanged, progress: Progress, reserve: float = 0.0
) -> tuple[Page, Progress]:
    """Ask for it; ``reserve`` is the part of the quota that it leaves to others.

    :raises WindowLost: the search cannot be gone on with.
    """
    page = await amazon.search(connection, progress.window, progress.token, reserve)
    further = advanced(
        progress,
        page=_digest(page),
        orders=len(page.orders),
        token=hashlib.sha256(page.token.encode()).hexdigest() if page.token else None,
        answered=page.answered,
    )
    if further is None:
        raise WindowLost("Amazon's pages repeat")
    return page, further.waiting_for(page.token, await amazon.now(connection))


def _digest(page: Page) -> str | None:
    """The same for two pages with the same orders; None for a page that has none whose id can be read."""
    ids = sorted(order.amazon_order_id for order in page.orders if order.amazon_order_id)
    return hashlib.sha256(" ".join(ids).encode()).hexdigest() if ids else None
