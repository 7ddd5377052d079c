"""Shopify's global ids, ``gid://shopify/<Type>/<number>``."""

from typing import Final

_PREFIX: Final = "gid://shopify/"


def gid(kind: str, number: int) -> str:
    return f"{_PREFIX}{kind}/{number}"


def number_of(kind: str, text: str) -> int | None:
    """The number inside a global id of this kind, or None when it is none."""
    found = split_gid(text)
    return found[1] if found is not None and found[0] == kind else None


def split_gid(text: str) -> tuple[str, int] | None:
    """``("Order", 7)`` for ``gid://shopify/Order/7``; a query string behind the number is dropped."""
    kind, _, rest = text.removeprefix(_PREFIX).partition("/")
    digits = rest.partition("?")[0]
    if not text.startswith(_PREFIX) or not digits.isdigit():
        return None
    return kind, int(digits)
