"""Orders, variants and mappings for tests of the rules: each builder names only what a test cares about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from orderbridge.events import LineMatch, MappingTarget, SkuMapping
from orderbridge_matcher.domain.catalogue import Entry
from orderbridge_matcher.domain.matching import LookUp, Matched, Unmatched, match_order
from orderbridge_matcher.domain.order import Line, Order
from orderbridge_matcher.domain.shelf import Shelf
from tests.support.facts import ORDER, at


def entry(variant_id: str, sku: str | None, product_title: str = "Thing", status: str = "ACTIVE", **more: Any) -> Entry:
    values: dict[str, Any] = {
        "variant_id": variant_id,
        "product_id": f"p-{product_title}",
        "sku": sku,
        "title": "Default Title",
        "product_title": product_title,
        "status": status,
        "updated_at": at(),
        "options": (("Title", "Default Title"),),
    }
    return Entry(**(values | more))


def sized(variant_id: str, sku: str | None, product_title: str, size: str, status: str = "ACTIVE") -> Entry:
    """A variant of a product with the option Size."""
    return entry(variant_id, sku, product_title, status, title=size, options=(("Size", size),))


def mapping(
    amazon_sku: str,
    *targets: tuple[str, int],
    rev: int = 1,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> SkuMapping:
    return SkuMapping(
        connection_id="main",
        amazon_sku=amazon_sku,
        rev=rev,
        targets=tuple(MappingTarget(shopify_sku=sku, units=units) for sku, units in targets),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def shelf(
    entries: Iterable[Entry], mappings: Iterable[SkuMapping] = (), missed: Collection[str] = (), *, drafts: bool = False
) -> Shelf:
    """With all of the entries, as if the order were bound to each."""
    by_sku: dict[str, list[Entry]] = defaultdict(list)
    by_title: dict[str, list[Entry]] = defaultdict(list)
    by_id: dict[str, Entry] = {}
    for one in entries:
        by_id[one.variant_id] = one
        if one.status != "GONE":
            by_title[one.product_key].append(one)
        if one.sku:
            by_sku[one.sku].append(one)
    return Shelf(by_sku, by_id, by_title, {one.amazon_sku: one for one in mappings}, missed, drafts)


def lines(*skus: str | None, title: str | None = "Some product", quantity: int = 1) -> tuple[Line, ...]:
    return tuple(Line(str(n), quantity, sku, title) for n, sku in enumerate(skus, start=1))


def order(*skus: str | None, pins: tuple[LineMatch, ...] = (), **more: Any) -> Order:
    title, quantity = more.pop("title", "Some product"), more.pop("quantity", 1)
    values: dict[str, Any] = {
        "order_id": ORDER,
        "connection_id": "main",
        "imported_seq": 1,
        "disposition": "import",
        "disposition_reason": None,
        "purchased_at": at(),
        "ship_by": at(2880),
        "lines": lines(*skus, title=title, quantity=quantity),
        "seq": 0,
        "pins": pins,
    }
    return Order(**(values | more))


def matched_lines(what: Order, on: Shelf) -> tuple[LineMatch, ...]:
    """What the order is bound to once it was matched by that shelf."""
    decision = match_order(what, on)
    assert isinstance(decision, Matched), decision
    return decision.lines


def verdict(decision: Matched | Unmatched | LookUp) -> str:
    """``match v-1 v-2``, ``look up A B``, or the order's reason with those of its lines."""
    match decision:
        case Matched(found):
            return " ".join(["match", *(target.variant_id for line in found for target in line.targets)])
        case LookUp(unknown):
            return " ".join(["look up", *sorted(unknown)])
        case Unmatched(found, reason):
            each = [line.reason.code if line.reason else "ok" for line in found]
            return f"{reason.code}: {' '.join(each)}"
