"""What an order is bound to: the variants of its first successful match, as long as they are what they were.

A match is withdrawn when the SKU of its variant changes before the Shopify order exists, and comes back by itself when
that is undone. Only an operator binds the order to other variants: by ``rematch``, or by mapping the SKU otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orderbridge.events import LineMatch, MatchStep, Reason, Target

from .catalogue import GONE, Entry
from .order import Line, Pins
from .rules import sku_of
from .shelf import Shelf


def binding_of(
    line: Line, pins: Mapping[str, LineMatch], purchased_at: datetime | None, shelf: Shelf, *, created: bool
) -> LineMatch | None:
    """What the line stays matched to, or that its match is withdrawn, and why; None: it is matched like a new one.

    ``created``: the Shopify order exists, so that nothing takes the match away any more.
    """
    pin = pins.get(line.order_item_id)
    if pin is None or (pin.amazon_sku or "").strip() != sku_of(line):
        return None
    if not created and _mapped_otherwise(line, pin, purchased_at, shelf):
        return None
    trouble = None if created else _trouble(line, pin, shelf)
    if trouble is None:
        return _for_quantity(line, pin)
    step = MatchStep(rule=pin.rule or "sku", looked_for=sku_of(line) or line.title, won=False, why=trouble.message)
    return LineMatch(
        order_item_id=line.order_item_id,
        amazon_sku=line.amazon_sku,
        quantity=line.quantity,
        reason=trouble,
        path=(*pin.path[:-1], step),
    )


def pinned(pins: Pins) -> dict[str, LineMatch]:
    return {pin.order_item_id: pin for pin in pins}


def _mapped_otherwise(line: Line, pin: LineMatch, purchased_at: datetime | None, shelf: Shelf) -> bool:
    """An operator's new word on the SKU undoes what was matched before it."""
    mapping = shelf.mapping(sku_of(line), purchased_at)
    return (mapping.rev if mapping else None) != pin.mapping_rev


def _for_quantity(line: Line, pin: LineMatch) -> LineMatch:
    """A revision may order more or fewer of the same."""
    before = pin.quantity or pin.targets[0].quantity
    if before == line.quantity:
        return pin
    targets = tuple(
        target.model_copy(update={"quantity": target.quantity // before * line.quantity}) for target in pin.targets
    )
    return pin.model_copy(update={"targets": targets, "quantity": line.quantity})


def _trouble(line: Line, pin: LineMatch, shelf: Shelf) -> Reason | None:
    for target in pin.targets:
        entry = shelf.by_id.get(target.variant_id)
        if entry is None or not shelf.sells(entry):
            return _missing(line, target, entry)
        if entry.sku != target.shopify_sku:
            return _renamed(line, target, entry)
    return None


def _renamed(line: Line, target: Target, entry: Entry) -> Reason:
    old, new = target.shopify_sku or "none", entry.sku or "none"
    return Reason(
        code="sku_changed_after_import",
        message=f"The variant had the SKU {old} when the order was matched, and has {new} now.",
        details={
            "order_item_id": line.order_item_id,
            "variant_id": target.variant_id,
            "old_sku": target.shopify_sku,
            "new_sku": entry.sku,
        },
    )


def _missing(line: Line, target: Target, entry: Entry | None) -> Reason:
    known = entry is not None and entry.status != GONE
    why = f"is {entry.status.lower()}, so not on sale" if known and entry else "does not exist any more"
    return Reason(
        code="variant_missing",
        message=f"The variant with the SKU {target.shopify_sku or 'none'} that the order was matched to {why}.",
        details={
            "order_item_id": line.order_item_id,
            "variant_id": target.variant_id,
            "old_sku": target.shopify_sku,
            "new_sku": entry.sku if known and entry else None,
        },
    )
