"""Reading what changed in a shop's catalogue, and deciding the orders that waited for what was read."""

from __future__ import annotations

import structlog

from orderbridge.errors import Permanent, Transient
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.reading import advanced, restarted
from ..ports import CATALOGUE, DECIDE, LOOK_UP, Shopify, Transactions, Unit
from .catalogue import take_entries, take_product
from .deciding import decide, first_work

POLL_EVERY_S = 60.0
"""How long after a round through the changes of a shop the next one begins."""
DECIDED_AT_ONCE = 500

log = structlog.get_logger(__name__)


class Reading:
    """Due work of the kinds ``catalogue``, ``product`` and ``decide``."""

    def __init__(self, store: Transactions, shopify: Shopify) -> None:
        self._store = store
        self._shopify = shopify

    async def read(self, row: DueRow) -> None:
        """One page, kept in one transaction with how far we are; then the next page is due, or the next round."""
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            progress = await unit.lock_catalogue(row.connection_id)
        if connection is None or progress is None or not progress.complete:
            # The connection is gone, or the first load has to come first: that makes this due again.
            async with self._store.transaction() as unit:
                await unit.finish(row)
            return
        try:
            page = await self._shopify.page(connection, progress.after, progress.since)
        except Permanent:
            if progress.after is None:
                raise
            # A cursor does not live for ever.
            async with self._store.transaction() as unit:
                if await unit.lock_catalogue(row.connection_id) == progress:
                    await unit.set_progress(row.connection_id, restarted(progress))
            raise Transient("the round through the catalogue begins again", retry_after_s=1.0) from None
        async with self._store.transaction() as unit:
            now = await unit.lock_catalogue(row.connection_id)
            following = advanced(progress, page.following, page.newest, unit.now)
            # Another shop may have taken its place meanwhile: then this page is none of it.
            if now == progress:
                await unit.set_progress(row.connection_id, following)
                await take_entries(row.connection_id, page.entries, unit)
            await unit.finish(row)
            ended = now == progress and following.round_ended
            unit.schedule(first_work(CATALOGUE, row.connection_id, POLL_EVERY_S if ended else 0.0))

    async def read_product(self, row: DueRow) -> None:
        """A product that changed, or of which it is not clear which of two states is the later one."""
        product_id = str(row.payload["product_id"])
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
        if connection is None:
            async with self._store.transaction() as unit:
                await unit.finish(row)
            return
        entries = await self._shopify.of_product(connection, product_id)
        async with self._store.transaction() as unit:
            now = await unit.connection_settings(row.connection_id)
            if now is not None and now.shopify.shop == connection.shopify.shop:
                await take_product(row.connection_id, product_id, entries, unit)
            await unit.finish(row)

    async def decide(self, row: DueRow) -> None:
        """Decide so many of the undecided; if that fails, each goes on as work of its own, and hurts only itself."""
        try:
            async with self._store.transaction() as unit:
                await self._decide_some(unit, row)
        except Exception as error:  # noqa: BLE001 - whatever it is: what is to blame is found one by one
            log.warning("orders are decided one by one", connection_id=row.connection_id, why=type(error).__name__)
            async with self._store.transaction() as unit:
                await self._part(unit, row)

    async def _decide_some(self, unit: Unit, row: DueRow) -> None:
        catalogues = await unit.share_catalogues([row.connection_id])
        await unit.finish(row)
        if not all(catalogue.complete for catalogue in catalogues.values()):
            # Once it is complete, this becomes due again.
            return
        order_ids = await unit.undecided(row.connection_id, DECIDED_AT_ONCE)
        orders = await unit.lock_orders(order_ids)
        await decide([orders[order_id] for order_id in order_ids if order_id in orders], catalogues, unit)
        if len(order_ids) == DECIDED_AT_ONCE:
            unit.schedule(first_work(DECIDE, row.connection_id))

    async def _part(self, unit: Unit, row: DueRow) -> None:
        await unit.finish(row)
        for order_id in await unit.dismiss_undecided(row.connection_id, DECIDED_AT_ONCE):
            unit.schedule(Work(LOOK_UP, order_id, row.connection_id, cause_source="ingestor"))
        unit.schedule(first_work(DECIDE, row.connection_id))
