"""What a file of mappings changes in the table, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orderbridge.events import Event

from .mapping_csv import CsvError
from .mappings import StoredMapping, Wanted, verdict_on
from .problems import FieldError, Problem
from .variants import MappingWarning


class ImportOutcome(Event):
    """What was done, or with ``preview`` what would be: nothing at all as long as there are ``errors``.

    ``mappings`` are those that can be read: ``new``, ``changed`` and ``unchanged`` ones. ``waiting_orders`` is how many
    orders they free, if the shop's products stay as they are. Mappings that the file does not name stay as they are.
    """

    preview: bool
    rows: int
    mappings: int
    new: int
    changed: int
    unchanged: int
    waiting_orders: int
    errors: tuple[CsvError, ...]
    warnings: tuple[MappingWarning, ...]


@dataclass(frozen=True)
class Changes:
    new: tuple[Wanted, ...]
    changed: tuple[Wanted, ...]
    unchanged: int

    @property
    def all(self) -> tuple[Wanted, ...]:
        return self.new + self.changed


def changes_of(wanted: Sequence[Wanted], before: Mapping[str, StoredMapping]) -> Changes:
    verdicts = [(each, verdict_on(each, before.get(each.amazon_sku))) for each in wanted]
    return Changes(
        tuple(each for each, verdict in verdicts if verdict == "new"),
        tuple(each for each, verdict in verdicts if verdict == "changed"),
        sum(verdict == "unchanged" for _, verdict in verdicts),
    )


def refused(errors: Sequence[CsvError]) -> Problem:
    """A 422 that names line and column of each error."""
    places = [FieldError(_place(error), error.message, error.value) for error in errors]
    return Problem(
        422,
        "invalid_request",
        f"The file has {len(errors)} errors, the first in {places[0].field}; nothing was imported.",
        remedy="Correct what errors names, and send the whole file again; ?preview=true tries it without a change.",
        errors=places,
    )


def _place(error: CsvError) -> str:
    return f"line {error.line}, {error.column}" if error.column else f"line {error.line}"
