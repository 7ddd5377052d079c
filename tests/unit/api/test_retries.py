"""A bulk retry as it is shown: every order that matched is refused, ended or open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge_api.domain.commands import Asked
from orderbridge_api.domain.paging import OrderFilter
from orderbridge_api.domain.problems import Problem
from orderbridge_api.domain.retries import RetryEndings, RetryRecord, counted, require_some_filter, shown
from tests.support.facts import at

RETRY = RetryRecord("r1", OrderFilter(status=("failed",)), Asked("retry"), "ann", at(), total=10)


def test_what_nobody_was_asked_for_yet_is_open() -> None:
    found = shown(RETRY, RetryEndings())
    assert (found.state, found.total, found.accepted, found.open, found.ended_at) == ("open", 10, 0, 10, None)


def test_refusals_are_counted_by_code_over_all_batches() -> None:
    retry = counted(RETRY, 3, ["in_progress", "in_progress"], None)
    retry = counted(retry, 4, ["in_progress"], at(5))
    assert (retry.accepted, retry.refused, retry.asked_at) == (7, {"in_progress": 3}, at(5))


def test_it_is_done_with_the_last_ending() -> None:
    asked = counted(RETRY, 8, ["stock_only", "in_progress"], at(5))
    assert shown(asked, RetryEndings(5, 2, at(9))).state == "open"
    found = shown(asked, RetryEndings(6, 2, at(9)))
    assert (found.state, found.open, found.ended_at) == ("done", 0, at(9))
    assert found.refused == {"in_progress": 1, "stock_only": 1}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_numbers_always_add_up(done: int, rejected: int, refused: int, waiting: int) -> None:
    total = done + rejected + refused + waiting
    retry = replace(RETRY, total=total, accepted=total - refused, refused={"stock_only": refused}, asked_at=at(1))
    found = shown(retry, RetryEndings(done, rejected, at(2)))
    assert found.total == found.open + found.ended.done + found.ended.rejected + sum(found.refused.values())
    assert (found.state == "done") == (waiting == 0)


@pytest.mark.parametrize(
    "given_filter", [{"q": "mug"}, {"status": ("failed",)}, {"connection": ("main",)}, {"ship_by_before": at()}]
)
def test_a_filter_that_says_something_is_taken(given_filter: dict[str, Any]) -> None:
    require_some_filter(OrderFilter(**given_filter))


def test_an_empty_filter_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        require_some_filter(OrderFilter())
    assert (caught.value.status, caught.value.errors[0].field) == (422, "filter")
