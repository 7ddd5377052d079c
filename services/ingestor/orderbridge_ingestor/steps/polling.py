"""One poll of one connection: a fixed window, page after page, each stored before the next is asked for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from orderbridge.events import ConnectionChanged

from ..domain.windows import Progress, next_window, watermark_after
from ..ports import Amazon, Polled, Transactions, Unit, WindowLost
from .paging import next_page
from .taking import Taken, take_page

log = structlog.get_logger(__name__)


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
            page, further = await next_page(self._amazon, connection, progress)
        except WindowLost as lost:
            log.warning(
                "window given up", connection_id=name, after=progress.window.after, pages=progress.pages, why=str(lost)
            )
            async with self._store.transaction() as unit:
                await unit.save_progress(name, None)
            raise

        async def store(unit: Unit, _: Taken) -> None:
            if further.token is not None:
                await unit.save_progress(name, further)
            else:
                await unit.end_poll(name, watermark_after(polled.watermark, further))

        return further, await take_page(self._store, self._may_pass, name, page.orders, store)
