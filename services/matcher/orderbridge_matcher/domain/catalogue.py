"""A shop's variants as the matcher keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from . import keys
from .keys import Key
from .titles import product_key

ACTIVE = "ACTIVE"
DRAFT = "DRAFT"
GONE = "GONE"
"""The status of a variant that Shopify does not have any more; its id never comes back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``sku`` is trimmed, None when there is none; ``status`` is the product's, or ``GONE``.

    ``updated_at`` is the later of the variant's and its product's. ``limited``: orders beyond its stock are refused.
    """

    variant_id: str
    product_id: str
    sku: str | None
    title: str
    product_title: str
    status: str
    updated_at: datetime
    options: tuple[tuple[str, str], ...] = ()
    limited: bool = True

    @property
    def shown_title(self) -> str:
        """A product without options has one variant, which Shopify calls Default Title."""
        plain = self.title in ("", "Default Title")
        return self.product_title if plain else f"{self.product_title} - {self.title}"

    @property
    def product_key(self) -> str:
        return _product_key(self.product_title)


@lru_cache(maxsize=10_000)
def _product_key(product_title: str) -> str:
    """A product's variants come together: it is folded once."""
    return product_key(product_title)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the order of their products' changes; ``following`` is the cursor of the next page."""

    entries: tuple[Entry, ...]
    following: str | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What to write; what it concerns; which variants are otherwise than before; which products to read again.

    ``doubtful``: Shopify's times are as fine as a second, so of two states with the same time it cannot be told which
    is the later one. The product is then read by its id, which gives what is true now.
    """

    write: tuple[Entry, ...] = ()
    concerns: frozenset[Key] = frozenset()
    altered: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()


def changes(
    known: Mapping[str, Entry], read: Iterable[Entry], gone: Iterable[str] = (), *, certain: bool = False
) -> Change:
    """Hold what was read against what is known, both by variant id; what was read earlier than known is dropped.

    ``certain``: it was read by id, which shows what is true now, and not from an index that lags.
    """
    write: dict[str, Entry] = {}
    doubtful: set[str] = set()
    for entry in read:
        before = write.get(entry.variant_id) or known.get(entry.variant_id)
        if before is None or _replaces(entry, before):
            write[entry.variant_id] = entry
            if before is not None and before.updated_at == entry.updated_at and not certain:
                doubtful.add(entry.product_id)
    for variant_id in gone:
        before = known.get(variant_id)
        if before is not None and before.status != GONE:
            write[variant_id] = _gone(before)
    concerns: set[Key] = set()
    altered: set[str] = set()
    for variant_id, entry in write.items():
        before = known.get(variant_id)
        concerns |= _concerned(before, entry)
        if before is not None and _differs(before, entry):
            altered.add(variant_id)
    return Change(tuple(write.values()), frozenset(concerns), frozenset(altered), frozenset(doubtful))


def _replaces(entry: Entry, before: Entry) -> bool:
    return before.status != GONE and before != entry and before.updated_at <= entry.updated_at


def _gone(entry: Entry) -> Entry:
    return replace(entry, sku=None, status=GONE)


def _differs(before: Entry, now: Entry) -> bool:
    """Whether an order may fare otherwise with it."""
    return (before.sku, before.status, before.limited) != (now.sku, now.status, now.limited)


def _concerned(before: Entry | None, now: Entry) -> set[Key]:
    """What orders wait for that may be decided otherwise with this entry."""
    found: set[Key] = set()
    if before is None or (before.sku, before.status) != (now.sku, now.status):
        found |= {keys.of_sku(sku) for sku in (now.sku, before.sku if before else None) if sku}
        found.add(keys.of_variant(now.variant_id))
    if before is None or _titled(before) != _titled(now):
        found |= {keys.of_title(key) for key in (now.product_key, before.product_key if before else "") if key}
    return found


def _titled(entry: Entry) -> tuple[object, ...]:
    return entry.product_title, entry.options, entry.status
