"""A shop's variants as the matcher keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """``sku`` is trimmed, None when there is none; ``updated_at`` the later of the variant's and its product's."""

    variant_id: str
    product_id: str
    sku: str | None
    title: str
    product_title: str
    status: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the order of their products' changes; ``following`` is the cursor of the next page."""

    entries: tuple[Entry, ...]
    following: str | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What to write, and every SKU that a variant got, lost, or has under another status now."""

    write: tuple[Entry, ...]
    skus: frozenset[str]


def changes(known: Mapping[str, Entry], read: Iterable[Entry], gone: Iterable[str] = ()) -> Change:
    """Hold what was read against what is known, both by variant id; what was read earlier than known is dropped."""
    write: dict[str, Entry] = {}
    skus: set[str | None] = set()
    for entry in read:
        before = write.get(entry.variant_id) or known.get(entry.variant_id)
        if before == entry or (before is not None and before.updated_at > entry.updated_at):
            continue
        write[entry.variant_id] = entry
        if before is None or (before.sku, before.status) != (entry.sku, entry.status):
            skus |= {entry.sku, before.sku if before else None}
    skus |= {known[variant_id].sku for variant_id in gone if variant_id in known}
    return Change(tuple(write.values()), frozenset(sku for sku in skus if sku))
