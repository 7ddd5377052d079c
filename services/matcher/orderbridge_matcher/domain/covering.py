"""Covering the rest of a title, after the product's own, with the labels of one variant."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from .folding import Folded, fold, stand_alike

MAX_OPTIONS = 4
"""Shopify has three at most; the search grows with two to this power."""

MAX_SAID = 40_000
"""Characters of a product's values that occur in a title: more than any has that is no attack."""

DEFAULT = (("Title", "Default Title"),)
"""What Shopify gives the one variant of a product without options."""

SHOWN = 40
"""As much of a vendor's text as a reason quotes."""

Option = tuple[str, str]
"""Name and value, as sent."""

Options = tuple[Option, ...]

_RUNS = re.compile(r"[a-z]+|[0-9]+")
_DASH = re.compile(r"[^\x00-\x7f]|-")


class Family(NamedTuple):
    """What all variants of a product say together."""

    shared: frozenset[str]  # names of the options that have one value for all of them
    refusal: str  # why none of them can be compared


class Reader:
    """Reads one title, and remembers what it has read: the variants of a product share most of their words."""

    def __init__(self, title: Folded) -> None:
        self._title = title
        self._text = f" {' '.join(title.joined)} "
        self._products: dict[str, int] = {}
        self._folded: dict[str, Folded] = {}
        self._ends: dict[tuple[Option, int], tuple[int, ...]] = {}
        self._likely: dict[str, bool] = {}
        self._said: dict[str, bool] = {}

    def after_product(self, product_title: str) -> int:
        """Where the product's title ends in this one; 0 when this one does not begin with it."""
        if product_title not in self._products:
            self._products[product_title] = self._after(fold(product_title), 0)
        return self._products[product_title]

    def family(self, variants: Sequence[Options]) -> Family:
        """Sum up the options of all variants of one product."""
        values: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for name, value in chain.from_iterable(variants):
            values[name][value] = None
        everywhere = frozenset.intersection(*(frozenset(name for name, _ in options) for options in variants))
        shared = frozenset(name for name in everywhere if self._is_one(values[name]))
        every = set(chain.from_iterable(values.values()))
        said = [value for value in every if self._may_say(value)]  # nearly none, whatever the product has
        if sum(map(len, said)) > MAX_SAID:
            return Family(shared, "it has more values than can be compared")
        return Family(shared, self._dash(every, said))

    def _dash(self, values: Iterable[str], said: Iterable[str]) -> str:
        """Why a dash leaves open which of these values the title names; empty when none does."""
        for value in sorted(said):
            if self._fold(value).edged and self._says(value):
                return f"the dash of {value[:SHOWN]} may matter"
        doubts = self._title.doubts
        negative = {word for value in values if doubts and _DASH.search(value) for word in self._fold(value).words}
        doubt = min(doubts & negative, default="")
        return f"the dash before {doubt[1:]} may be a minus" if doubt else ""

    def misfit(self, options: Options, at: int, family: Family) -> str:
        """Why these options do not explain the title from there to its end; empty when they do."""
        if options == DEFAULT:
            options = ()
        if len(options) > MAX_OPTIONS:
            return "it has more options than can be compared"
        if family.refusal:
            return family.refusal
        needed = [option for option in options if option[0] not in family.shared]
        for name, value in needed:
            if not self._says(value):
                return f"{name[:SHOWN]} {value[:SHOWN]} is not in the title"
        if self._covers(options, needed, at):
            return ""
        rest = " ".join(self._title.joined[at:])[:SHOWN]
        return f"its options do not explain “{rest}”" if options else f"its title does not explain “{rest}”"

    def _is_one(self, values: Iterable[str]) -> bool:
        each = iter(values)
        first = self._fold(next(each)).joined
        return all(self._fold(value).joined == first for value in each)

    def _may_say(self, value: str) -> bool:
        """Spares folding most of the values that the title does not have."""
        known = self._likely.get(value)
        if known is None:
            runs = _RUNS.finditer(value.lower()) if value.isascii() else ()
            known = self._likely[value] = all(run.group() in self._text for run in runs)
        return known

    def _says(self, value: str) -> bool:
        """Whether the value's words stand anywhere; settles most variants without a search."""
        known = self._said.get(value)
        if known is None:
            known = self._may_say(value)
            if known:
                known = f" {' '.join(self._fold(value).joined)} " in self._text
            self._said[value] = known
        return known

    def _covers(self, options: Options, needed: Iterable[Option], at: int) -> bool:
        """Whether the labels, in some order and each once, are the rest of the title, and only shared ones left out."""
        seen: set[tuple[int, Options]] = set()
        todo = [(at, options)]
        while todo:
            place, free = todo.pop()
            if place == len(self._title.words) and not any(option in free for option in needed):
                return True
            for index, option in enumerate(free):
                rest = free[:index] + free[index + 1 :]
                for end in self._ends_of(option, place):
                    if (end, rest) not in seen:
                        seen.add((end, rest))
                        todo.append((end, rest))
        return False

    def _ends_of(self, option: Option, at: int) -> tuple[int, ...]:
        """Where this option's label ends when it begins there: its value, or its name and its value."""
        known = self._ends.get((option, at))
        if known is None:
            name, value = option
            begins = [at, *(end for one in _spellings(name) if (end := self._after(self._fold(one), at)))]
            found = {end for begin in begins if (end := self._after(self._fold(value), begin, whole=True))}
            known = self._ends[option, at] = tuple(sorted(found))
        return known

    def _after(self, part: Folded, at: int, *, whole: bool = False) -> int:
        """Where this part ends when it stands there and nothing of it runs on; 0 when it does not."""
        title, end = self._title, at + len(part.words)
        if (
            part.words
            and end <= len(title.words)
            and title.words[at] == part.words[0]
            and title.joined[at + 1 : end] == part.joined[1:]
            and stand_alike(part, title.gaps[at:end], whole=whole)
            and title.starts(end)
        ):
            return end
        return 0

    def _fold(self, text: str) -> Folded:
        known = self._folded.get(text)
        if known is None:
            known = self._folded[text] = fold(text)
        return known


def _spellings(name: str) -> tuple[str, ...]:
    """An option's name as two countries write it."""
    lower = name.lower()
    if "colour" in lower:
        return name, lower.replace("colour", "color")
    return (name, lower.replace("color", "colour")) if "color" in lower else (name,)
