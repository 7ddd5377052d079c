"""What an Amazon order costs, in minor units, arranged as Shopify can say it; pure.

Source: Orders API v2026-01-01, proceeds; money rules checked on all example orders of its model. ``ITEM`` is a whole
line's amount, an item's total is the sum of its breakdowns, the order's is the sum of its items and of what it has of
its own (a delivery tip). The sign of ``DISCOUNT`` and whether prices include ``TAX`` are not documented: both are
decided by which sum equals Amazon's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import Final

from ..connections import TaxMode
from ..events import Breakdown, ImportedLine, OrderImported
from ..money import Money, minor_unit

ITEM, TAX, DISCOUNT, SHIPPING = "ITEM", "TAX", "DISCOUNT", "SHIPPING"
EXTRAS: Final = (SHIPPING, "GIFT_WRAP", "COD_FEE", "DELIVERY_TIP", "OTHER")
"""Amounts that are no product's: each becomes a line of its own beside the products."""
KNOWN: Final = frozenset({ITEM, TAX, DISCOUNT, *EXTRAS})


Addend = tuple[str, Money]
"""One amount that Amazon gives: its kind, with the order item that it belongs to."""
_Reading = tuple[bool, tuple[int, ...]]
"""Whether prices include tax, and each line's sign of its discount."""


@dataclass(frozen=True, slots=True)
class MoneyMismatch:
    """The order cannot be said to the last minor unit: Amazon's figure, ours, every addend, and why in words."""

    amazon: Money | None
    ours: Money | None
    addends: tuple[Addend, ...]
    why: str


@dataclass(frozen=True, slots=True)
class _Given:
    kind: str
    order_item_id: str | None
    amount: Money

    @property
    def addend(self) -> Addend:
        return (self.kind if self.order_item_id is None else f"{self.kind} of {self.order_item_id}", self.amount)


@dataclass(slots=True)
class Charge:
    """An amount and its tax in minor units; ``remitted_tax`` is the part of the tax that Amazon remits."""

    amount: int = 0
    own_tax: int = 0
    remitted_tax: int = 0

    def add_tax(self, tax: int, *, remitted: bool) -> None:
        if remitted:
            self.remitted_tax += tax
        else:
            self.own_tax += tax


@dataclass(frozen=True, slots=True)
class Charges:
    """All of an order's amounts, none negative: by line (``order_item_id``) and by kind of extra."""

    currency: str
    tax_included: bool
    lines: Mapping[str, Charge]
    extras: Mapping[str, Charge]


@dataclass(frozen=True, slots=True)
class _Parts:
    """One line's breakdowns: discounts as positive numbers, taxes and discounts by what they are of."""

    line: ImportedLine
    total: int | None
    item: int
    tax: int
    discount: int
    extras: Mapping[str, int] = field(default_factory=dict)
    taxes: Mapping[str, int] = field(default_factory=dict)
    discounts: Mapping[str, int] = field(default_factory=dict)

    def sum(self, *, tax_included: bool, sign: int) -> int:
        return self.item + sum(self.extras.values()) + (0 if tax_included else self.tax) + sign * self.discount


class _Inexact(ValueError):
    """An amount in another currency, or with digits below the minor unit."""


