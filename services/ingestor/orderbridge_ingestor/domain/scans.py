"""Reading orders beside the polls: those created in a range of time, slice after slice, or those of a list of ids.

Every time in here is Amazon's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderbridge.events import BackfillAsked, BackfillProgress

from .windows import Progress, Window, moment_of, text_of

LONGEST_SLICE = timedelta(days=30)
SHORTEST_SLICE = timedelta(minutes=1)
MOST_RESTARTS = 30
"""So often a slice may be lost before any comes to its end; from the longest, 16 halvings lead to the shortest."""
NAMED_AT_MOST = 20
"""How many of the orders that Amazon does not have are named at the end."""


@dataclass(frozen=True)
class CreatedBetween:
    """Orders created from ``after`` to ``before``, both included."""

    after: datetime
    before: datetime


@dataclass(frozen=True)
class OrderIds:
    ids: tuple[str, ...]


Asked = CreatedBetween | OrderIds


@dataclass(frozen=True)
class Place:
    """Where a scan of a range is: all orders created before ``reached`` are taken; ``progress`` is of its slice."""

    reached: datetime
    slice_s: float
    progress: Progress | None = None
    restarts: int = 0


@dataclass(frozen=True)
class Counts:
    """``answered`` counts the ids of a list that Amazon was asked for; ``missing`` names some that it does not have."""

    answered: int = 0
    orders: int = 0
    published: int = 0
    parked: int = 0
    not_found: int = 0
    refused: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """``command_id`` is of the back-fill that it is, None for a re-scan; ``place`` is of a range only."""

    scan_id: str
    connection_id: str
    command_id: str | None
    asked: Asked
    place: Place | None = None
    counts: Counts = Counts()
    step: int = 0

    @property
    def names(self) -> bool:
        """Whether it takes orders in that the connection's start date leaves out."""
        return self.command_id is not None


def asked_of(said: BackfillAsked | None) -> Asked | None:
    """What a command asks for; None when that is nothing."""
    if said is not None and said.amazon_order_ids:
        return OrderIds(said.amazon_order_ids)
    if said is not None and said.created_from and said.created_to and said.created_from < said.created_to:
        return CreatedBetween(said.created_from, said.created_to)
    return None


def place_of(scan: Scan, asked: CreatedBetween) -> Place:
    """Where to go on; the first slice is the whole range, if that is not too long."""
    whole = min(_rounded_up(asked.before) - asked.after, LONGEST_SLICE)
    return scan.place or Place(asked.after, max(whole, SHORTEST_SLICE).total_seconds())


def next_slice(
    place: Place, asked: CreatedBetween, *, marketplace_ids: Sequence[str], now: datetime, safety_lag_s: int
) -> Progress | float:
    """The search to go on with, or to begin; else in how many seconds there is one to begin.

    Whole seconds are asked for, and the end of the range is rounded up to one: nothing in between is left out.
    """
    if place.progress is not None:
        return place.progress
    end = min(place.reached + timedelta(seconds=place.slice_s), _rounded_up(asked.before))
    before = min(end, now - timedelta(seconds=safety_lag_s))
    if end - before > before - place.reached:  # little of it is old enough: better one search than many small ones
        return (end - before).total_seconds()
    window = Window(text_of(place.reached), text_of(before), ",".join(sorted(marketplace_ids)), axis="created")
    return Progress(window)


def lost(place: Place) -> Place | None:
    """The slice is begun anew at half its length, as its search cannot be gone on with; None: that is no use."""
    if place.restarts >= MOST_RESTARTS:
        return None
    length_s = place.slice_s
    if place.progress is not None:  # it may have been cut short by the safety lag, or by the end of the range
        window = place.progress.window
        length_s = (moment_of(window.before) - moment_of(window.after)).total_seconds()
    halved_s = max(length_s / 2, SHORTEST_SLICE.total_seconds())
    return Place(place.reached, halved_s, restarts=place.restarts + 1)


def after_page(scan: Scan, asked: CreatedBetween, further: Progress) -> Scan:
    """The scan after a page of its slice; with the last page of the last slice it is over."""
    place = place_of(scan, asked)
    if further.token is not None:
        return replace(scan, place=replace(place, progress=further))
    end = moment_of(further.window.before)
    reached = end if further.bound is None else min(end, further.bound)
    if scan.command_id is None and end >= asked.before:
        reached = end  # what Amazon has not caught up with is the polls' business
    counts = replace(scan.counts, orders=scan.counts.orders + further.orders)
    return replace(scan, place=Place(max(reached, place.reached), place.slice_s), counts=counts)


def is_over(scan: Scan) -> bool:
    match scan.asked:
        case OrderIds(ids=ids):
            return scan.counts.answered >= len(ids)
        case CreatedBetween(before=before):
            return scan.place is not None and scan.place.reached >= before


def progress_of(scan: Scan) -> BackfillProgress:
    counts = scan.counts
    under_way = scan.place.progress.orders if scan.place and scan.place.progress else 0
    return BackfillProgress(
        orders=counts.orders + under_way,
        published=counts.published,
        parked=counts.parked,
        not_found=counts.not_found,
        refused=counts.refused,
        done=round(_done(scan), 4),
    )


def _done(scan: Scan) -> float:
    match scan.asked:
        case OrderIds(ids=ids):
            return scan.counts.answered / len(ids)
        case CreatedBetween() as asked:
            passed = place_of(scan, asked).reached - asked.after
            return max(0.0, min(1.0, passed / (asked.before - asked.after)))


def in_words(progress: BackfillProgress, missing: Sequence[str] = ()) -> str:
    """What a back-fill did, for a person: ``5000 orders, 12 of them with news, 1 not found at Amazon (…)``."""
    words = [_orders(progress.orders), f"{progress.published} of them with news"]
    if progress.parked:
        words.append(f"{progress.parked} parked")
    if progress.refused:
        words.append(f"{progress.refused} refused by Amazon")
    if progress.not_found:
        more = progress.not_found - len(missing)
        named = f"{', '.join(missing)}{f' and {more} more' if more else ''}"
        words.append(f"{progress.not_found} not found at Amazon{f' ({named})' if missing else ''}")
    return ", ".join(words)


def _orders(number: int) -> str:
    return "1 order" if number == 1 else f"{number} orders"


def _rounded_up(moment: datetime) -> datetime:
    return moment + timedelta(seconds=1) - timedelta(microseconds=1) if moment.microsecond else moment
