"""One poll of one connection: a fixed window, page after page, each stored before the next is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from orderbridge.errors import Transient
from orderbridge.events import ConnectionChanged
from orderbridge.step.parking import described

from ..domain.orders import ReadOrder, UnreadableOrder
from ..domain.windows import Progress, advanced, next_window, watermark_after
from ..ports import Amazon, Page, Polled, Transactions, Unit, WindowLost
from .taking import Taken, park_orders, take_one_by_one, take_orders

log = structlog.get_logger(__name__)

Take = Callable[[str, Sequence[ReadOrder], Unit], Awaitable[Taken]]


class Poller:
    """Polls; ``may_pass`` tells which errors of the database may not come again."""

    def __init__(self, store: Transactions, amazon: Amazon, may_pass: Callable[[BaseException], bool]) -> None:
        self._store = store
        self._amazon = amazon
        self._may_pass = may_pass

    async def poll(self, connection: ConnectionChanged, stopping: Callable[[], bool] = lambda: False) -> None:
        """Go on with the poll that was under way, or begin one; the watermark moves after its last page.

        ``stopping`` is asked between two pages. Whatever leaves from here, nothing is lost: the next call goes on with
        the next page, or with a window that begins no later.

        :raises WindowLost: the search cannot be gone on with; the next call begins a new one.
        """
        now = await self._amazon.now(connection)
        async with self._store.transaction() as unit:
            polled = await unit.polled(connection.connection_id)
        progress = polled.progress
        if progress is None or not progress.resumable(now):
            settings = connection.settings
            window = next_window(
                start=settings.import_from or connection.added_at,
                watermark=polled.watermark,
                overlap_s=settings.overlap_s,
                safety_lag_s=settings.safety_lag_s,
                now=now,
                marketplace_ids=connection.amazon.marketplace_ids,
            )
            if window is None:
                return
            progress = Progress(window)
        taken = Taken()
        while True:
            progress, more = await self._next_page(connection, polled, progress)
            taken += more
            if progress.token is None:
                break
            if stopping():
                return
        log.info(
            "polled",
            connection_id=connection.connection_id,
            after=progress.window.after,
            before=progress.window.before,
            pages=progress.pages,
            orders=progress.orders,
            published=taken.published,
            parked=taken.parked,
            watermark_moved=progress.bound is not None,
        )

    async def _next_page(
        self, connection: ConnectionChanged, polled: Polled, progress: Progress
    ) -> tuple[Progress, Taken]:
        name = connection.connection_id
        try:
            page = await self._amazon.search(connection, progress.window, progress.token)
            further = advanced(
                progress,
                page=_digest(page),
                orders=len(page.orders),
                token=hashlib.sha256(page.token.encode()).hexdigest() if page.token else None,
                answered=page.answered,
            )
            if further is None:
                raise WindowLost("Amazon's pages repeat")
        except WindowLost as lost:
            log.warning(
                "window given up", connection_id=name, after=progress.window.after, pages=progress.pages, why=str(lost)
            )
            async with self._store.transaction() as unit:
                await unit.save_progress(name, None)
            raise
        further = further.waiting_for(page.token, await self._amazon.now(connection))

        async def store(unit: Unit) -> None:
            if further.token is not None:
                await unit.save_progress(name, further)
            else:
                await unit.end_poll(name, watermark_after(polled.watermark, further))

        return further, await self._take(name, page, store)

    async def _take(self, connection_id: str, page: Page, store: Callable[[Unit], Awaitable[None]]) -> Taken:
        """The page and how far the poll has come with it, in one transaction."""
        readable = [order for order in page.orders if isinstance(order, ReadOrder)]
        unreadable = [order for order in page.orders if isinstance(order, UnreadableOrder)]
        take: Take = take_orders
        while True:
            try:
                async with self._store.transaction() as unit:
                    taken = await take(connection_id, readable, unit)
                    taken += await park_orders(connection_id, unreadable, unit)
                    await store(unit)
                return taken
            except Exception as error:
                if isinstance(error, Transient) or self._may_pass(error) or take is take_one_by_one:
                    raise
                log.warning("page failed, taking it order by order", connection_id=connection_id, why=described(error))
                take = take_one_by_one


def _digest(page: Page) -> str | None:
    """The same for two pages with the same orders; None for a page that has none whose id can be read."""
    ids = sorted(order.amazon_order_id for order in page.orders if order.amazon_order_id)
    return hashlib.sha256(" ".join(ids).encode()).hexdigest() if ids else None
