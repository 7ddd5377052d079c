"""What counts as a page: an answer that says nothing of orders must not move a poll on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbridge.errors import Unavailable
from orderbridge.http import Response
from orderbridge_ingestor.adapters.amazon import page_of
from tests.unit.ingestor.test_reading import minimal


def answer(body: Any) -> Response:
    return Response(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"errors": []},
        {"orders": None},
        {"orders": {}},
        {"payload": {"orders": []}},
        {"orders": [], "pagination": "next"},
        {"orders": [], "pagination": {"nextToken": 7}},
    ],
)
def test_an_answer_without_a_list_of_orders_is_no_empty_page(body: Any) -> None:
    with pytest.raises(Unavailable):
        page_of(answer(body))


def test_the_last_page_has_no_token() -> None:
    page = page_of(answer({"orders": [], "lastUpdatedBefore": "2026-11-20T11:57:00Z"}))

    assert page.token is None
    assert page.answered is not None


def test_a_bound_that_cannot_be_read_is_none() -> None:
    assert page_of(answer({"orders": [], "lastUpdatedBefore": "soon"})).answered is None


def test_an_unreadable_order_leaves_the_others_of_its_page() -> None:
    page = page_of(answer({"orders": [minimal(), {"orderId": "x"}, 7], "pagination": {"nextToken": "a/+="}}))

    assert [order.amazon_order_id for order in page.orders] == ["113-1234567-7654321", None, None]
    assert page.token == "a/+="
