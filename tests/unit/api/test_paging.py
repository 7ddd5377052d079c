from __future__ import annotations

import base64

import pytest

from orderbridge_api.domain.paging import Position, cursor_of, page_of
from orderbridge_api.domain.problems import Problem
from tests.support.facts import at


@pytest.mark.parametrize("position", [Position(at(1), "main:1"), Position(None, "main:1")])
def test_a_cursor_leads_back_to_where_its_page_ended(position: Position) -> None:
    page = page_of("-ship_by", 50, cursor_of("-ship_by", position))
    assert (page.field, page.descending, page.after) == ("ship_by", True, position)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(b'["-ship_by","2026-01-01T00:00:00","a"]').decode(),
        base64.urlsafe_b64encode(b'["-ship_by",null,"\\u0000"]').decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        cursor_of("ship_by", Position(None, "main:1")),
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        page_of("-ship_by", 50, cursor)
    assert refused.value.status == 422
    assert refused.value.errors[0].field == "cursor"
