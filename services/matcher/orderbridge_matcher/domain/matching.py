"""Which variants the lines of an order are, or the reason where there is no answer.

An order is never created in part: one doubtful line holds all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from orderbridge.events import Candidate, LineMatch, MatchFact, MatchStep, OrderMatched, OrderUnmatched, Reason

from . import keys
from .catalogue import ACTIVE, Entry
from .keys import Key
from .order import Line, Order
from .pinning import binding_of, pinned
from .rules import Ask, Found, Held, Lost, by_mapping, by_sku, by_title, sku_of
from .shelf import Shelf
from .titles import possible_keys

PRIORITY = (
    "sku_changed_after_import",
    "variant_missing",
    "mapping_target_missing",
    "ambiguous_sku",
    "ambiguous_title",
    "sku_not_found",
)
"""The order's reason is the first of these that one of its lines has (contract section 4)."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Variants for every line; ``concerns`` is what, if it changes, may change that."""

    lines: tuple[LineMatch, ...]
    concerns: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Unmatched:
    """At least one line has a reason; ``concerns`` is what may mend it."""

    lines: tuple[LineMatch, ...]
    reason: Reason
    concerns: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class LookUp:
    """The catalogue does not have these SKUs, and Shopify was not asked for them lately."""

    skus: frozenset[str]
    concerns: frozenset[Key] = frozenset()


Decision = Matched | Unmatched | LookUp


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the rules say of a line: of this one, and of every line like it."""

    path: tuple[MatchStep, ...]
    concerns: frozenset[Key]
    found: Found | None = None
    reason: Reason | None = None
    candidates: tuple[Candidate, ...] = ()
    ask: frozenset[str] = frozenset()


def match_order(order: Order, shelf: Shelf, *, anew: bool = False) -> Decision:
    """Decide on all lines together; ``anew``: whatever the order was matched to before (``rematch``)."""
    pins = {} if anew else pinned(order.pins)
    matches: list[LineMatch] = []
    concerns: set[Key] = set()
    asked: set[str] = set()
    for line in order.lines:
        binding = binding_of(line, pins, order.purchased_at, shelf, created=order.created) if pins else None
        if binding is not None:
            matches.append(binding)
            concerns.update(keys.of_variant(target.variant_id) for target in pins[line.order_item_id].targets)
            concerns.update(_mapping_key(line))
            continue
        answer = _answer(line, order, shelf)
        matches.append(_line_match(line, answer))
        concerns |= answer.concerns
        asked |= answer.ask
    if asked:
        return LookUp(frozenset(asked), frozenset(concerns))
    reasons = [match.reason for match in matches if match.reason is not None]
    if not reasons:
        return Matched(tuple(matches), frozenset(concerns))
    return Unmatched(tuple(matches), _reason_of_order(reasons), frozenset(concerns))


def _answer(line: Line, order: Order, shelf: Shelf) -> _Answer:
    mapping = shelf.mapping(sku_of(line), order.purchased_at) if shelf.mappings else None
    item = None if line.amazon_sku else line.order_item_id
    like = (line.amazon_sku, line.title, line.quantity, mapping and mapping.rev, item)
    known: _Answer | None = shelf.memo.get(like)
    if known is None:
        known = shelf.memo[like] = _by_rules(line, order, shelf)
    return known


def _by_rules(line: Line, order: Order, shelf: Shelf) -> _Answer:
    path: list[MatchStep] = []
    for rule in (partial(by_mapping, purchased_at=order.purchased_at), by_sku, by_title):
        match rule(line, shelf=shelf):
            case Lost(step):
                path.append(step)
            case Found() as found:
                concerns = {keys.of_variant(target.variant_id) for target in found.targets}
                return _Answer((*path, found.step), frozenset(concerns | _mapping_key(line)), found)
            case Held(reason, step, candidates, skus):
                waits = set(map(keys.of_sku, skus)) | _mapping_key(line) | _title_keys(line)
                return _Answer((*path, step), frozenset(waits), reason=reason, candidates=candidates_of(candidates))
            case Ask(skus):
                return _Answer((), frozenset({*map(keys.of_sku, skus), *_mapping_key(line)}), ask=skus)
            case never:
                assert_never(never)
    waits = _mapping_key(line) | _title_keys(line) | ({keys.of_sku(sku_of(line))} if sku_of(line) else set())
    return _Answer(tuple(path), frozenset(waits), reason=_unfound(line))


def _line_match(line: Line, answer: _Answer) -> LineMatch:
    found = answer.found
    return LineMatch(
        order_item_id=line.order_item_id,
        amazon_sku=line.amazon_sku,
        quantity=line.quantity,
        rule=found.step.rule if found else None,
        mapping_rev=found.mapping_rev if found else None,
        targets=found.targets if found else (),
        candidates=answer.candidates,
        reason=answer.reason,
        path=answer.path,
    )


def _unfound(line: Line) -> Reason:
    if sku := sku_of(line):
        message = f"No variant on sale in Shopify has the SKU {sku}, and none is what the title says."
        return Reason(code="sku_not_found", message=message, details={"sku": sku})
    item = line.order_item_id
    message = f"The order item {item} carries no SKU at Amazon, and no variant is what its title says."
    return Reason(code="sku_not_found", message=message, details={"order_item_id": item})


def _mapping_key(line: Line) -> set[Key]:
    sku = sku_of(line)
    return {keys.of_mapping(sku)} if sku else set()


def _title_keys(line: Line) -> set[Key]:
    return set(map(keys.of_title, possible_keys(line.title or "")))


def candidates_of(entries: Sequence[Entry]) -> tuple[Candidate, ...]:
    """What a person might choose from: those on sale first."""
    ranked = sorted(entries, key=lambda entry: (entry.status != ACTIVE, entry.variant_id))
    return tuple(
        Candidate(variant_id=entry.variant_id, shopify_sku=entry.sku, title=entry.shown_title) for entry in ranked
    )


def _reason_of_order(held: Sequence[Reason]) -> Reason:
    """The first by priority, with its words; ``skus`` are those of all lines that have that reason."""
    first = min(held, key=lambda reason: PRIORITY.index(reason.code))
    same = [reason.details for reason in held if reason.code == first.code]
    skus = sorted({str(details["sku"]) for details in same if "sku" in details})
    return first.model_copy(update={"details": {**first.details, **({"skus": skus} if skus else {})}})


# --- saying it


def is_said(fact: str | None, decision: Matched | Unmatched, imported_seq: int) -> bool:
    """Whether the newest published match says just this of just that import.

    A match counts by what it leads to, not by what else was looked at on the way: it would be another attempt.
    """
    if fact is None:
        return False
    said = fact_of(fact)
    if said.imported_seq != imported_seq:
        return False
    if isinstance(decision, Matched):
        return isinstance(said, OrderMatched) and list(map(_led_to, said.lines)) == list(map(_led_to, decision.lines))
    without_path = [_without_path(line) for line in decision.lines]
    return (
        isinstance(said, OrderUnmatched)
        and said.reason == decision.reason
        and [_without_path(line) for line in said.lines] == without_path
    )


def _led_to(line: LineMatch) -> tuple[object, ...]:
    return line.order_item_id, line.rule, line.targets


def _without_path(line: LineMatch) -> LineMatch:
    return line.model_copy(update={"path": ()})


def fact_of(stored: str) -> MatchFact:
    """A match as it was published. Only an unmatched order has a reason of its own."""
    values = json.loads(stored)
    return OrderUnmatched.model_validate(values) if "reason" in values else OrderMatched.model_validate(values)
