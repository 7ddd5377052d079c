"""Windows and the watermark: nothing is passed over, whatever Amazon answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orderbridge_ingestor.domain.windows import Progress, Window, advanced, next_window, watermark_after

NOW = datetime(2026, 11, 20, 12, 0, 0, 700_000, tzinfo=UTC)
WINDOW = Window("2026-11-20T11:00:00Z", "2026-11-20T11:57:00Z", "ATVPDKIKX0DER")
BEFORE = datetime(2026, 11, 20, 11, 57, tzinfo=UTC)


def window(**more: Any) -> Window | None:
    values: dict[str, Any] = {
        "start": NOW - timedelta(hours=6),
        "watermark": None,
        "overlap_s": 600,
        "safety_lag_s": 180,
        "now": NOW,
        "marketplace_ids": ("B", "A"),
    }
    return next_window(**(values | more))


def test_the_first_window_begins_at_the_start_and_ends_a_safety_lag_ago() -> None:
    assert window() == Window("2026-11-20T06:00:00Z", "2026-11-20T11:57:00Z", "A,B")


def test_a_later_window_begins_an_overlap_before_the_watermark() -> None:
    found = window(watermark=datetime(2026, 11, 20, 11, 50, tzinfo=UTC))

    assert found is not None
    assert found.after == "2026-11-20T11:40:00Z"


def test_an_empty_window_is_not_asked_for() -> None:
    assert window(start=NOW) is None
    assert window(start=NOW - timedelta(seconds=181)) is not None


def page(
    progress: Progress, name: str | None, token: str | None = None, answered: datetime | None = BEFORE
) -> Progress:
    further = advanced(progress, page=name, orders=1, token=token, answered=answered)
    assert further is not None
    return further


def test_the_watermark_moves_to_what_the_first_page_answered() -> None:
    earlier = BEFORE - timedelta(minutes=5)
    progress = page(Progress(WINDOW), "one", "t1", answered=earlier)
    progress = page(progress, "two", answered=BEFORE)

    assert watermark_after(None, progress) == earlier


def test_an_answer_beyond_the_window_moves_the_watermark_to_its_end_only() -> None:
    progress = page(Progress(WINDOW), "one", answered=BEFORE + timedelta(minutes=1))

    assert watermark_after(None, progress) == BEFORE


def test_the_watermark_never_moves_back() -> None:
    progress = page(Progress(WINDOW), "one", answered=BEFORE - timedelta(hours=1))

    assert watermark_after(BEFORE, progress) == BEFORE


def test_without_an_answered_bound_the_watermark_stays() -> None:
    assert watermark_after(BEFORE, page(Progress(WINDOW), "one", answered=None)) == BEFORE
    assert watermark_after(None, page(Progress(WINDOW), "one", answered=None)) is None


def test_a_page_or_a_token_that_comes_again_is_a_circle() -> None:
    progress = page(page(Progress(WINDOW), "one", "t1"), "two", "t2")

    assert advanced(progress, page="one", orders=1, token="t3", answered=None) is None
    assert advanced(progress, page="three", orders=1, token="t1", answered=None) is None
    assert advanced(progress, page="three", orders=1, token="t3", answered=None) is not None


def test_empty_pages_are_no_circle() -> None:
    progress = page(page(Progress(WINDOW), None, "t1"), None, "t2")

    assert advanced(progress, page=None, orders=0, token=None, answered=None) is not None


def test_a_page_token_is_good_for_a_day() -> None:
    waiting = Progress(WINDOW).waiting_for("t1", NOW)

    assert waiting.resumable(NOW + timedelta(hours=23))
    assert not waiting.resumable(NOW + timedelta(hours=24))
    assert not waiting.waiting_for(None, NOW).resumable(NOW)
