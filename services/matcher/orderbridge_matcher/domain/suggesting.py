"""Candidates for a line that found no variant: ranked by how alike they look, for a person to choose from.

No score is ever a match: what looks alike is often the wrong size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from orderbridge.events import LineMatch

from .catalogue import Entry
from .matching import Unmatched, candidates_of
from .order import Line
from .rules import sku_of

SHOWN = 5
LEAST_SCORE = 40.0
"""Of 100; below it a suggestion would only be noise."""


def open_lines(lines: Sequence[Line], decision: Unmatched) -> list[Line]:
    """Those lines that have a reason and no candidates yet."""
    open_ids = {match.order_item_id for match in decision.lines if match.reason is not None and not match.candidates}
    return [line for line in lines if line.order_item_id in open_ids]


def with_suggestions(decision: Unmatched, lines: Sequence[Line], near: Mapping[str, Sequence[Entry]]) -> Unmatched:
    """``near`` has variants worth a look, by order item."""
    by_id = {line.order_item_id: line for line in lines}
    return replace(
        decision,
        lines=tuple(
            _suggested(match, by_id[match.order_item_id], near.get(match.order_item_id, ()))
            if match.reason is not None and not match.candidates and match.order_item_id in by_id
            else match
            for match in decision.lines
        ),
    )


def _suggested(match: LineMatch, line: Line, near: Sequence[Entry]) -> LineMatch:
    scored = {entry.variant_id: (score(line, entry), entry) for entry in near}
    ranked = sorted(scored.values(), key=lambda one: (-one[0], one[1].variant_id))
    chosen = [entry for value, entry in ranked if value >= LEAST_SCORE][:SHOWN]
    # They stay in the order of their likeness.
    return match.model_copy(update={"candidates": tuple(one for entry in chosen for one in candidates_of([entry]))})


def score(line: Line, entry: Entry) -> float:
    """How alike they are, of 100: the better of title against title and SKU against SKU."""
    by_words = fuzz.token_set_ratio(line.title, entry.shown_title, processor=default_process) if line.title else 0.0
    sku = sku_of(line)
    by_sku = fuzz.ratio(sku.casefold(), entry.sku.casefold()) if sku and entry.sku else 0.0
    return max(by_words, by_sku)
