"""Back-fills and re-scans: one page, or one order of a list, at a time, each stored before the next is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

import structlog

from orderbridge.errors import Transient
from orderbridge.events import CommandEnded, ConnectionChanged
from orderbridge.ids import order_id_of
from orderbridge.step import Work
from orderbridge.step.unit import DueRow

from ..domain.orders import ReadOrder, UnreadableOrder
from ..domain.scans import (
    NAMED_AT_MOST,
    Counts,
    CreatedBetween,
    OrderIds,
    Scan,
    after_page,
    in_words,
    is_over,
    lost,
    next_slice,
    place_of,
    progress_of,
)
from ..ports import RESCAN, RESCAN_EVERY_S, SCAN, Amazon, RequestRefused, Transactions, Unit, WindowLost
from .asking import WAITS_FOR_A_REFUSED, Answer, ask_for
from .ending import end_scans, reject_scan
from .paging import next_page
from .reports import Reports
from .taking import Taken, take_page

log = structlog.get_logger(__name__)

RESERVE = 0.5
"""The part of a quota's burst that scans leave to polls, and to refetches."""
REFUSED_WAIT_S = 60.0
"""A search that Amazon calls invalid is not repeated sooner: either it is a bug, or an outage."""
BEHIND_WAIT_S = 60.0
"""Amazon does not tell of the slice yet."""
RESCANNED = timedelta(hours=48)
"""What was created in this time is looked for again: searches by the last update are known to omit orders."""


class Scanning:
    """Carries out due work of kinds ``scan`` and ``rescan``; ``may_pass`` tells which errors of the database may not
    come again."""

    def __init__(
        self, store: Transactions, amazon: Amazon, reports: Reports, may_pass: Callable[[BaseException], bool]
    ) -> None:
        self._store = store
        self._amazon = amazon
        self._reports = reports
        self._may_pass = may_pass

    async def begin_rescan(self, row: DueRow) -> None:
        """Begin one, unless the one before is still under way; the next follows by the clock."""
        name = row.connection_id
        async with self._store.transaction() as unit:
            connection = await unit.connection_settings(name)
            if connection is None:
                await unit.finish(row)
                return
        now = (await self._amazon.now(connection)).replace(microsecond=0)
        asked = CreatedBetween(now - RESCANNED, now - timedelta(seconds=connection.settings.safety_lag_s))
        scan = Scan(f"rescan-{name}", name, None, asked)
        async with self._store.transaction() as unit:
            if await unit.add_scan(scan):
                unit.schedule(_work(scan))
            unit.schedule(Work(RESCAN, name, name, delay_s=RESCAN_EVERY_S))
            await unit.finish(row)

    async def scan(self, row: DueRow) -> None:
        """Go on by one call. Whatever leaves from here, nothing is lost: the next call goes on from the same place.

        :raises Blocked: with that the connection's scans end; the work finds none when it goes on.
        """
        async with self._store.transaction() as unit:
            scan = await unit.scan(row.key)
            connection = await unit.connection_settings(row.connection_id)
            if scan is None or connection is None:
                if connection is None:
                    await end_scans(row.connection_id, None, unit)
                await unit.finish(row)
                return
        match scan.asked:
            case CreatedBetween() as asked:
                ended = await self._read_slice(row, scan, asked, connection)
            case OrderIds() as asked:
                ended = await self._read_order(row, scan, asked, connection)
            case _:
                assert_never(scan.asked)
        if scan.command_id is not None:
            with contextlib.suppress(Transient):  # the scan itself went on
                await self._reports.progressed(connection, ended=ended)

    async def _read_slice(self, row: DueRow, scan: Scan, asked: CreatedBetween, connection: ConnectionChanged) -> bool:
        place = place_of(scan, asked)
        now = await self._amazon.now(connection)
        found = next_slice(
            place,
            asked,
            marketplace_ids=connection.amazon.marketplace_ids,
            now=now,
            safety_lag_s=connection.settings.safety_lag_s,
        )
        if isinstance(found, float):
            await self._wait(row, scan, max(found, 1.0))
            return False
        if found.token is not None and not found.resumable(now):
            return await self._restart(row, scan, asked, "the page token is too old")
        try:
            page, further = await next_page(self._amazon, connection, found, RESERVE)
        except WindowLost as error:
            return await self._restart(row, scan, asked, str(error))
        except RequestRefused as error:
            if row.waits < WAITS_FOR_A_REFUSED:
                raise RequestRefused(str(error), retry_after_s=REFUSED_WAIT_S) from error
            return await self._give_up(row, scan, str(error))
        counted = after_page(scan, asked, further)
        behind = further.token is None and place_of(counted, asked).reached == place.reached

        async def keep(unit: Unit, taken: Taken) -> None:
            await _go_on(row, _counted(counted, taken), unit, BEHIND_WAIT_S if behind else 0.0)

        await take_page(self._store, self._may_pass, scan.connection_id, page.orders, keep, named=scan.names)
        return is_over(counted)

    async def _read_order(self, row: DueRow, scan: Scan, asked: OrderIds, connection: ConnectionChanged) -> bool:
        amazon_order_id = asked.ids[scan.counts.answered]
        order_id = order_id_of(scan.connection_id, amazon_order_id)
        answer = await ask_for(order_id, connection, row, self._amazon, RESERVE)
        counted = replace(scan, counts=_answered(scan.counts, amazon_order_id, answer))

        async def keep(unit: Unit, taken: Taken) -> None:
            await _go_on(row, _counted(counted, taken), unit)

        orders = [answer] if isinstance(answer, ReadOrder | UnreadableOrder) else []
        await take_page(self._store, self._may_pass, scan.connection_id, orders, keep, named=scan.names)
        return is_over(counted)

    async def _wait(self, row: DueRow, scan: Scan, seconds: float) -> None:
        async with self._store.transaction() as unit:
            unit.schedule(_work(scan, seconds))
            await unit.finish(row)

    async def _restart(self, row: DueRow, scan: Scan, asked: CreatedBetween, why: str) -> bool:
        """Begin the slice anew, and shorter; orders that come again for it change nothing."""
        place = lost(place_of(scan, asked))
        if place is None:
            return await self._give_up(row, scan, why)
        log.warning("slice begun anew", scan_id=scan.scan_id, connection_id=scan.connection_id, why=why)
        async with self._store.transaction() as unit:
            await _go_on(row, replace(scan, place=place), unit)
        return False

    async def _give_up(self, row: DueRow, scan: Scan, why: str) -> bool:
        log.warning("scan given up", scan_id=scan.scan_id, connection_id=scan.connection_id, why=why)
        async with self._store.transaction() as unit:
            if await unit.end_scan(scan):
                reject_scan(scan, "refused_by_amazon", f"{why}.", unit)
            await unit.finish(row)
        return True


