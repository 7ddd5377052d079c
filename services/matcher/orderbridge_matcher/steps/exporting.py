"""Reading a shop's catalogue whole: at the start, and once a day as the net for deletions."""

from __future__ import annotations

from dataclasses import replace

import structlog

from orderbridge.errors import Transient
from orderbridge.events import ConnectionChanged
from orderbridge.step.unit import DueRow

from ..domain.catalogue import Entry
from ..domain.exporting import Run
from ..domain.reading import OVERLAP, Progress
from ..ports import CATALOGUE, DECIDE, EXPORT, Shopify, Transactions, Unit
from .catalogue import take_entries
from .deciding import first_work

LOOK_EVERY_S = 2.0
"""How often to ask whether Shopify has written the file; the first looks come sooner."""
FIRST_LOOK_S = 0.3
FAILED_S = 60.0
"""How long after an export that Shopify gave up the next one is asked for."""
KEPT_AT_ONCE = 2000
"""Variants of one transaction: the memory that a load takes does not grow with the catalogue."""
ASKED_AT_ONCE = 250

log = structlog.get_logger(__name__)


class Exporting:
    """Due work of kind ``export``: goes on where the run stands, whoever began it."""

    def __init__(self, store: Transactions, shopify: Shopify) -> None:
        self._store = store
        self._shopify = shopify

    async def export(self, row: DueRow) -> None:
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(row.connection_id)
            run = await unit.run_of(row.connection_id)
            if connection is None:
                await unit.finish(row)
                return
            if run is not None and run.shop != connection.shopify.shop:
                run = None
            if run is not None and run.state == "done" and (wait_s := run.due_in_s(unit.now)):
                await unit.finish(row)
                unit.schedule(first_work(EXPORT, row.connection_id, wait_s))
                return
        if run is None or run.state == "done":
            run = await self._begin(connection)
        if run.state == "asked":
            await self._await_file(row, connection, run)
        elif run.state == "loading":
            await self._load(row, connection, run)
        else:
            await self._sweep(row, connection, run)

    async def _begin(self, connection: ConnectionChanged) -> Run:
        """What is read from the asking on counts as confirmed: the file may or may not have it."""
        name = connection.connection_id
        async with self._store.transaction() as unit:
            await unit.next_generation(name)
        export = await self._shopify.start_export(connection)
        run = Run(connection.shopify.shop, "asked", export.operation, export.created_at)
        async with self._store.transaction() as unit:
            await unit.set_run(name, run)
        log.info("export of the catalogue asked for", connection_id=name, operation=export.operation)
        return run

    async def _await_file(self, row: DueRow, connection: ConnectionChanged, run: Run) -> None:
        export = await self._shopify.export(connection, run.operation or "")
        if export is None or export.failed:
            async with self._store.transaction() as unit:
                await unit.set_run(row.connection_id, replace(run, state="done", finished_at=None))
            why = export.why if export else "Shopify does not know it any more"
            raise Transient(f"the export of the catalogue came to nothing ({why})", retry_after_s=FAILED_S)
        async with self._store.transaction() as unit:
            if not export.complete:
                await unit.postpone(row, FIRST_LOOK_S if row.waits < 5 else LOOK_EVERY_S)
                return
            await self._go_on(unit, row, replace(run, state="loading"))

    async def _load(self, row: DueRow, connection: ConnectionChanged, run: Run) -> None:
        """Keep the file's variants, a portion a transaction; a load that was interrupted goes on behind the last."""
        export = await self._shopify.export(connection, run.operation or "")
        if export is None or not export.complete:
            raise Transient("the file of the catalogue is gone", retry_after_s=FAILED_S)
        portion: list[Entry] = []
        line = 0
        if export.url is not None:
            async for entry in self._shopify.exported(export.url):
                line += 1
                if line <= run.lines:
                    continue
                portion.append(entry)
                if len(portion) == KEPT_AT_ONCE:
                    run = await self._keep(row, run, portion, line)
                    portion = []
        run = await self._keep(row, run, portion, line)
        log.info("catalogue loaded", connection_id=row.connection_id, variants=line)
        async with self._store.transaction() as unit:
            await self._go_on(unit, row, replace(run, state="sweeping"))

    async def _keep(self, row: DueRow, run: Run, entries: list[Entry], line: int) -> Run:
        async with self._store.transaction() as unit:
            progress = await unit.lock_catalogue(row.connection_id)
            if progress is None or progress.shop != run.shop:
                raise Transient("the connection has another shop now", retry_after_s=1.0)
            if progress.complete:
                await take_entries(row.connection_id, entries, unit)
            else:
                # Every order of the shop is undecided until the load is complete: there is nobody to tell.
                await unit.keep_variants(row.connection_id, entries)
            kept = replace(run, lines=line)
            await unit.set_run(row.connection_id, kept)
        return kept

    async def _sweep(self, row: DueRow, connection: ConnectionChanged, run: Run) -> None:
        """Ask by id for the variants that nothing confirmed: those that Shopify does not have are gone."""
        while True:
            async with self._store.transaction() as unit:
                left = await unit.unconfirmed(row.connection_id, ASKED_AT_ONCE)
            if not left:
                break
            found = await self._shopify.with_ids(connection, left)
            async with self._store.transaction() as unit:
                await unit.lock_catalogue(row.connection_id)
                gone = set(left) - {entry.variant_id for entry in found}
                await take_entries(row.connection_id, found, unit, gone=gone, certain=True)
            log.info("variants asked for by id", connection_id=row.connection_id, asked=len(left), gone=len(gone))
        async with self._store.transaction() as unit:
            await self._end(unit, row, run)

    async def _end(self, unit: Unit, row: DueRow, run: Run) -> None:
        progress = await unit.lock_catalogue(row.connection_id)
        done = replace(run, state="done", finished_at=unit.now)
        await unit.set_run(row.connection_id, done)
        await unit.finish(row)
        unit.schedule(first_work(EXPORT, row.connection_id, done.due_in_s(unit.now)))
        if progress is None or progress.complete or progress.shop != run.shop:
            return
        # What changed while the file was written and read comes with the first round.
        since = run.created_at - OVERLAP if run.created_at else None
        loaded = Progress(
            progress.shop, progress.match_drafts, complete=True, since=since, newest=run.created_at, moved_at=unit.now
        )
        await unit.set_progress(row.connection_id, loaded)
        log.info("catalogue is complete", connection_id=row.connection_id)
        unit.schedule(first_work(DECIDE, row.connection_id))
        unit.schedule(first_work(CATALOGUE, row.connection_id))

    async def _go_on(self, unit: Unit, row: DueRow, run: Run) -> None:
        """The next part is work of its own: it can be taken by another process."""
        await unit.set_run(row.connection_id, run)
        await unit.finish(row)
        unit.schedule(first_work(EXPORT, row.connection_id))
