"""The rule ``title``: an Amazon title is a product's title followed by the labels of one of its variants.

The title must be explained to its last token, and a variant by its title: every option is named by its value, next to
its name or alone, in any order; only one whose value all variants of the product share may be left out. What can be
read in two ways fits both times, so it is held. A wrong match ships the wrong thing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .covering import Reader
from .folding import NOTHING, Folded, fold, rendered

MAX_PRODUCT_TOKENS = 128
MAX_KEY_BYTES = 2000
"""What a database index takes; a product beyond it is not found by its title."""


class Titled(NamedTuple):
    """A variant as its title is compared; ``options`` are (name, value)."""

    variant_id: str
    product_id: str
    product_title: str
    options: tuple[tuple[str, str], ...]


class Fit(NamedTuple):
    """Why a variant fits, or why it lost, in one short phrase."""

    variant: Titled
    why: str


@dataclass(frozen=True, slots=True)
class TitleVerdict:
    """``lost`` are the other variants of the products that the title begins with."""

    fitting: tuple[Titled, ...]
    lost: tuple[Fit, ...]


def product_key(product_title: str) -> str:
    """What a product is found by; empty when its title cannot be compared."""
    folded = fold(product_title)
    return _key(folded, len(folded.words))


def possible_keys(title: str) -> tuple[str, ...]:
    """The keys of all products that this Amazon title can begin with."""
    folded = fold(title)
    counts = range(1, len(folded.words) + 1)
    return tuple(key for count in counts if folded.starts(count) and (key := _key(folded, count)))


def fit_title(title: str | None, variants: Sequence[Titled]) -> TitleVerdict:
    """Which variants the title names completely.

    ``variants`` are all those, whatever their status, of all products whose key is possible; others change nothing.
    """
    products: defaultdict[str, list[Titled]] = defaultdict(list)
    for variant in sorted(set(variants)):
        products[variant.product_id].append(variant)
    reader = Reader(fold(title) if title else NOTHING)
    fitting: list[Titled] = []
    lost: list[Fit] = []
    for product in products.values():
        begun = [(one, at) for one in product if (at := reader.after_product(one.product_title))]
        if begun:
            family = reader.family([one.options for one in product])
            for variant, at in begun:
                why = reader.misfit(variant.options, at, family)
                if why:
                    lost.append(Fit(variant, why))
                else:
                    fitting.append(variant)
    return TitleVerdict(tuple(fitting), tuple(lost))


def _key(folded: Folded, count: int) -> str:
    if not 0 < count <= MAX_PRODUCT_TOKENS:
        return ""
    key = rendered(folded, count)
    return key if len(key.encode()) <= MAX_KEY_BYTES else ""
