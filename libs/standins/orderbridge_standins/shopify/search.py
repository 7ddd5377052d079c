"""Shopify's search syntax over an index that lags behind the shop.

Case-insensitive and tokenised, as the real one: a SKU finds its near neighbours, too, so every hit is only a
candidate. A filter on a field that is not searchable is ignored, as Shopify does, and finds everything; a
metafield filter is an error since 2026-10 unless its definition is filterable, which none here is.
Source: shopify.dev, API usage, search syntax; read 2026-11.
"""

import heapq
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

Terms = tuple[str, ...] | datetime | int
Entry = Mapping[str, Terms]
Matcher = Callable[["SearchIndex"], set[int]]

_WORD: Final = re.compile(r"[^\W_]+")
_LEXEME: Final = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<no>-)?(?:(?P<field>[A-Za-z_][\w.$-]*):(?P<sign>>=|<=|>|<)?)?"""
    r"""(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<bare>(?:\\.|[^\s()"'\\])+)))"""
)
_SIGNS: Final[Mapping[str, Callable[[int], bool]]] = {
    "": lambda order: order == 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
}


class SearchError(ValueError):
    """The query cannot be read, or filters by a metafield that is not filterable."""


class SearchIndex:
    """What a search sees: entries by key, each as of the moment its lag ended. Times are monotonic seconds."""

    def __init__(self, default_fields: tuple[str, ...], fields: tuple[str, ...]) -> None:
        self.default_fields = default_fields
        self.fields = frozenset(fields)
        self.entries: dict[int, Entry] = {}
        self._words: dict[tuple[str, str], set[int]] = {}
        self._waiting: list[tuple[float, int, int, Entry | None]] = []
        self._turn = itertools.count()

    def put(self, key: int, entry: Entry | None, visible_at: float) -> None:
        """Replace an entry, or drop it when None, once ``visible_at`` has come."""
        heapq.heappush(self._waiting, (visible_at, next(self._turn), key, entry))

    def find(self, query: str | None, now: float) -> set[int]:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, key, entry = heapq.heappop(self._waiting)
            self._replace(key, entry)
        if query is None or not query.strip():
            return set(self.entries)
        return parse(query)(self)

    def with_words(self, field: str, text: str) -> set[int]:
        """Keys whose field carries all words of the text, in any order; a trailing ``*`` is a prefix."""
        words = _WORD.findall(text.casefold())
        if not words:
            return set()
        *whole, last = words
        found = [self._words.get((field, word), set()) for word in whole]
        if text.endswith("*"):
            hits = (keys for (name, word), keys in self._words.items() if name == field and word.startswith(last))
            found.append(set().union(*hits))
        else:
            found.append(self._words.get((field, last), set()))
        return set.intersection(*found)

    def _replace(self, key: int, entry: Entry | None) -> None:
        for word in self._words_of(self.entries.pop(key, {})):
            self._words[word].discard(key)
        if entry is not None:
            self.entries[key] = entry
            for word in self._words_of(entry):
                self._words.setdefault(word, set()).add(key)

    @staticmethod
    def _words_of(entry: Entry) -> Iterator[tuple[str, str]]:
        for name, terms in entry.items():
            if isinstance(terms, tuple):
                for term in terms:
                    yield from ((name, word) for word in _WORD.findall(term.casefold()))


@dataclass(frozen=True, slots=True)
class _Lexeme:
    kind: str
    negated: bool = False
    field: str = ""
    sign: str = ""
    value: str = ""


def parse(query: str) -> Matcher:
    """Read a query; terms side by side are joined by AND.

    :raises SearchError: for unbalanced parentheses or quotes, or a metafield filter.
    """
    tokens = list(_lexemes(query))
    matcher, rest = _any_of(tokens)
    if rest:
        raise SearchError(f"unexpected {rest[0].value or rest[0].kind} in the search query")
    return matcher


def _lexemes(query: str) -> Iterator[_Lexeme]:
    place = 0
    text = query.rstrip()
    while place < len(text):
        found = _LEXEME.match(text, place)
        if found is None:
            raise SearchError(f"cannot read the search query from {text[place : place + 20]!r}")
        place = found.end()
        if found["paren"]:
            yield _Lexeme(found["paren"])
        elif found["bare"] in ("AND", "OR", "NOT") and not found["field"]:
            yield _Lexeme(found["bare"])
        else:
            raw = next(found[name] for name in ("double", "single", "bare") if found[name] is not None)
            value = re.sub(r"\\(.)", r"\1", raw)
            yield _Lexeme("term", bool(found["no"]), found["field"] or "", found["sign"] or "", value)


def _any_of(tokens: list[_Lexeme]) -> tuple[Matcher, list[_Lexeme]]:
    first, tokens = _all_of(tokens)
    parts = [first]
    while tokens and tokens[0].kind == "OR":
        part, tokens = _all_of(tokens[1:])
        parts.append(part)
    return (lambda index: set().union(*(part(index) for part in parts))), tokens


def _all_of(tokens: list[_Lexeme]) -> tuple[Matcher, list[_Lexeme]]:
    first, tokens = _one(tokens)
    parts = [first]
    while tokens and tokens[0].kind not in ("OR", ")"):
        part, tokens = _one(tokens[1:] if tokens[0].kind == "AND" else tokens)
        parts.append(part)
    return (lambda index: set.intersection(*(part(index) for part in parts))), tokens


def _one(tokens: list[_Lexeme]) -> tuple[Matcher, list[_Lexeme]]:
    if not tokens:
        raise SearchError("the search query ends too early")
    head, rest = tokens[0], tokens[1:]
    if head.kind == "NOT":
        inner, rest = _one(rest)
        return _without(inner), rest
    if head.kind == "(":
        inner, rest = _any_of(rest)
        if not rest or rest[0].kind != ")":
            raise SearchError("a parenthesis of the search query is not closed")
        return inner, rest[1:]
    if head.kind != "term":
        raise SearchError(f"unexpected {head.kind} in the search query")
    matcher = _term(head)
    return (_without(matcher) if head.negated else matcher), rest


def _without(matcher: Matcher) -> Matcher:
    return lambda index: set(index.entries) - matcher(index)


def _term(term: _Lexeme) -> Matcher:
    if term.field.startswith("metafields."):
        raise SearchError(f"Invalid metafield filter: {term.field}")

    def match(index: SearchIndex) -> set[int]:
        if not term.field:
            return set().union(*(index.with_words(name, term.value) for name in index.default_fields))
        if term.field not in index.fields:
            return set(index.entries)
        ordered = _ordered(index, term)
        return index.with_words(term.field, term.value) if ordered is None else ordered

    return match


def _ordered(index: SearchIndex, term: _Lexeme) -> set[int] | None:
    """Keys by comparison of dates or numbers; None when the field holds words."""
    holds = _SIGNS[term.sign]
    found: set[int] = set()
    for key, entry in index.entries.items():
        have = entry.get(term.field)
        if isinstance(have, tuple) or have is None:
            return None
        wanted = _moment(term.value) if isinstance(have, datetime) else _number(term.value)
        if wanted is None:
            return set(index.entries)
        if holds(_compared(have, wanted)):
            found.add(key)
    return found


def _compared(have: datetime | int, wanted: datetime | int) -> int:
    a, b = (float(value.timestamp() if isinstance(value, datetime) else value) for value in (have, wanted))
    return (a > b) - (a < b)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> int | None:
    digits = text.rpartition("/")[2]
    return int(digits) if digits.isdigit() else None
