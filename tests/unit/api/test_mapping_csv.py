"""The mapping table as CSV: read with every mistake's line and column, written so that it can be read again."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.events import MappingTarget
from orderbridge_api.domain import mapping_csv
from orderbridge_api.domain.mapping_csv import CsvRead, read_csv, write_header, write_mapping
from orderbridge_api.domain.mapping_imports import changes_of, refused
from orderbridge_api.domain.mappings import StoredMapping, Wanted, revised, sku_mistake
from tests.support.facts import at

HEADER = "amazon_sku,shopify_sku,units,valid_from,valid_until"


def read(*lines: str, end: str = "\r\n") -> CsvRead:
    return read_csv(end.join((HEADER, *lines, "")).encode())


def places(found: CsvRead) -> list[tuple[int, str | None]]:
    return [(error.line, error.column) for error in found.errors]


def target(sku: str, units: int = 1) -> MappingTarget:
    return MappingTarget(shopify_sku=sku, units=units)


def kept(wanted: Wanted) -> StoredMapping:
    return revised(wanted, None, "main", "Ada", at())


# --- what is read


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_rows_of_one_amazon_sku_are_one_mapping_wherever_they_stand(end: str) -> None:
    found = read("KIT,MUG,1,,", "TEA,TEA,1,,", " KIT , LID ,2,,", end=end)
    assert found.errors == ()
    assert found.rows == 3
    assert found.wanted == (Wanted("KIT", (target("MUG"), target("LID", 2))), Wanted("TEA", (target("TEA"),)))


def test_times_come_in_any_zone() -> None:
    [wanted] = read("A,B,1,2026-11-20T13:00:00+01:00,2026-12-01T00:00:00Z").wanted
    assert (wanted.valid_from, wanted.valid_until) == (at(), datetime(2026, 12, 1, tzinfo=UTC))


def test_cells_may_be_quoted_and_a_bom_go_before() -> None:
    body = b'\xef\xbb\xbf"amazon_sku","shopify_sku",units,valid_from,valid_until\r\n"A,1","B ""2""",3,,\r\n'
    found = read_csv(body)
    assert found.errors == ()
    assert found.wanted == (Wanted("A,1", (target('B "2"', 3),)),)


def test_empty_lines_say_nothing() -> None:
    found = read("", "A,B,1,,", ",,,,", "  ", "B,B,1,,")
    assert (found.rows, len(found.wanted), found.errors) == (2, 2, ())


def test_a_file_without_rows_is_no_mistake() -> None:
    assert read() == CsvRead(0, (), ())


def test_an_apostrophe_lets_a_sku_begin_like_a_formula() -> None:
    found = read("'-A,'=B,1,,", "''+A,'C,1,,")
    assert found.errors == ()
    assert found.wanted == (Wanted("-A", (target("=B"),)), Wanted("'+A", (target("'C"),)))


# --- what is refused


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (",B,1,,", "amazon_sku"),
        ("A, ,1,,", "shopify_sku"),
        (f"{'x' * 256},B,1,,", "amazon_sku"),
        ("A\0,B,1,,", "amazon_sku"),
        ('A,"B\nC",1,,', "shopify_sku"),
        *(
            (f"A,B,{units},,", "units")
            for units in ("0", "-1", "+1", "1.5", "1.0", "10000", "two", "", "1e3", "٣", "1 2")
        ),
        *((f"A,B,1,{time},", "valid_from") for time in ("2026-11-20", "2026-11-20T12:00:00", "20.11.2026")),
        ("A,B,1,,tomorrow", "valid_until"),
        ("A,B,1,2026-11-20T12:00:00Z,2026-11-20T12:00:00Z", "valid_until"),
        ("A,B,1", "valid_from"),
        ("A,B,1,,,", "column 6"),
        ("A;B;1;;", "shopify_sku"),
        ('A,"B,1,,', "shopify_sku"),
        ('A,"B"C,1,,', "shopify_sku"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(row: str, column: str) -> None:
    found = read("GOOD,MUG,1,,", row)
    assert places(found) == [(3, column)]
    assert found.errors[0].message
    assert found.wanted == (Wanted("GOOD", (target("MUG"),)),)


@pytest.mark.parametrize("sign", "=+-@\t\r＝＋－＠")
@pytest.mark.parametrize("column", ["amazon_sku", "shopify_sku", "units", "valid_from", "valid_until"])
def test_a_cell_that_a_spreadsheet_would_run_is_refused_with_the_remedy(sign: str, column: str) -> None:
    cells = {"amazon_sku": "A", "shopify_sku": "B", "units": "1", "valid_from": "", "valid_until": ""}
    found = read(
        ",".join('"' + (f"{sign}cmd|'/c calc'!A1" if name == column else cell) + '"' for name, cell in cells.items())
    )
    assert places(found) == [(2, column)]
    assert "formula" in found.errors[0].message
    assert ("apostrophe" in found.errors[0].message) == column.endswith("sku")
    assert found.wanted == ()


def test_every_mistake_of_a_file_is_named_at_once() -> None:
    found = read("=A,,0,x,y", "B,C,1,,", "C,C,nothing,,")
    assert places(found) == [
        (2, "amazon_sku"),
        (2, "shopify_sku"),
        (2, "units"),
        (2, "valid_from"),
        (2, "valid_until"),
        (4, "units"),
    ]


def test_lines_are_counted_through_quoted_line_ends() -> None:
    assert places(read('A,"B\r\nC",1,,', "D,E,0,,")) == [(2, "shopify_sku"), (4, "units")]


def test_a_target_twice_other_times_and_too_many_targets_are_named_where_they_are() -> None:
    rows = ["KIT,MUG,1,,", "KIT,MUG,2,,", "TEA,TEA,1,2026-11-20T12:00:00Z,", "TEA,POT,1,,", "TEA,CUP,1,,"]
    found = read(*rows, *(f"BIG,S{n},1,," for n in range(52)))
    assert places(found) == [
        (3, "shopify_sku"),
        (5, "valid_from"),
        (6, "valid_from"),
        (57, "shopify_sku"),
        (58, "shopify_sku"),
    ]
    assert found.wanted == ()


def test_one_bad_row_spoils_the_whole_mapping_and_no_other() -> None:
    found = read("KIT,MUG,1,,", "KIT,LID,0,,", "KIT,CUP,1,,", "TEA,TEA,1,,")
    assert [wanted.amazon_sku for wanted in found.wanted] == ["TEA"]


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("", "amazon_sku"),
        ("amazon_sku;shopify_sku;units;valid_from;valid_until", "amazon_sku"),
        ("shopify_sku,amazon_sku,units,valid_from,valid_until", "amazon_sku"),
        ("amazon_sku,shopify_sku,Units,valid_from,valid_until", "units"),
        ("amazon_sku,shopify_sku,units,valid_from", "valid_until"),
        (HEADER + ",note", "column 6"),
        ("MUG,MUG,1,,", "amazon_sku"),
    ],
)
def test_another_header_is_refused_and_nothing_else_is_read(header: str, column: str) -> None:
    found = read_csv(f"{header}\nA,B,0,,\n".encode() if header else b"")
    assert places(found) == [(1, column)]
    assert HEADER in found.errors[0].message


