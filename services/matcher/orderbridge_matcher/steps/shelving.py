"""Fetching what orders are decided by, for many orders at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from orderbridge.events import SkuMapping

from ..domain.catalogue import Entry
from ..domain.order import Line, Order
from ..domain.reading import Progress
from ..domain.rules import sku_of
from ..domain.shelf import Shelf
from ..domain.titles import possible_keys
from ..ports import Unit

Texts = dict[str, set[str]]
"""Some texts by connection."""


async def shelves_for(orders: Sequence[Order], catalogues: Mapping[str, Progress], unit: Unit) -> dict[str, Shelf]:
    """By connection; the caller holds the catalogues shared."""
    amazon_skus = amazon_skus_of(orders)
    mappings = await unit.mappings(amazon_skus)
    skus: Texts = {name: set(those) for name, those in amazon_skus.items()}
    for name, mapped in mappings.items():
        skus[name] |= {target.shopify_sku for mapping in mapped.values() for target in mapping.targets}
    entries = await unit.variants(skus, _pinned_ids(orders))
    shelves = {
        name: _shelf(entries.get(name, ()), mappings.get(name, {}), drafts=catalogues[name].match_drafts)
        for name in amazon_skus
    }
    absent = {name: {sku for sku in skus[name] if not shelf.selling(sku)} for name, shelf in shelves.items()}
    missed = await unit.missed(absent) if any(absent.values()) else {}
    titled = await unit.titled(_title_keys(orders, shelves, absent))
    return {
        name: replace(shelf, by_title=_by_title(titled.get(name, ())), missed=missed.get(name, ()))
        for name, shelf in shelves.items()
    }


def amazon_skus_of(orders: Iterable[Order]) -> Texts:
    """Every connection of the orders has its set, be it empty."""
    told: dict[str, set[str | None]] = defaultdict(set)
    for order in orders:
        told[order.connection_id].update([line.amazon_sku for line in order.lines])
    return {name: {sku for said in those if said and (sku := said.strip())} for name, those in told.items()}


def _pinned_ids(orders: Iterable[Order]) -> Texts:
    wanted: Texts = defaultdict(set)
    for order in orders:
        if not order.created:
            wanted[order.connection_id].update(target.variant_id for pin in order.pins for target in pin.targets)
    return wanted


def _shelf(entries: Iterable[Entry], mappings: Mapping[str, SkuMapping], *, drafts: bool) -> Shelf:
    by_sku: dict[str, list[Entry]] = defaultdict(list)
    by_id: dict[str, Entry] = {}
    for entry in entries:
        by_id[entry.variant_id] = entry
        if entry.sku:
            by_sku[entry.sku].append(entry)
    return Shelf(by_sku=dict(by_sku), by_id=by_id, mappings=mappings, drafts=drafts)


def _title_keys(orders: Iterable[Order], shelves: Mapping[str, Shelf], absent: Texts) -> Texts:
    """Of the lines that no earlier rule can speak for; ``absent`` are the SKUs that no variant on sale has."""
    wanted: Texts = defaultdict(set)
    for order in orders:
        shelf, unsold = shelves[order.connection_id], absent[order.connection_id]
        for line in order.lines:
            if line.amazon_sku and not unsold:
                continue
            if line.title and _is_left_to_the_title(line, order, shelf):
                wanted[order.connection_id].update(possible_keys(line.title))
    return wanted


def _is_left_to_the_title(line: Line, order: Order, shelf: Shelf) -> bool:
    sku = sku_of(line)
    return not sku or (sku not in shelf.by_sku and shelf.mapping(sku, order.purchased_at) is None)


def _by_title(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    by_title: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_title[entry.product_key].append(entry)
    return by_title