async def _go_on(row: DueRow, scan: Scan, unit: Unit, delay_s: float = 0.0) -> None:
    """Keep how far it has come, and have it go on from there, or end it.

    One that was ended while Amazon was asked stays so; the orders that came are taken all the same.
    """
    if is_over(scan):
        if await unit.end_scan(scan):
            _end(scan, unit)
    elif await unit.save_scan(scan):
        unit.schedule(_work(scan, delay_s))
    await unit.finish(row)


def _end(scan: Scan, unit: Unit) -> None:
    progress = progress_of(scan)
    words = in_words(progress, scan.counts.missing)
    log.info("scan ended", scan_id=scan.scan_id, connection_id=scan.connection_id, outcome=words)
    if scan.command_id is not None:
        unit.end_command(
            CommandEnded(
                command_id=scan.command_id,
                connection_id=scan.connection_id,
                service="ingestor",
                state="done",
                outcome=words,
                progress=progress,
                at=unit.now,
            )
        )


def _work(scan: Scan, delay_s: float = 0.0) -> Work:
    """New with every call, behind what else waits: a scan takes turns with the refetches."""
    return Work(SCAN, scan.scan_id, scan.connection_id, delay_s=delay_s)


def _counted(scan: Scan, taken: Taken) -> Scan:
    counts = scan.counts
    return replace(
        scan,
        counts=replace(counts, published=counts.published + taken.published, parked=counts.parked + taken.parked),
    )


def _answered(counts: Counts, amazon_order_id: str, answer: Answer) -> Counts:
    counts = replace(counts, answered=counts.answered + 1)
    match answer:
        case None:
            missing = (*counts.missing, amazon_order_id)[:NAMED_AT_MOST]
            return replace(counts, not_found=counts.not_found + 1, missing=missing)
        case RequestRefused():
            return replace(counts, refused=counts.refused + 1)
        case ReadOrder() | UnreadableOrder():
            return replace(counts, orders=counts.orders + 1)