@pytest.mark.parametrize(
    ("body", "place", "value"),
    [
        (HEADER.encode() + b"\nA,B,1,,\nKAFFEE,T\xc4SSE,1,,\n", (3, "shopify_sku"), "byte 0xc4"),
        (b"\xef\xbb\xbf" + HEADER.encode() + b'\r\n"A,1",B,1,,\xff', (2, "valid_until"), "byte 0xff"),
        (HEADER.encode("utf-16"), (1, "amazon_sku"), "byte 0xff"),
    ],
)
def test_another_encoding_is_named_by_its_first_byte(body: bytes, place: tuple[int, str], value: str) -> None:
    found = read_csv(body)
    assert places(found) == [place]
    assert found.errors[0].value == value
    assert "UTF-8" in found.errors[0].message


def test_a_line_that_never_ends_is_refused() -> None:
    found = read("A,B,1,,", "x" * 5000, "B,B,1,,")
    assert places(found) == [(3, None)]
    assert len(found.errors[0].value or "") == 200


def test_an_open_quote_that_swallows_the_file_is_named_where_it_begins() -> None:
    found = read("A,B,1,,", '"B,B,1,,', *(f"C{n},B,1,," for n in range(40_000)))
    assert places(found) == [(3, "amazon_sku")]


def test_more_rows_than_are_taken_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping_csv, "ROWS_LIMIT", 3)
    found = read("A,B,1,,", "B,B,1,,", "", "C,B,1,,", "D,B,1,,", "E,B,1,,")
    assert places(found) == [(6, None)]


def test_errors_are_not_counted_without_an_end() -> None:
    found = read(*["A,B,0,,"] * 1_500)
    assert len(found.errors) == 1_001
    assert found.errors[-1].line == 1_001


def test_a_refusal_names_line_and_column_as_its_fields() -> None:
    problem = refused(read("A,B,0,,", "x" * 5000).errors)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert [(error.field, error.value) for error in problem.errors] == [("line 2, units", "0"), ("line 3", "x" * 200)]


# --- what is written

_text = st.text(min_size=1, max_size=20) | st.text("=+-@'\" ,;aA1＝", min_size=1, max_size=8)
skus = _text.map(str.strip).filter(lambda sku: sku_mistake(sku) is None)
times = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def tables(draw: st.DrawFn) -> list[Wanted]:
    made = []
    for sku in draw(st.lists(skus, unique=True, max_size=4)):
        parts = draw(
            st.lists(st.tuples(skus, st.integers(1, 9999)), min_size=1, max_size=4, unique_by=lambda each: each[0])
        )
        begin, end = draw(st.tuples(times, times))
        if begin and end and begin >= end:
            begin = None
        made.append(Wanted(sku, tuple(target(part, units) for part, units in parts), begin, end))
    return made


@given(tables())
def test_what_is_exported_is_imported_without_a_change(table: list[Wanted]) -> None:
    stored = {each.amazon_sku: kept(each) for each in table}
    file = write_header() + "".join(write_mapping(each.mapping) for each in stored.values())
    found = read_csv(file.encode())
    assert found.errors == ()
    assert list(found.wanted) == table
    assert changes_of(found.wanted, stored).unchanged == len(table)


@given(tables())
def test_no_cell_that_is_exported_begins_like_a_formula(table: list[Wanted]) -> None:
    file = write_header() + "".join(write_mapping(kept(each).mapping) for each in table)
    for row in csv.reader(file.splitlines(keepends=True)):
        assert not any(cell.startswith(tuple("=+-@\t\r＝＋－＠")) for cell in row)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"{HEADER}\n{text}".encode(errors="replace")))
def test_no_file_is_so_odd_that_it_cannot_be_answered(body: bytes) -> None:
    found = read_csv(body)
    assert found.errors or found.rows >= len(found.wanted)
