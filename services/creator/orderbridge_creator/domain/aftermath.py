"""What becomes of an order that exists in Shopify, when Amazon or somebody in Shopify goes on with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from orderbridge.events import Attention, CreationFact, ImportedLine, MadeItem, MadeOf, OrderImported

from .order import Change, Order, Remedy

OnCancel = Literal["flag", "cancel_and_restock"]
InShopify = Literal["open", "canceled", "deleted"]

CHANGED: Final = "changed_at_amazon_after_creation"
CANCELED: Final = "canceled_at_amazon_after_creation"
CANCELED_IN_SHOPIFY: Final = "canceled_in_shopify"
ON_CANCEL: Final[OnCancel] = "flag"
"""Of a connection that is not known any more."""
_ORDER: Final = (CANCELED, CHANGED, CANCELED_IN_SHOPIFY)
_TOLD: Final = 10
"""How many differences a sentence names."""
_CANCELED_BY: Final = {
    "canceled_by_buyer": "The buyer canceled the order at Amazon",
    "canceled_by_merchant": "The merchant canceled the order at Amazon",
}


def made_of(imported: OrderImported | None) -> MadeOf | None:
    """What a Shopify order is made of that is created from this import."""
    if imported is None:
        return None
    items = tuple(
        MadeItem(order_item_id=line.order_item_id, amazon_sku=line.amazon_sku, quantity=line.quantity)
        for line in imported.lines
    )
    return MadeOf(total=imported.total, items=items, personal_data_rev=imported.personal_data_rev)


def canceled_at_amazon(order: Order) -> bool:
    return order.imported is not None and order.imported.disposition.kind == "cancel"


def took_stock(order: Order) -> bool:
    """What Amazon ships never came out of the shop's stock, so nothing goes back there."""
    return order.imported is None or order.imported.fulfilled_by != "amazon"


def aftermath(order: Order, on_cancel: OnCancel, now: datetime) -> Change:
    """Hold the newest import against what was created: what differs is shown, and a cancellation takes effect."""
    if order.phase != "created" or order.imported is None:
        return Change(order)
    if not canceled_at_amazon(order):
        change = show(_taken_back(order), CANCELED, None, now)
        return change.then(lambda it: show(it, CHANGED, _changed(it), now))
    change = show(order, CHANGED, None, now)
    return change.then(lambda it: _canceled(it, on_cancel, now))


def _taken_back(order: Order) -> Order:
    """Nothing is canceled for Amazon's sake any more, but what Shopify was asked for already."""
    kept = tuple(one for one in order.remedies if one.command_id is not None or one.sent_at is not None)
    return replace(order, remedies=kept)


def _canceled(order: Order, on_cancel: OnCancel, now: datetime) -> Change:
    """Once: what was flagged, or could not be canceled, is a person's from then on."""
    if order.own_cancel is not None or any(one.code == CANCELED for one in order.newest.attention):
        return Change(order)
    if on_cancel == "cancel_and_restock":
        own = Remedy(None, "cancel", restock=took_stock(order))
        return Change(replace(order, remedies=(*order.remedies, own)))
    return flag_cancellation(order, None, now)


def flag_cancellation(order: Order, why: str | None, now: datetime) -> Change:
    """``why`` it could not be canceled in Shopify, a sentence; None: nobody tried."""
    code = order.imported.disposition.reason if order.imported else None
    said = f"{_CANCELED_BY.get(code or '', 'Amazon canceled the order')} after it was created in Shopify"
    return show(order, CANCELED, f"{said}, where it could not be canceled: {why}" if why else f"{said}.", now)


def in_shopify(order: Order, state: InShopify, now: datetime) -> Change:
    """What Shopify itself says of the order, while no cancellation of ours is under way."""
    shopify = order.newest.shopify
    name = (shopify.name or shopify.order_id) if shopify else ""
    said = None if state == "open" else f"The order {name} was {state} in Shopify."
    return show(order, CANCELED_IN_SHOPIFY, said, now)


def show(order: Order, code: str, message: str | None, now: datetime) -> Change:
    """With this attention, or without it; what is said already is said since then, and nothing is published."""
    fact = order.newest
    said = {one.code: one for one in fact.attention}
    if (said[code].message if code in said else None) == message:
        return Change(order)
    kept = {name: one for name, one in said.items() if name != code}
    if message is not None:
        kept[code] = Attention(code=code, message=message, since=now)
    return _publish(order, tuple(kept[name] for name in _ORDER if name in kept), now)


def _publish(order: Order, attention: tuple[Attention, ...], now: datetime) -> Change:
    """The order as it was created; no command is the cause of this."""
    cause = {"seq": order.seq + 1, "at": now, "command_id": None, "mode": None}
    fact: CreationFact = order.newest.model_copy(update={**cause, "attention": attention})
    return Change(replace(order, fact=fact), facts=(fact,))


# --- what changed


def _changed(order: Order) -> str | None:
    if order.made_of is None or order.imported is None:
        return None
    found = [*differences(order.made_of, order.imported)]
    if not found:
        return None
    more = [f"{len(found) - _TOLD} more"] if len(found) > _TOLD else []
    return f"Changed at Amazon after the order was created in Shopify: {'; '.join([*found[:_TOLD], *more])}."


def differences(before: MadeOf, now: OrderImported) -> Iterator[str]:
    """In words, old and new figures; what Amazon does not say (any more) is no difference, and nothing personal."""
    units, units_now = _units(before.items), _units(now.lines)
    known: list[MadeItem | ImportedLine] = [*now.lines, *before.items]
    names = {one.order_item_id: one.amazon_sku or f"order item {one.order_item_id}" for one in known}
    for item in dict.fromkeys((*units, *units_now)):
        old, new = units[item], units_now[item]
        if old and not new:
            yield f"{names[item]} is not ordered any more (was {old})"
        elif new and not old:
            yield f"{names[item]} is new ({new})"
        elif old != new:
            yield f"{names[item]} {new} instead of {old}"
    if before.total and now.total and before.total != now.total:
        yield f"the total {now.total} instead of {before.total}"
    if before.personal_data_rev and before.personal_data_rev != now.personal_data_rev:
        yield "the buyer or the address"


def _units(items: Iterable[MadeItem | ImportedLine]) -> Counter[str]:
    units = Counter[str]()
    for one in items:
        units[one.order_item_id] += one.quantity
    return units
