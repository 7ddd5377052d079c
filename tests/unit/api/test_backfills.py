"""What a back-fill may ask for, and the bound that a refusal names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orderbridge.events import BackfillAsked
from orderbridge_api.domain.backfills import checked_backfill
from orderbridge_api.domain.problems import Problem
from tests.support.facts import at

US, JAPAN, SINGAPORE = "ATVPDKIKX0DER", "A1VC38T7YXB528", "A19VAU5U5O7RUS"
NOW = at()


def checked(after: datetime, before: datetime, *marketplaces: str) -> BackfillAsked:
    return checked_backfill(BackfillAsked(created_from=after, created_to=before), marketplaces or (US,), NOW)


def refused(after: datetime, before: datetime, *marketplaces: str) -> tuple[str, object, str]:
    """The field, its value, and what is said."""
    with pytest.raises(Problem) as caught:
        checked(after, before, *marketplaces)
    assert (caught.value.status, bool(caught.value.remedy)) == (422, True)
    [error] = caught.value.errors
    return error.field, error.value, error.message


def test_a_range_is_taken_in_utc() -> None:
    east = timezone(timedelta(hours=2))

    asked = checked(at(-120).astimezone(east), NOW.astimezone(east))

    assert asked.model_dump_json() == (
        '{"created_from":"2026-11-20T10:00:00Z","created_to":"2026-11-20T12:00:00Z","amazon_order_ids":[]}'
    )


@pytest.mark.parametrize("after", [at(-60), at(-59)])
def test_a_range_that_is_empty_or_reversed_is_refused(after: datetime) -> None:
    field, value, message = refused(after, at(-60))

    assert (field, value) == ("from", after.isoformat().replace("+00:00", "Z"))
    assert "from must be before to, which is 2026-11-20T11:00:00Z" in message


def test_a_range_that_ends_in_the_future_is_refused_with_the_bound() -> None:
    assert checked(at(-60), NOW).created_to == NOW
    field, value, message = refused(at(-60), at(1))

    assert (field, value) == ("to", "2026-11-20T12:01:00Z")
    assert "2026-11-20T12:00:00Z at the latest" in message


def test_a_range_that_amazon_does_not_keep_is_refused_with_the_bound() -> None:
    assert checked(NOW - timedelta(days=730), NOW).created_from == NOW - timedelta(days=730)
    field, value, message = refused(NOW - timedelta(days=730, seconds=1), NOW)

    assert (field, value) == ("from", "2024-11-20T11:59:59Z")
    assert "2024-11-20T12:00:00Z at the earliest" in message


def test_where_amazon_keeps_orders_since_2016_that_is_the_bound_if_it_is_so_for_every_marketplace() -> None:
    beginning = datetime(2016, 1, 1, tzinfo=UTC)
    assert checked(beginning, NOW, JAPAN, SINGAPORE).created_from == beginning

    assert "2016-01-01T00:00:00Z" in refused(beginning - timedelta(seconds=1), NOW, JAPAN)[2]
    assert "2024-11-20" in refused(beginning, NOW, JAPAN, US)[2]


def test_a_list_of_orders_has_no_range_to_check() -> None:
    asked = BackfillAsked(amazon_order_ids=("113-1234567-7654321",))

    assert checked_backfill(asked, (US,), NOW) == asked
