"""The mapping table as CSV: RFC 4180, UTF-8, one row a target, the rows of an Amazon SKU one mapping.

A cell that a spreadsheet would take for a formula is refused. A SKU that really begins so is written with an apostrophe
before it, and the apostrophe is taken off again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from orderbridge.events import Event, MappingTarget, SkuMapping

from .mappings import ENDS_TOO_EARLY, TARGETS_LIMIT, UNITS_LIMIT, Wanted, sku_mistake, utc_time

HEADER = ("amazon_sku", "shopify_sku", "units", "valid_from", "valid_until")
ROWS_LIMIT = 50_000
LINE_LIMIT = 4_000
ERRORS_LIMIT = 1_000

_BOM = b"\xef\xbb\xbf"
_FORMULA = "=+-@＝＋－＠"
_ESCAPED = re.compile(f"'+[{re.escape(_FORMULA)}]")
_LOOKS_LIKE_FORMULA = re.compile(f"'*[{re.escape(_FORMULA)}]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WHOLE_CELL = re.compile(r'(?:"(?:[^"]|"")*"|[^",][^,]*)?,')
_SIGNED_NUMBER = re.compile(r"[+-][0-9.,]+")
_SHOWN_CHARACTERS = 200


class CsvError(Event):
    """What is wrong in a line, counted from 1 with the header; ``column`` is null where the line as a whole is."""

    line: int
    column: str | None
    value: str | None
    message: str


@dataclass(frozen=True, slots=True)
class CsvRead:
    """``wanted`` are the mappings without an error, in the order of their first lines."""

    rows: int
    wanted: tuple[Wanted, ...]
    errors: tuple[CsvError, ...]


class _Row(NamedTuple):
    line: int
    amazon_sku: str
    target: MappingTarget
    dates: tuple[datetime | None, datetime | None]


@dataclass(slots=True)
class _Group:
    first: _Row
    units: dict[str, MappingTarget] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    errors: list[CsvError] = field(default_factory=list)
    groups: dict[str, _Group] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)
    rows: int = 0

    def wrong(self, line: int, column: str | None, value: str | None, message: str) -> None:
        shown = value[:_SHOWN_CHARACTERS] if value is not None else None
        self.errors.append(CsvError(line=line, column=column, value=shown, message=message))


def read_csv(body: bytes) -> CsvRead:
    reading = _Reading()
    text = _decoded(body, reading)
    if text is not None:
        _read_rows(text, reading)
    wanted = tuple(_wanted(group) for sku, group in reading.groups.items() if sku not in reading.spoiled)
    return CsvRead(reading.rows, wanted, tuple(reading.errors))


def _decoded(body: bytes, reading: _Reading) -> str | None:
    body = body.removeprefix(_BOM)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        before = body[: error.start]
        line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        line = len(_LINE.findall(before[:line_start].decode()))
        reading.wrong(
            line + 1,
            _column_of_trouble(before[line_start:].decode()),
            f"byte 0x{body[error.start]:02x}",
            "This is no UTF-8. Save the file as UTF-8 (in Excel: CSV UTF-8).",
        )
        return None


def _read_rows(text: str, reading: _Reading) -> None:
    records = _records(text, reading)
    line, header = next(records, (1, []))
    if tuple(header) != HEADER:
        _wrong_header(line, header, reading)
        return
    for line, cells in records:
        if not any(map(str.strip, cells)):
            continue
        if reading.rows == ROWS_LIMIT:
            message = f"There are more than {ROWS_LIMIT} rows. Import the file in parts."
            reading.wrong(line, None, None, message)
            return
        reading.rows += 1
        row = _row(line, cells, reading)
        if row is not None:
            _add(row, reading)
        if len(reading.errors) >= ERRORS_LIMIT:
            reading.wrong(line, None, None, f"There are {ERRORS_LIMIT} errors up to here; the rest was not read.")
            return


def _records(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    """Records with the line that each begins in; what cannot be read as CSV ends them."""
    lines = [found.group() for found in _LINE.finditer(text)]
    reader = csv.reader(_short(lines, reading), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            message = "The quoting is broken: a quoted cell ends with a quote, and a quote inside it is written twice."
            reading.wrong(line, _column_of_trouble(lines[line - 1]), lines[line - 1].strip(), message)
            return
        yield line, cells
        line = reader.line_num + 1


def _short(lines: Sequence[str], reading: _Reading) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LIMIT:
            message = f"The line has more than {LINE_LIMIT} characters. Is a line end, or the end of a quote, missing?"
            reading.wrong(number, None, line, message)
            yield "\n"
        else:
            yield line


def _wrong_header(line: int, header: Sequence[str], reading: _Reading) -> None:
    differs = (place for place, (has, needs) in enumerate(zip(header, HEADER, strict=False)) if has != needs)
    place = next(differs, min(len(header), len(HEADER)))
    message = f"The first line must be {','.join(HEADER)}, with commas between the cells."
    reading.wrong(line, _column(place), ",".join(header), message)


def _column(place: int) -> str:
    return HEADER[place] if place < len(HEADER) else f"column {place + 1}"


def _column_of_trouble(line: str) -> str:
    """The first cell of a line that does not end with a comma as it should."""
    place = position = 0
    while (cell := _WHOLE_CELL.match(line, position)) is not None:
        position, place = cell.end(), place + 1
    return _column(place)


# --- one row


def _row(line: int, cells: Sequence[str], reading: _Reading) -> _Row | None:
    before = len(reading.errors)
    if len(cells) != len(HEADER):
        place = min(len(cells), len(HEADER))
        message = f"The line has {len(cells)} cells; there must be {len(HEADER)}, empty ones too."
        reading.wrong(line, _column(place), ",".join(cells), message)
        return None
    amazon_sku = _sku(line, "amazon_sku", cells[0], reading)
    shopify_sku = _sku(line, "shopify_sku", cells[1], reading)
    units = _units(line, cells[2], reading)
    dates = (_time(line, "valid_from", cells[3], reading), _time(line, "valid_until", cells[4], reading))
    if len(reading.errors) > before:
        if amazon_sku is not None:
            reading.spoiled.add(amazon_sku)
        return None
    return _Row(line, amazon_sku or "", MappingTarget(shopify_sku=shopify_sku or "", units=units or 0), dates)


def _sku(line: int, column: str, cell: str, reading: _Reading) -> str | None:
    if _is_formula(line, column, cell, reading):
        return None
    sku = cell.strip()
    if _ESCAPED.match(sku):
        sku = sku[1:]
    if (mistake := sku_mistake(sku)) is not None:
        reading.wrong(line, column, cell, mistake)
        return None
    return sku


def _units(line: int, cell: str, reading: _Reading) -> int | None:
    written = cell.strip()
    if not _SIGNED_NUMBER.fullmatch(written) and _is_formula(line, "units", cell, reading):
        return None
    if re.fullmatch("[0-9]{1,9}", written) and 1 <= int(written) <= UNITS_LIMIT:
        return int(written)
    reading.wrong(line, "units", cell, f"Units must be a whole number from 1 to {UNITS_LIMIT}.")
    return None


def _time(line: int, column: str, cell: str, reading: _Reading) -> datetime | None:
    if not cell.strip() or _is_formula(line, column, cell, reading):
        return None
    try:
        return utc_time(cell.strip())
    except ValueError as error:
        reading.wrong(line, column, cell, str(error))
        return None


def _is_formula(line: int, column: str, cell: str, reading: _Reading) -> bool:
    if not cell.startswith(("\t", "\r", "\n")) and not cell.strip().startswith(tuple(_FORMULA)):
        return False
    message = (
        "A spreadsheet would take this cell for a formula. If it really is the SKU, write an apostrophe (') before it."
        if column.endswith("sku")
        else "A spreadsheet would take this cell for a formula. Write the plain value."
    )
    reading.wrong(line, column, cell, message)
    return True


# --- the rows of one mapping


def _add(row: _Row, reading: _Reading) -> None:
    before = len(reading.errors)
    group = reading.groups.setdefault(row.amazon_sku, _Group(row))
    _check_dates(row, group.first, reading)
    if row.target.shopify_sku in group.units:
        message = f"{row.amazon_sku} names this SKU twice: name it once, with the sum of the units."
        reading.wrong(row.line, "shopify_sku", row.target.shopify_sku, message)
    elif len(group.units) == TARGETS_LIMIT:
        message = f"{row.amazon_sku} has more than {TARGETS_LIMIT} targets."
        reading.wrong(row.line, "shopify_sku", row.target.shopify_sku, message)
    else:
        group.units[row.target.shopify_sku] = row.target
    if len(reading.errors) > before:
        reading.spoiled.add(row.amazon_sku)


def _check_dates(row: _Row, first: _Row, reading: _Reading) -> None:
    for column, here, there in zip(HEADER[3:], row.dates, first.dates, strict=True):
        if here != there:
            message = f"Line {first.line} gives {row.amazon_sku} another time: all rows of a mapping have the same."
            reading.wrong(row.line, column, _written(here), message)
    valid_from, valid_until = row.dates
    if row is first and valid_from and valid_until and valid_from >= valid_until:
        reading.wrong(row.line, "valid_until", _written(valid_until), ENDS_TOO_EARLY)


def _wanted(group: _Group) -> Wanted:
    return Wanted(group.first.amazon_sku, tuple(group.units.values()), *group.first.dates)


# --- writing


def write_header() -> str:
    return ",".join(HEADER) + "\r\n"


def write_mapping(mapping: SkuMapping) -> str:
    """Its rows, each with its line end."""
    dates = (_written(mapping.valid_from), _written(mapping.valid_until))
    rows = (
        (_escaped(mapping.amazon_sku), _escaped(target.shopify_sku), str(target.units), *dates)
        for target in mapping.targets
    )
    return "".join(",".join(map(_quoted, row)) + "\r\n" for row in rows)


def _written(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ""


def _escaped(sku: str) -> str:
    return f"'{sku}" if _LOOKS_LIKE_FORMULA.match(sku) else sku


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if re.search('[",\r\n]', cell) else cell
