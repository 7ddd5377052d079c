"""From Amazon's delivery address to Shopify's ``MailingAddressInput``; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from .personal import DeliveryAddress
from .provinces import province_code
from .regions import WITHOUT_POSTAL_CODE, country_code

COUNTY_IS_NO_ADDRESS: Final = frozenset({"US", "CA", "AU"})
"""Where Amazon's district is a county, which stands on no label."""

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_NORTH_AMERICAN: Final = re.compile(r"1?([2-9]\d{2}[2-9]\d{6})")
_PUNCTUATION: Final = re.compile(r"[\s().\-/]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def missing_fields(address: DeliveryAddress | None) -> tuple[str, ...]:
    """What an address lacks of name, first line, city, country, and postal code where the country has them."""
    if address is None:
        return ("name", "line1", "city", "postal_code", "country")
    country = country_code(address.country)
    needed = {
        "name": _text(address.name),
        "line1": next(iter(_lines(address)), ""),
        "city": _text(address.city),
        "postal_code": _text(address.postal_code) or country in WITHOUT_POSTAL_CODE,
        "country": country,
    }
    return tuple(field for field, value in needed.items() if not value)


def mailing_address(address: DeliveryAddress, buyer_company: str | None = None) -> dict[str, Any]:
    """What there is of an address as Shopify takes it; what has no field of its own there goes to the second line.

    No length is known that Shopify would not take: a text of any length goes along whole.
    """
    country = country_code(address.country) or ""
    city = _text(address.city)
    first, *further = _lines(address) or [""]
    given_name, family_name = split_name(_text(address.name))
    state = _text(address.state)
    province = province_code(country, state)
    further.append(_text(address.neighborhood))
    if country not in COUNTY_IS_NO_ADDRESS:
        further += _text(address.district), _text(address.municipality)
    if province is None:
        further.append(state)
    fields = {
        "firstName": given_name,
        "lastName": family_name,
        "company": _text(address.company) or _text(buyer_company),
        "address1": first,
        "address2": ", ".join(_distinct(further, apart_from=(first, city))),
        "city": city,
        "provinceCode": province,
        "zip": _text(address.postal_code),
        "countryCode": country,
        "phone": phone_number(_text(address.phone), country),
    }
    return {field: value for field, value in fields.items() if value}


def split_name(name: str) -> tuple[str, str]:
    """First and last name, split at the last space; a single word is the last name."""
    given, _, family = " ".join(name.split()).rpartition(" ")
    return given, family


def phone_number(text: str, country: str) -> str | None:
    """The number in E.164, or None: Shopify refuses an order for a phone that is none.

    An extension makes a number that E.164 cannot say.
    """
    digits = _PUNCTUATION.sub("", text)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if digits.startswith("+1") or (country in ("US", "CA") and not digits.startswith("+")):
        found = _NORTH_AMERICAN.fullmatch(digits.removeprefix("+"))
        return f"+1{found[1]}" if found else None
    return digits if _E164.fullmatch(digits) else None


def _lines(address: DeliveryAddress) -> list[str]:
    return [line for line in map(_text, (address.line1, address.line2, address.line3)) if line]


def _distinct(parts: Iterable[str], *, apart_from: Iterable[str]) -> list[str]:
    """The parts that say something new, in their order."""
    seen = {part.casefold() for part in apart_from}
    kept: list[str] = []
    for part in parts:
        if part and part.casefold() not in seen:
            seen.add(part.casefold())
            kept.append(part)
    return kept


def _text(value: str | None) -> str:
    """On one line: a label has no room for a line break, and no printer for other control characters."""
    return _CONTROL.sub(" ", value or "").strip()
