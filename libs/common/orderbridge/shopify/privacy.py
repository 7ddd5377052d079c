"""Shopify's words about an order, with the buyer's own words cut out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .personal import TAX_NUMBER

Problem = tuple[str, str, str]
"""Shopify's code, the field's path, and the message without personal values."""

CUT: Final = "…"
_PERSONAL_ADDRESS: Final = ("firstName", "lastName", "company", "address1", "address2", "zip", "phone")
_PERSONAL_ORDER: Final = ("email", "phone", "note", "poNumber")


def user_problems(errors: Iterable[Mapping[str, Any]], order: Mapping[str, Any]) -> tuple[Problem, ...]:
    """``userErrors`` of an answer about ``order`` (an ``OrderCreateOrderInput``)."""
    problems = (
        (
            str(error.get("code") or ""),
            ".".join(str(step) for step in error.get("field") or ()),
            str(error.get("message") or ""),
        )
        for error in errors
    )
    return cut_out(problems, order)


def cut_out(problems: Iterable[Problem], order: Mapping[str, Any]) -> tuple[Problem, ...]:
    """The problems with every personal value of the order replaced in their messages."""
    pattern = _pattern(order)
    return tuple((code, field, pattern.sub(CUT, message) if pattern else message) for code, field, message in problems)


def _pattern(order: Mapping[str, Any]) -> re.Pattern[str] | None:
    values = sorted({value for value in _personal_values(order) if value}, key=len, reverse=True)
    if not values:
        return None
    return re.compile("|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in values), re.IGNORECASE)


def _personal_values(order: Mapping[str, Any]) -> Iterator[str]:
    for key in _PERSONAL_ORDER:
        yield from _forms(order.get(key))
    for address in (order.get("shippingAddress"), order.get("billingAddress")):
        if isinstance(address, Mapping):
            for key in _PERSONAL_ADDRESS:
                yield from _forms(address.get(key))
            first, last = address.get("firstName"), address.get("lastName")
            yield f"{first or ''} {last or ''}".strip()
    for attribute in order.get("customAttributes") or ():
        if str(attribute.get("key", "")).startswith(TAX_NUMBER):
            yield from _forms(attribute.get("value"))
    for line in order.get("lineItems") or ():
        for written in line.get("properties") or ():
            if not str(written.get("name", "")).startswith("_"):  # a gift message; ours begin with an underscore
                yield from _forms(written.get("value"))


def _forms(value: object) -> Iterator[str]:
    """A value as sent, its lines with and without a label, a phone number without its plus, a mailbox by itself."""
    if isinstance(value, str):
        text = value.strip()
        yield text
        for line in text.splitlines():
            yield line.strip()
            yield line.partition(": ")[2].strip()
        if text.startswith("+"):
            yield text[1:]
        if "@" in text:
            yield text.partition("@")[0]
