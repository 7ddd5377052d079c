"""The three rules by which a line finds its variant, each alone: mapping, sku, title (design section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orderbridge.events import MatchStep, Reason, Rule, SkuMapping, Target

from .catalogue import Entry
from .order import Line
from .shelf import Shelf
from .titles import Titled, fit_title, possible_keys


@dataclass(frozen=True, slots=True)
class Found:
    """The line is these variants."""

    targets: tuple[Target, ...]
    step: MatchStep
    mapping_rev: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The rule says nothing of the line: the next one is tried."""

    step: MatchStep


@dataclass(frozen=True, slots=True)
class Held:
    """The rule applies, but not to exactly one variant: no other rule may answer in its place.

    ``skus`` are those whose variants could mend it.
    """

    reason: Reason
    step: MatchStep
    candidates: tuple[Entry, ...] = ()
    skus: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ask:
    """These SKUs are not in the catalogue, and Shopify was not asked for them lately."""

    skus: frozenset[str]


Verdict = Found | Lost | Held | Ask


def sku_of(line: Line) -> str:
    """What is compared of a SKU: trimmed, its case kept; empty when there is nothing to compare."""
    return line.amazon_sku.strip() if line.amazon_sku else ""


# --- mapping


def by_mapping(line: Line, purchased_at: datetime | None, shelf: Shelf) -> Verdict:
    """An operator's word beats what the rules would find; a mapping that leads nowhere holds the line."""
    sku = sku_of(line)
    mapping = shelf.mapping(sku, purchased_at) if sku else None
    if mapping is None:
        return Lost(_step("mapping", None, "No mapping holds." if sku else "The line has no SKU."))
    unasked = frozenset(
        target.shopify_sku
        for target in mapping.targets
        if not shelf.selling(target.shopify_sku) and target.shopify_sku not in shelf.missed
    )
    if unasked:
        return Ask(unasked)
    targets: list[Target] = []
    for wanted in mapping.targets:
        selling = shelf.selling(wanted.shopify_sku)
        if len(selling) != 1:
            return _mapped_nowhere(line, mapping, wanted.shopify_sku, selling, shelf)
        targets.append(_target(selling[0], line.quantity * wanted.units))
    return Found(tuple(targets), _won("mapping", sku, _mapping_words(mapping)), mapping.rev)


def _mapped_nowhere(line: Line, mapping: SkuMapping, wanted: str, selling: Sequence[Entry], shelf: Shelf) -> Held:
    sku = sku_of(line)
    details = {"sku": sku, "shopify_sku": wanted}
    if selling:
        message = f"The mapping of {sku} names the SKU {wanted}, which {len(selling)} variants in Shopify have."
        reason = Reason(code="ambiguous_sku", message=message, details=details)
    else:
        message = f"The mapping of {sku} names the SKU {wanted}, which no variant on sale in Shopify has."
        reason = Reason(code="mapping_target_missing", message=message, details=details)
    candidates = tuple(selling or shelf.by_sku.get(wanted, ()))
    skus = frozenset(target.shopify_sku for target in mapping.targets)
    return Held(reason, _step("mapping", sku, message), candidates, skus)


def _mapping_words(mapping: SkuMapping) -> str:
    parts = " + ".join(f"{target.units} x {target.shopify_sku}" for target in mapping.targets)
    return f"Mapped to {parts} (revision {mapping.rev})."


# --- sku


def by_sku(line: Line, shelf: Shelf) -> Verdict:
    """Exactly one variant on sale has the SKU. Two or more are held, never the first taken."""
    sku = sku_of(line)
    if not sku:
        return Lost(_step("sku", None, "The line has no SKU."))
    selling = shelf.selling(sku)
    if len(selling) == 1:
        target = _target(selling[0], line.quantity)
        return Found((target,), _won("sku", sku, "Exactly one variant on sale has it."))
    if selling:
        message = f"{len(selling)} variants in Shopify have the SKU {sku}, exactly one must."
        reason = Reason(code="ambiguous_sku", message=message, details={"sku": sku})
        return Held(reason, _step("sku", sku, message), tuple(selling), frozenset({sku}))
    if sku not in shelf.missed:
        return Ask(frozenset({sku}))
    elsewhere = shelf.by_sku.get(sku, ())
    if elsewhere:
        # The SKU is a product's that is not sold: another one with a like title is hardly what was ordered.
        message = f"No variant on sale in Shopify has the SKU {sku}; {len(elsewhere)} not on sale have it."
        reason = Reason(code="sku_not_found", message=message, details={"sku": sku})
        return Held(reason, _step("sku", sku, message), tuple(elsewhere), frozenset({sku}))
    return Lost(_step("sku", sku, f"No variant on sale in Shopify has the SKU {sku}."))


# --- title


def by_title(line: Line, shelf: Shelf) -> Verdict:
    """Exactly one variant on sale is what the title says, every word and number of it (see ``titles``)."""
    if not line.title:
        return Lost(_step("title", None, "The line has no title."))
    entries = [entry for key in possible_keys(line.title) for entry in shelf.by_title.get(key, ())]
    if not entries:
        return Lost(_step("title", line.title, "The title begins with no product's title."))
    known = {entry.variant_id: entry for entry in entries}
    verdict = fit_title(line.title, [titled(entry) for entry in known.values()])
    fitting = [known[one.variant_id] for one in verdict.fitting if shelf.sells(known[one.variant_id])]
    if len(fitting) == 1:
        others = f", {len(verdict.lost)} others of like products do not" if verdict.lost else ""
        why = f"Only {fitting[0].shown_title} is what the title says{others}."
        return Found((_target(fitting[0], line.quantity),), _won("title", line.title, why))
    if fitting:
        message = f"{len(fitting)} variants in Shopify fit the title, exactly one must."
        details = {"title": line.title, **({"sku": sku_of(line)} if sku_of(line) else {})}
        reason = Reason(code="ambiguous_title", message=message, details=details)
        return Held(reason, _step("title", line.title, message), tuple(fitting))
    first = next((f"; {fit.variant.product_title}: {fit.why}" for fit in verdict.lost), "")
    return Lost(_step("title", line.title, f"No variant on sale is all that the title says{first}."))


def titled(entry: Entry) -> Titled:
    return Titled(entry.variant_id, entry.product_id, entry.product_title, entry.options)


def _target(entry: Entry, quantity: int) -> Target:
    return Target(variant_id=entry.variant_id, shopify_sku=entry.sku, quantity=quantity)


def _step(rule: Rule, looked_for: str | None, why: str) -> MatchStep:
    return MatchStep(rule=rule, looked_for=looked_for or None, won=False, why=why)


def _won(rule: Rule, looked_for: str, why: str) -> MatchStep:
    return MatchStep(rule=rule, looked_for=looked_for, won=True, why=why)