def read_charges(
    order: OrderImported, lines: Sequence[ImportedLine], tax_mode: TaxMode = "auto"
) -> Charges | MoneyMismatch:
    """Arrange the amounts of ``lines`` (those that count) and of the order itself, or say why that cannot be exact."""
    given = _given(order, lines)
    addends = tuple(each.addend for each in given)
    if order.total is None:
        return MoneyMismatch(None, None, addends, "Amazon gives no total")
    currency = order.total.currency
    try:
        total = to_minor(order.total, currency)
        for each in given:
            to_minor(each.amount, currency)
        parts = [_parts(line, currency) for line in lines]
        own = {kind: to_minor(amount, currency) for kind, amount in _own(order, parts).items()}
    except _Inexact as inexact:
        return MoneyMismatch(order.total, None, addends, str(inexact))

    plain = sum(part.sum(tax_included=False, sign=-1) for part in parts)
    plain += sum(amount for kind, amount in own.items() if kind in EXTRAS)

    def mismatch(why: str, ours: int = plain) -> MoneyMismatch:
        return MoneyMismatch(order.total, of_minor(ours, currency), addends, why)

    unknown = [each for each in given if each.kind not in KNOWN and each.amount.amount]
    if unknown:
        extra = sum(to_minor(each.amount, currency) for each in unknown)
        return mismatch(f"{unknown[0].kind} is not a kind that we know", plain if plain != total else plain + extra)
    homeless = [kind for kind, amount in own.items() if kind not in EXTRAS and amount]
    if homeless:
        return mismatch(f"{homeless[0]} of the whole order belongs to no line", plain + own[homeless[0]])
    readings = list(_readings(parts, sum(own.values()), total))
    if not readings and any(each.pending for each in order.breakdowns):
        own = {kind: to_minor(amount, currency) for kind, amount in _own(order, parts, pending=False).items()}
        readings = list(_readings(parts, sum(own.values()), total))
    if not readings:
        return mismatch("no reading of its discounts and taxes gives Amazon's sums")
    tax_included, signs = _chosen(readings, tax_mode)
    if tax_mode not in ("auto", "included" if tax_included else "excluded"):
        theirs = sum(part.sum(tax_included=not tax_included, sign=-1) for part in parts)
        where = "in" if tax_included else "on top of"
        why = f"they do with tax {where} the prices, and the setting tax_mode is {tax_mode}"
        return mismatch(why, theirs + sum(own.values()))
    charges = _arrange(parts, signs, own)
    buckets = [*charges.extras.values(), *charges.lines.values()]
    if not _lift(buckets) or any(bucket.own_tax < 0 or bucket.remitted_tax < 0 for bucket in buckets):
        return mismatch("a negative amount is left over")
    return Charges(currency, tax_included, charges.lines, charges.extras)


def to_minor(money: Money, currency: str) -> int:
    if money.currency != currency:
        raise _Inexact(f"an amount is in {money.currency}, the total in {currency}")
    if not money.in_minor_units():
        raise _Inexact(f"{money} has digits below the minor unit")
    return int(money.amount / minor_unit(currency))


def of_minor(amount: int, currency: str) -> Money:
    return Money(amount=Decimal(amount) * minor_unit(currency), currency=currency)


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount by weights so that the parts add up to it exactly; the rest goes to the largest remainders."""
    whole = sum(weights)
    if not whole:
        return [amount, *[0] * (len(weights) - 1)] if weights else []
    shares = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % whole), i))
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def unit_prices(amount: int, quantity: int) -> list[tuple[int, int]]:
    """``(units, price of one)``: one entry where the amount divides, else two that add up to it exactly."""
    price, rest = divmod(amount, quantity)
    return [(quantity - rest, price), (rest, price + 1)] if rest else [(quantity, price)]


def _given(order: OrderImported, lines: Iterable[ImportedLine]) -> list[_Given]:
    listed = [_Given(b.type, line.order_item_id, b.subtotal) for line in lines for b in _breakdowns(line)]
    on_lines = {each.kind for each in listed}
    return listed + [_Given(b.type, None, b.subtotal) for b in order.breakdowns if b.type not in on_lines]


def _breakdowns(line: ImportedLine) -> tuple[Breakdown, ...]:
    """The line's own, completed by an ``ITEM`` from its total or unit price where Amazon sends none."""
    if any(b.type == ITEM for b in line.breakdowns):
        return line.breakdowns
    if not line.breakdowns and line.total is not None:
        return (Breakdown(type=ITEM, subtotal=line.total),)
    if line.unit_price is not None:
        price = line.unit_price
        whole = Money(amount=price.amount * line.quantity, currency=price.currency)
        return (Breakdown(type=ITEM, subtotal=whole), *line.breakdowns)
    return line.breakdowns


def _own(order: OrderImported, parts: Iterable[_Parts], *, pending: bool = True) -> dict[str, Money]:
    """Order-level amounts of kinds that no line has; the others repeat what the lines say.

    Whether Amazon's total has a ``pending`` tip in it is not documented: its sum decides.
    """
    on_lines = {b.type for each in parts for b in _breakdowns(each.line)}
    own: dict[str, Money] = {}
    for b in order.breakdowns:
        if b.type not in on_lines and b.type in KNOWN and (pending or not b.pending):
            own[b.type] = own[b.type] + b.subtotal if b.type in own else b.subtotal
    return own


