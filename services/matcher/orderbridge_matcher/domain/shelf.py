"""What the rules look at when they decide an order: variants, mappings, and what Shopify was asked for in vain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orderbridge.events import SkuMapping

from .catalogue import ACTIVE, DRAFT, Entry


@dataclass(frozen=True)
class Shelf:
    """Of one shop. ``by_sku`` has, by trimmed SKU, all variants that carry it, whatever their status; ``by_title`` by
    folded product title; ``by_id`` those that an order is bound to. ``mappings`` are by trimmed Amazon SKU; ``missed``
    are SKUs that Shopify was asked for lately and did not have."""

    by_sku: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    by_id: Mapping[str, Entry] = field(default_factory=dict)
    by_title: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    mappings: Mapping[str, SkuMapping] = field(default_factory=dict)
    missed: Collection[str] = ()
    drafts: bool = False
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was decided by this shelf for one line holds for every line that is like it."""

    def sells(self, entry: Entry) -> bool:
        """Whether an order may be matched to it: never when it is archived, when it is a draft by setting."""
        return sells(entry, drafts=self.drafts)

    def selling(self, sku: str) -> list[Entry]:
        return [entry for entry in self.by_sku.get(sku, ()) if self.sells(entry)]

    def mapping(self, amazon_sku: str, purchased_at: datetime | None) -> SkuMapping | None:
        """The mapping in force for an order of that time."""
        if not self.mappings:
            return None
        found = self.mappings.get(amazon_sku)
        return found if found is not None and in_force(found, purchased_at) else None


def sells(entry: Entry, *, drafts: bool) -> bool:
    return entry.status == ACTIVE or (drafts and entry.status == DRAFT)


def in_force(mapping: SkuMapping, purchased_at: datetime | None) -> bool:
    """A kit's parts are those of the day it was sold: the order's purchase counts, not the moment of matching.

    An order whose time is not known is not bound by dates.
    """
    if not mapping.targets:
        return False
    if purchased_at is None:
        return True
    begun = mapping.valid_from is None or mapping.valid_from <= purchased_at
    return begun and (mapping.valid_until is None or purchased_at < mapping.valid_until)
