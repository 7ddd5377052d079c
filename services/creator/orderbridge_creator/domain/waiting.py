"""Orders that wait for stock: what each needs, and which of them can be had with the stock there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from orderbridge.events import OrderFailed

from . import reasons
from .order import Order
from .outcomes import Stock

LAST = datetime.max.replace(tzinfo=UTC)
UNLIMITED = 2**31 - 1
"""The units of a variant that is never refused."""


@dataclass(frozen=True)
class Need:
    """Units of one variant that an order waits for, and the SKU the variant had when it was matched."""

    variant_id: str
    shopify_sku: str | None
    units: int


@dataclass(frozen=True)
class Wait:
    """A need as it is kept: where its stock is counted, and how much there was when the order was refused."""

    need: Need
    inventory_item_id: str | None = None
    product_id: str | None = None
    available: int | None = None


@dataclass(frozen=True)
class Waiting:
    """An order and all its needs.

    ``seen`` is how many units of a variant there were when the order was refused, of those where it counts: only more
    than that is a reason to try again.
    """

    order_id: str
    ship_by: datetime | None
    needs: tuple[Need, ...]
    seen: Mapping[str, int]

    @property
    def urgency(self) -> tuple[datetime, str]:
        return self.ship_by or LAST, self.order_id


@dataclass(frozen=True)
class Queue:
    """The orders that a change of stock may concern.

    ``promised`` are the units on their way to orders that waited for them, by variant; ``flags`` counts the words of
    a change since each wait was looked at, by order and variant.
    """

    waiting: tuple[Waiting, ...]
    promised: Mapping[str, int]
    flags: Mapping[tuple[str, str], int]


def needs_of(order: Order) -> tuple[Need, ...]:
    """What a refused order waits for; empty when it does not wait for stock."""
    match, fact = order.wanted, order.fact
    if match is None or not isinstance(fact, OrderFailed) or fact.reason.code != reasons.OUT_OF_STOCK:
        return ()
    if fact.match_seq != match.seq:
        return ()
    units = Counter[str]()
    skus: dict[str, str | None] = {}
    for line in reasons.reserved_lines(match):
        units[line.variant_id] += line.quantity
        skus[line.variant_id] = line.shopify_sku
    return tuple(Need(variant, skus[variant], count) for variant, count in sorted(units.items()) if count > 0)


def stage(order: Order) -> Literal["waiting", "woken", "none"]:
    """Whether the order waits for stock, may be on its way to units that it waited for, or neither."""
    if needs_of(order):
        return "waiting"
    if order.open_outcome:
        return "woken" if order.attempts > 1 else "none"
    return "woken" if order.due and order.phase == "planned" and order.attempts > 0 else "none"


def waits_of(order: Order, stock: Mapping[str, Stock] | None) -> tuple[Wait, ...]:
    """What is to be kept of a refused order; ``stock`` is None where it could not be read."""
    found = stock or {}
    return tuple(_wait(need, found.get(need.variant_id)) for need in needs_of(order))


def _wait(need: Need, stock: Stock | None) -> Wait:
    if stock is None:
        return Wait(need)
    return Wait(need, stock.inventory_item_id, stock.product_id, _units(stock))


def _units(stock: Stock) -> int:
    return stock.available if stock.limited else UNLIMITED


def explained(order: Order, stock: Mapping[str, Stock] | None) -> bool:
    """Whether the stock that was read says why the order was refused."""
    return any(not _has(need, (stock or {}).get(need.variant_id), 0) for need in needs_of(order))


def looked_into(queue: Queue, most_variants: int) -> tuple[list[Waiting], list[Waiting]]:
    """Which flagged orders come first, as many as name so many variants (one at least), and who competes with them.

    Orders that compete for a variant are looked into together, so that each is served in its turn. Competitors that
    are not flagged, and need other variants too, have a turn of their own once those are.
    """
    flagged = {order_id for order_id, _ in queue.flags}
    first: list[Waiting] = []
    for group in _competing(each for each in queue.waiting if each.order_id in flagged):
        if not first:
            first = _beginning(group, most_variants)
        elif len(_variants(first) | _variants(group)) <= most_variants:
            first += group
        else:
            break
    variants = _variants(first)
    unflagged = (each for each in queue.waiting if each.order_id not in flagged)
    return first, [each for each in unflagged if _variants([each]) <= variants]


def _variants(orders: Iterable[Waiting]) -> set[str]:
    return {need.variant_id for order in orders for need in order.needs}


def _competing(orders: Iterable[Waiting]) -> list[list[Waiting]]:
    """Groups of orders that share a variant, directly or through others; the nearest date first, in each and of all."""
    groups: dict[int, list[Waiting]] = {}
    names: dict[int, set[str]] = {}
    group_of: dict[str, int] = {}
    for n, order in enumerate(sorted(orders, key=lambda it: it.urgency)):
        wanted = _variants([order])
        met_groups = {group_of[variant] for variant in wanted if variant in group_of}
        kept = max(met_groups, key=lambda it: len(groups[it]), default=n)
        groups.setdefault(kept, []).append(order)
        names.setdefault(kept, set()).update(wanted)
        for other in met_groups - {kept}:
            groups[kept] += groups.pop(other)
            wanted |= names[other]
            names[kept] |= names.pop(other)
        group_of.update(dict.fromkeys(wanted, kept))
    ordered = [sorted(group, key=lambda it: it.urgency) for group in groups.values()]
    return sorted(ordered, key=lambda group: group[0].urgency)


def _beginning(group: list[Waiting], most_variants: int) -> list[Waiting]:
    """The whole group, or if that names too many variants, its nearest dates."""
    chosen: list[Waiting] = []
    variants: set[str] = set()
    for order in group:
        variants |= _variants([order])
        if chosen and len(variants) > most_variants:
            break
        chosen.append(order)
    return chosen


def met(waiting: Sequence[Waiting], stock: Mapping[str, Stock], promised: Mapping[str, int]) -> list[Waiting]:
    """Those whose every need there is stock for, when the nearest ship-by date is served first.

    ``promised`` are units that are on their way to others. An order that cannot be had whole takes nothing. A variant
    that is gone, or has another SKU now, is not what the order was matched to: that is not ours to settle.
    """
    taken = Counter(promised)
    served = []
    for order in sorted(waiting, key=lambda it: it.urgency):
        whole = all(_has(need, stock.get(need.variant_id), taken[need.variant_id]) for need in order.needs)
        if whole and any(_more(need, stock[need.variant_id], order.seen) for need in order.needs):
            served.append(order)
            taken.update({need.variant_id: need.units for need in order.needs})
    return served


def _has(need: Need, stock: Stock | None, taken: int) -> bool:
    if stock is None or (stock.sku or "").strip() != (need.shopify_sku or "").strip():
        return False
    return not stock.limited or stock.available - taken >= need.units


def _more(need: Need, stock: Stock, seen: Mapping[str, int]) -> bool:
    return need.variant_id not in seen or _units(stock) > seen[need.variant_id]