def _parts(line: ImportedLine, currency: str) -> _Parts:
    sums: dict[str, int] = {}
    details: dict[str, dict[str, int]] = {TAX: {}, DISCOUNT: {}}
    for b in _breakdowns(line):
        amount = to_minor(b.subtotal, currency)
        sums[b.type] = sums.get(b.type, 0) + (abs(amount) if b.type == DISCOUNT else amount)
        for detail in b.details if b.type in details else ():
            value = to_minor(detail.value, currency)
            of = details[b.type]
            of[detail.subtype] = of.get(detail.subtype, 0) + (abs(value) if b.type == DISCOUNT else value)
    return _Parts(
        line=line,
        total=None if line.total is None else to_minor(line.total, currency),
        item=sums.get(ITEM, 0),
        tax=sums.get(TAX, 0),
        discount=sums.get(DISCOUNT, 0),
        extras={kind: sums[kind] for kind in EXTRAS if kind in sums},
        taxes=_of_extras(sums.get(TAX, 0), details[TAX]),
        discounts=_of_extras(sums.get(DISCOUNT, 0), details[DISCOUNT]),
    )


def _of_extras(subtotal: int, details: Mapping[str, int]) -> dict[str, int]:
    """What of a tax or discount is an extra's, the rest being the item's; details that do not fit are ignored."""
    of_extras = {kind: amount for kind, amount in details.items() if kind in EXTRAS}
    fits = sum(of_extras.values()) <= subtotal and all(amount >= 0 for amount in of_extras.values())
    return of_extras if fits else {}


def _readings(parts: Sequence[_Parts], own: int, total: int) -> Iterator[_Reading]:
    """Every reading by which all sums are Amazon's.

    A discount that lowers the price, and tax that comes on top, come first.
    """
    for signs_tried, tax_included in product(((-1,), (-1, 1)), (False, True)):
        signs: list[int] = []
        for each in parts:
            fitting = (
                sign
                for sign in signs_tried
                if each.total is None or each.sum(tax_included=tax_included, sign=sign) == each.total
            )
            if (sign := next(fitting, None)) is None:
                break
            signs.append(sign)
        else:
            sums = (e.sum(tax_included=tax_included, sign=s) for e, s in zip(parts, signs, strict=True))
            if sum(sums) + own == total:
                yield tax_included, tuple(signs)


def _chosen(readings: Sequence[_Reading], tax_mode: TaxMode) -> _Reading:
    """The one that the setting asks for; it must not buy its sums with discounts that are read otherwise."""
    first = readings[0]
    asked = [each for each in readings if each == (tax_mode == "included", first[1])]
    return first if tax_mode == "auto" or not asked else asked[0]


@dataclass(frozen=True, slots=True)
class _Arranged:
    lines: dict[str, Charge]
    extras: dict[str, Charge]


def _arrange(parts: Sequence[_Parts], signs: Sequence[int], own: Mapping[str, int]) -> _Arranged:
    """Put every amount, discount and tax where it belongs; some may be negative still."""
    lines: dict[str, Charge] = {}
    extras = {kind: Charge(own.get(kind, 0)) for kind in EXTRAS}
    for each, sign in zip(parts, signs, strict=True):
        remitted = each.line.tax_remitted_by_amazon
        charge = lines[each.line.order_item_id] = Charge(
            each.item + sign * (each.discount - sum(each.discounts.values()))
        )
        charge.add_tax(each.tax - sum(each.taxes.values()), remitted=remitted)
        for kind, extra in extras.items():
            extra.amount += each.extras.get(kind, 0) + sign * each.discounts.get(kind, 0)
            extra.add_tax(each.taxes.get(kind, 0), remitted=remitted)
    return _Arranged(lines, extras)


def _lift(charges: Sequence[Charge]) -> bool:
    """Take what is below zero (a discount larger than what it is of) from the others; False when all is below zero."""
    if sum(charge.amount for charge in charges) < 0:
        return False
    owed = -sum(charge.amount for charge in charges if charge.amount < 0)
    for charge in charges:
        if charge.amount < 0:
            charge.amount = 0
        else:
            paid = min(charge.amount, owed)
            charge.amount -= paid
            owed -= paid
    return True
