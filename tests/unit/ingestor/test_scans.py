"""Slices of a range: nothing is left out between them, whatever Amazon answers, and each search can end in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orderbridge.events import BackfillAsked
from orderbridge_ingestor.domain.scans import (
    MOST_RESTARTS,
    Counts,
    CreatedBetween,
    OrderIds,
    Place,
    Scan,
    after_page,
    asked_of,
    in_words,
    is_over,
    lost,
    next_slice,
    place_of,
    progress_of,
)
from orderbridge_ingestor.domain.windows import Progress, Window, moment_of
from tests.support.facts import at

DAY = timedelta(days=1)
ASKED = CreatedBetween(at() - 70 * DAY, at() - DAY)


def scan(asked: CreatedBetween | OrderIds = ASKED, command_id: str | None = "c1", **more: Any) -> Scan:
    return Scan("s1", "main", command_id, asked, **more)


def slice_of(place: Place, asked: CreatedBetween = ASKED, now: datetime | None = None) -> Progress | float:
    return next_slice(place, asked, marketplace_ids=("B", "A"), now=now or at(), safety_lag_s=180)


def begun(place: Place, asked: CreatedBetween = ASKED, now: datetime | None = None) -> Progress:
    found = slice_of(place, asked, now)
    assert isinstance(found, Progress)
    return found


def read(asked: CreatedBetween, now: datetime, *, lag_s: float = 0.0, command_id: str | None = "c1") -> list[Window]:
    """The windows of a whole scan, of which each is answered with one page up to so many seconds before its end."""
    windows = []
    going = scan(asked, command_id)
    while not is_over(going):
        found = slice_of(place_of(going, asked), asked, now)
        if isinstance(found, float):
            now += timedelta(seconds=max(found, 1.0))
            continue
        windows.append(found.window)
        assert len(windows) < 50
        before = moment_of(found.window.before)
        behind = now - timedelta(seconds=180 + lag_s)
        going = after_page(going, asked, replace(found, orders=1, bound=min(before, behind)))
        now += timedelta(seconds=60)
    return windows


def test_a_range_of_up_to_thirty_days_is_one_slice() -> None:
    asked = CreatedBetween(at() - 30 * DAY, at() - timedelta(hours=1))

    [window] = read(asked, at())

    assert window == Window("2026-10-21T12:00:00Z", "2026-11-20T11:00:00Z", "A,B", axis="created")


def test_a_longer_one_is_cut_into_slices_that_touch() -> None:
    windows = read(ASKED, at())

    assert [moment_of(one.before) - moment_of(one.after) for one in windows] == [30 * DAY, 30 * DAY, 9 * DAY]
    assert (moment_of(windows[0].after), moment_of(windows[-1].before)) == (ASKED.after, ASKED.before)
    assert [one.before for one in windows[:-1]] == [one.after for one in windows[1:]]


def test_a_fraction_of_a_second_at_either_end_is_asked_for_with_its_second() -> None:
    asked = CreatedBetween(at() - DAY + timedelta(seconds=0.7), at() - timedelta(hours=1) + timedelta(seconds=0.2))

    [window] = read(asked, at())

    assert (window.after, window.before) == ("2026-11-19T12:00:00Z", "2026-11-20T11:00:01Z")


def test_what_is_nearer_than_the_safety_lag_is_asked_for_when_it_is_old_enough() -> None:
    first, second = read(CreatedBetween(at() - DAY, at()), at())

    assert (first.before, second.after, second.before) == (
        "2026-11-20T11:57:00Z",
        "2026-11-20T11:57:00Z",
        "2026-11-20T12:00:00Z",
    )


def test_what_amazon_does_not_tell_of_yet_is_asked_for_again() -> None:
    windows = read(CreatedBetween(at() - DAY, at() - timedelta(seconds=200)), at(), lag_s=300)

    assert windows[0].before == "2026-11-20T11:56:40Z"
    assert windows[1].after == "2026-11-20T11:52:00Z"
    assert windows[-1].before == "2026-11-20T11:56:40Z"


def test_a_re_scan_is_over_with_the_window_it_asked_for() -> None:
    asked = CreatedBetween(at() - 2 * DAY, at() - timedelta(seconds=180))

    assert len(read(asked, at(), lag_s=300, command_id=None)) == 1


def test_the_pages_of_a_slice_are_of_one_window() -> None:
    first = begun(place_of(scan(), ASKED))
    going = after_page(scan(), ASKED, replace(first, pages=1, orders=100, token="t"))

    again = begun(place_of(going, ASKED), now=at(60))

    assert again.window == first.window
    assert progress_of(going).orders == 100
    assert progress_of(after_page(going, ASKED, replace(again, orders=130, token=None))).orders == 130


def test_a_slice_that_is_lost_is_begun_anew_at_half_its_length() -> None:
    whole = begun(place_of(scan(), ASKED))
    going = after_page(scan(), ASKED, replace(whole, pages=1, orders=100, token="t"))

    place = lost(place_of(going, ASKED))

    assert place is not None
    halved = begun(place)
    assert halved.window.after == whole.window.after
    assert moment_of(halved.window.before) - moment_of(halved.window.after) == 15 * DAY
    assert progress_of(replace(going, place=place)).orders == 0
    # What follows is cut like it.
    after = after_page(replace(going, place=place), ASKED, halved)
    following = begun(place_of(after, ASKED))
    assert following.window.after == halved.window.before
    assert moment_of(following.window.before) - moment_of(following.window.after) == 15 * DAY


def test_a_slice_is_never_shorter_than_a_minute_and_is_given_up_in_the_end() -> None:
    place: Place | None = place_of(scan(), ASKED)
    lengths = []
    while place is not None:
        lengths.append(place.slice_s)
        place = lost(replace(place, progress=begun(place)))

    assert len(lengths) == MOST_RESTARTS + 1
    assert lengths[-1] == 60.0
    assert lengths == sorted(lengths, reverse=True)


def test_its_progress_is_the_part_of_the_range_that_is_behind_it() -> None:
    assert progress_of(scan()).done == 0.0
    assert progress_of(scan(place=Place(ASKED.before - (ASKED.before - ASKED.after) / 4, 60.0))).done == 0.75
    assert progress_of(scan(OrderIds(("a", "b", "c")), counts=Counts(answered=1))).done == 0.3333


def test_a_list_is_over_when_every_order_was_asked_for() -> None:
    asked = OrderIds(("a", "b"))

    assert not is_over(scan(asked, counts=Counts(answered=1)))
    assert is_over(scan(asked, counts=Counts(answered=2)))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (Counts(orders=1, published=1), "1 order, 1 of them with news"),
        (Counts(orders=5000), "5000 orders, 0 of them with news"),
        (
            Counts(orders=3, published=2, parked=1, refused=1, not_found=1, missing=("113-0",)),
            "3 orders, 2 of them with news, 1 parked, 1 refused by Amazon, 1 not found at Amazon (113-0)",
        ),
        (
            Counts(not_found=7, missing=("a", "b")),
            "0 orders, 0 of them with news, 7 not found at Amazon (a, b and 5 more)",
        ),
    ],
)
def test_it_is_told_in_words(counts: Counts, words: str) -> None:
    assert in_words(progress_of(scan(counts=counts)), counts.missing) == words


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (None, None),
        (BackfillAsked(), None),
        (BackfillAsked(created_from=at()), None),
        (BackfillAsked(created_from=at(), created_to=at()), None),
        (BackfillAsked(created_from=at(), created_to=at(1)), CreatedBetween(at(), at(1))),
        (BackfillAsked(amazon_order_ids=("a",)), OrderIds(("a",))),
    ],
)
def test_a_command_asks_for_a_range_or_for_orders(
    said: BackfillAsked | None, asked: CreatedBetween | OrderIds | None
) -> None:
    assert asked_of(said) == asked
