"""Titles as they are compared: what a careful reader takes for the same becomes the same tokens, nothing else does.

A text becomes words, numbers and signs. Letters and digits part (``16mm`` is ``16`` and ``mm``), so a unit may stand
glued or apart, but two numbers never flow together. Numbers stay as they are written (``9``, ``9.0`` and ``9,0`` are
three), only a left out zero is put back (``.5`` is ``0.5``). Signs that tell products apart (``+ # % °``) are tokens,
punctuation is not.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from typing import NamedTuple

from .characters import normal, shapes


class Gap(IntEnum):
    """How a token stands to the one before it."""

    GLUED = 0
    LOOSE = 1  # a space or a hyphen
    SOFT = 2  # a full stop, a quote, a mark of exclamation
    APART = 3  # any other punctuation: it may part two things


class Folded(NamedTuple):
    """A text's tokens, and what of the separators between them still matters; all tuples are equally long."""

    words: tuple[str, ...]
    joined: tuple[str, ...]  # the words, each number with what ties it to a number before it: "-", "/"
    gaps: tuple[Gap, ...]
    opens: tuple[bool, ...]  # whether a new part of the title may begin with this token
    doubts: frozenset[str]  # negative numbers that a dash before a plain one may have meant
    edged: bool  # a dash at one of its ends is in no token

    def starts(self, at: int) -> bool:
        """Whether a part may end before this position: never inside ``M6``, ``5-10`` or ``9 1/2``."""
        return at == len(self.words) or self.opens[at]


_SOFT = frozenset(" .'\"!?")
_HYPHENS = frozenset("-/")
_LOOSENS = frozenset(" ;|=")  # between two numbers; 5,10 and 5-10 and 5(10) may be one
_INNER = frozenset("-/.'·")

NOTHING = Folded((), (), (), (), frozenset(), False)

_TOKEN = re.compile(
    r"""(?P<number> (?:(?<![aw0m"'.)\]}\-])-)? (?:(?<![aw0m"'.)\]}])\.)? 0[0m]* (?:[.,:/·]0[0m]*)* )
      | (?P<unit>   (?<=0)["'] | (?<=0[ ])["'](?=[ ]|$) )                                   # inches and feet
      | (?P<grade>  (?:(?<=(?<![awm])a)|(?<=(?<![awm])aa))-(?![awm0x.'\-]) )                # A- is not A
      | (?P<word>   [awm]+ )
      | (?P<sign>   xm* )""",
    re.VERBOSE,
)


def fold(text: str) -> Folded:
    """The tokens of a text; ``NOTHING`` when it has none, is too long, or holds what no title does (NUL)."""
    plain = normal(text)
    shape = shapes(plain)
    if not plain or "!" in shape:
        return NOTHING
    words: list[str] = []
    joined: list[str] = []
    gaps: list[Gap] = []
    opens: list[bool] = []
    doubts: set[str] = set()
    kind, end = "", 0
    for found in _TOKEN.finditer(shape):
        between = plain[end : found.start()]
        before, kind, end = kind, str(found.lastgroup), found.end()
        word = plain[found.start() : end]
        numbers = before == kind == "number"
        if kind == "number":
            word = word.replace(".", "0.", 1) if word.startswith((".", "-.")) else word
            if "-" in between and word[0] != "-" and not (numbers and between == "-"):
                doubts.add("-" + word)
        tie = _tie(words[-1], between, word) if numbers else ""
        opens.append(not words or _opens(words[-1], between, word, numbers=numbers))
        gaps.append(_gap(between))
        joined.append(f"{tie} {word}" if tie else word)
        words.append(word)
    edged = bool(words) and ((plain[0] == "-" != words[0][0]) or (plain[-1] == "-" != words[-1]))
    return Folded(tuple(words), tuple(joined), tuple(gaps), tuple(opens), frozenset(doubts), edged)


def rendered(folded: Folded, count: int) -> str:
    """The first tokens as text; folding it again gives the same tokens."""
    pieces = zip(folded.words[:count], folded.joined, strict=False)
    return "".join(word if word == "-" else f" {joined}" for word, joined in pieces)[1:]


def stand_alike(part: Folded, gaps: tuple[Gap, ...], *, whole: bool) -> bool:
    """Whether the part's tokens, found in a title with these gaps, also stand together there as in the part.

    ``M6`` is ``M 6`` but not ``M, 6``, and ``S10+`` is not ``S10 +``; a ``whole`` one is not parted by a comma either.
    """
    for at, (own, gap) in enumerate(zip(part.gaps, gaps, strict=True)):
        if at == 0 or own == gap or part.joined[at] != part.words[at]:
            continue
        if whole and gap == Gap.APART:
            return False
        if Gap.GLUED in {own, gap} and (max(own, gap) > Gap.LOOSE or part.words[at] == "+"):
            return False
    return True


def _gap(between: str) -> Gap:
    if not between:
        return Gap.GLUED
    if between in {" ", "-"}:
        return Gap.LOOSE
    return Gap.SOFT if _SOFT.issuperset(between) else Gap.APART


def _tie(before: str, between: str, word: str) -> str:
    """What stands between two numbers and is part of what they say; ``1-1/2`` is a mixed number like ``1 1/2``."""
    if _is_mixed(before, between, word):
        return ""
    return next((tie for tie in ("-", "/", "..", " :") if tie in between), "").strip()


def _opens(before: str, between: str, word: str, *, numbers: bool) -> bool:
    """Whether a new part of a title may begin with this word; in doubt it runs on."""
    if not between or (numbers and (_LOOSENS.isdisjoint(between) or _is_mixed(before, between, word))):
        return False
    if before == "'" and between == " ":  # 5' 10" is one length
        return not word[0].isdecimal()
    if _HYPHENS.issuperset(between):
        return _is_word(before) or _is_word(word)
    return not _INNER.issuperset(between)


def _is_mixed(before: str, between: str, word: str) -> bool:
    return between in {" ", "-"} and "/" in word and before.isdecimal()


def _is_word(word: str) -> bool:
    """Whether a hyphen beside it parts two things: ``Shirt-M``, ``T恤-红``; in ``L-XL`` and ``S-10`` it does not."""
    return word[0].isalpha() and (len(word) >= 3 or any(unicodedata.category(one) == "Lo" for one in word))
