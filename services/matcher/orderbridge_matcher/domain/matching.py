"""Which variant each line of an order is: the rule ``sku``, and the reason where there is no answer.

An order is never created in part: one doubtful line holds all of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orderbridge.events import Candidate, LineMatch, MatchFact, Mode, OrderMatched, OrderUnmatched, Reason, Target

from .catalogue import Entry
from .order import Line

ACTIVE = "ACTIVE"
DRAFT = "DRAFT"

PRIORITY = (
    "sku_changed_after_import",
    "variant_missing",
    "mapping_target_missing",
    "ambiguous_sku",
    "ambiguous_title",
    "sku_not_found",
)
"""The order's reason is the first of these that one of its lines has (contract section 4)."""


class Variant(NamedTuple):
    """A variant of the shop; ``status`` is its product's, ``sku`` is trimmed."""

    variant_id: str
    sku: str
    title: str
    status: str


@dataclass(frozen=True, slots=True)
class Matched:
    """A variant for every line."""

    lines: tuple[LineMatch, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """At least one line has a reason; ``skus`` are those that hold the order."""

    lines: tuple[LineMatch, ...]
    reason: Reason
    skus: frozenset[str]


@dataclass(frozen=True, slots=True)
class LookUp:
    """The catalogue does not have these SKUs, and Shopify was not asked for them lately."""

    skus: frozenset[str]


Decision = Matched | Unmatched | LookUp


def key_of(amazon_sku: str | None) -> str:
    """What is compared of a SKU: trimmed, its case kept; empty when there is nothing to compare."""
    return amazon_sku.strip() if amazon_sku else ""


def sells(variant: Variant | Entry, *, drafts: bool) -> bool:
    """Whether an order may be matched to it: never when it is archived, when it is a draft by setting."""
    return variant.status == ACTIVE or (drafts and variant.status == DRAFT)


def match_lines(
    lines: Sequence[Line],
    catalogue: Mapping[str, Sequence[Variant]],
    missed: Collection[str] = (),
    *,
    drafts: bool = False,
) -> Decision:
    """Decide on all lines together.

    ``catalogue`` has, by trimmed SKU, all variants that carry it, whatever their status; ``missed`` are the SKUs that
    Shopify was asked for lately.
    """
    found: list[LineMatch] = []
    unasked: list[str] = []
    held: list[tuple[Reason, str]] = []
    for line in lines:
        sku = key_of(line.amazon_sku)
        variants = catalogue.get(sku, ()) if sku else ()
        selling = [one for one in variants if sells(one, drafts=drafts)]
        if len(selling) == 1:
            found.append(_matched(line, selling[0]))
            continue
        if sku and not selling and sku not in missed:
            unasked.append(sku)
            continue
        reason = _reason(line, sku, selling)
        held.append((reason, sku))
        found.append(_unmatched(line, selling or variants, reason))
    if unasked:
        return LookUp(frozenset(unasked))
    if not held:
        return Matched(tuple(found))
    return Unmatched(tuple(found), _reason_of_order(held), frozenset(sku for _, sku in held if sku))


def _matched(line: Line, variant: Variant) -> LineMatch:
    target = Target(variant_id=variant.variant_id, shopify_sku=variant.sku, quantity=line.quantity)
    return LineMatch(order_item_id=line.order_item_id, amazon_sku=line.amazon_sku, rule="sku", targets=(target,))


def _unmatched(line: Line, variants: Sequence[Variant], reason: Reason) -> LineMatch:
    candidates = [
        Candidate(variant_id=one.variant_id, shopify_sku=one.sku, title=one.title)
        for one in sorted(variants, key=lambda one: (one.status != ACTIVE, one.variant_id))
    ]
    return LineMatch(
        order_item_id=line.order_item_id, amazon_sku=line.amazon_sku, candidates=tuple(candidates), reason=reason
    )


def _reason(line: Line, sku: str, selling: Sequence[Variant]) -> Reason:
    if selling:
        message = f"{len(selling)} variants in Shopify have the SKU {sku}, exactly one must."
        return Reason(code="ambiguous_sku", message=message, details={"sku": sku})
    if not sku:
        message = f"The order item {line.order_item_id} carries no SKU at Amazon, so no variant can be found by it."
        return Reason(code="sku_not_found", message=message, details={"order_item_id": line.order_item_id})
    message = f"No variant on sale in Shopify has the SKU {sku}."
    return Reason(code="sku_not_found", message=message, details={"sku": sku})


def _reason_of_order(held: Sequence[tuple[Reason, str]]) -> Reason:
    first = min((reason for reason, _ in held), key=lambda reason: PRIORITY.index(reason.code))
    skus = sorted({sku for reason, sku in held if reason.code == first.code and sku})
    return Reason(code=first.code, message=first.message, details={"skus": skus})


# --- saying it


class Saying(NamedTuple):
    """Of which order, answering which import and command, a match is said."""

    order_id: str
    imported_seq: int
    command_id: str | None = None
    mode: Mode | None = None


def is_said(fact: str | None, decision: Matched | Unmatched, imported_seq: int) -> bool:
    """Whether the newest published match says just this of just that import."""
    if fact is None:
        return False
    said = fact_of(fact)
    reason = said.reason if isinstance(said, OrderUnmatched) else None
    wanted = decision.reason if isinstance(decision, Unmatched) else None
    return said.imported_seq == imported_seq and reason == wanted and said.lines == decision.lines


def fact_of(stored: str) -> MatchFact:
    """A match as it was published. Only an unmatched order has a reason of its own."""
    values = json.loads(stored)
    return OrderUnmatched.model_validate(values) if "reason" in values else OrderMatched.model_validate(values)
