"""What ``orderCreate`` refuses with userErrors before anything happens.

Texts under "recorded" were read off live shops; the others are ours in Shopify's manner, because only their
being refused is known.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .definitions import UserError
from .gids import number_of
from .shop import Shop
from .stock import Variant

# recorded
NO_LINES: Final = UserError("Line items must have at least one line item", ("order", "lineItems"), "INVALID")
NO_TITLE: Final = (
    UserError("Order Line items is invalid", ("order",)),
    UserError("Line items Name can't be blank", ("order", "lineItems")),
    UserError("Line items Title can't be blank", ("order", "lineItems")),
)
OUT_OF_STOCK: Final = UserError("Line items Unable to reserve inventory", ("order", "lineItems"), "INVALID")
TOO_MANY_ATTEMPTS: Final = UserError("Too many attempts. Please try again later.")

_RESERVED_SOURCES: Final = frozenset({"web", "pos", "iphone", "android", "shopify_draft_order"})
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().\-]{5,24}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_NO_MAIL_THERE: Final = ".invalid"
"""A domain that never has a mail server (RFC 2606); live shops were reported to refuse such addresses."""
_PROVINCES: Final[Mapping[str, str]] = {
    "US": " AL AK AS AZ AR CA CO CT DE DC FM FL GA GU HI ID IL IN IA KS KY LA ME MH MD MA MI MN MS MO MT NE NV NH NJ"
    " NM NY NC ND MP OH OK OR PW PA PR RI SC SD TN TX UM UT VT VI VA WA WV WI WY AA AE AP ",
    "CA": " AB BC MB NB NL NT NS NU ON PE QC SK YT ",
}


def refusals(shop: Shop, order: Mapping[str, Any], currency: str) -> list[UserError]:
    """Every reason why this input cannot become an order; empty when it can, as far as stock allows."""
    if order.get("customer") is not None and order.get("customerId") is not None:
        message = "Both customer_id and customer were provided - only one is permitted."
        return [UserError(message, ("order",), "REDUNDANT_CUSTOMER_FIELDS")]
    lines = order.get("lineItems") or []
    if not lines:
        return [NO_LINES]
    if any(variant_of(shop, line) is None and not (line.get("title") or "").strip() for line in lines):
        return list(NO_TITLE)
    return [
        *_bad_lines(lines),
        *_bad_taxes(order),
        *_bad_money(order, currency),
        *_bad_contacts(order),
        *_bad_source(order),
        *_bad_metafields(shop, order),
    ]


def variant_of(shop: Shop, line: Mapping[str, Any]) -> Variant | None:
    given = line.get("variantId")
    number = None if given is None else number_of("ProductVariant", given)
    return None if number is None else shop.variants.get(number)


def _bad_lines(lines: list[Mapping[str, Any]]) -> Iterator[UserError]:
    for place, line in enumerate(lines):
        if line["quantity"] < 1:
            path = ("order", "lineItems", str(place), "quantity")
            yield UserError("Line items Quantity must be greater than 0", path, "INVALID")


def _bad_taxes(order: Mapping[str, Any]) -> Iterator[UserError]:
    on_parts = False
    for name in ("lineItems", "shippingLines"):
        for place, carrier in enumerate(order.get(name) or []):
            for number, tax in enumerate(carrier.get("taxLines") or []):
                on_parts = True
                if tax["rate"] is None:
                    path = ("order", name, str(place), "taxLines", str(number), "rate")
                    yield UserError("Tax line rate is missing", path, "TAX_LINE_RATE_MISSING")
    if on_parts and order.get("taxLines"):
        message = "Tax lines can be given on the order or on its line items and shipping lines, not on both"
        yield UserError(message, ("order", "taxLines"), "INVALID")


def _bad_money(order: Mapping[str, Any], currency: str) -> Iterator[UserError]:
    for path, money in _money_in(order, ("order",)):
        if money["shopMoney"]["currencyCode"] != currency:
            message = f"Currency must be the order's currency {currency}"
            yield UserError(message, (*path, "shopMoney", "currencyCode"), "INVALID")
        if any(money[side]["amount"] is None for side in money if money[side] is not None):
            yield UserError("Amount can't be blank", path, "INVALID")


def _money_in(given: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(given, Mapping):
        if "shopMoney" in given:
            yield path, given
            return
        for name, value in given.items():
            yield from _money_in(value, (*path, name))
    elif isinstance(given, list):
        for place, value in enumerate(given):
            yield from _money_in(value, (*path, str(place)))


def _bad_contacts(order: Mapping[str, Any]) -> Iterator[UserError]:
    if order.get("email") and not _EMAIL.fullmatch(order["email"]):
        yield UserError("Email is invalid", ("order", "email"), "INVALID")
    elif (order.get("email") or "").casefold().endswith(_NO_MAIL_THERE):
        yield UserError("Email contains an invalid domain name", ("order", "email"), "INVALID")
    if order.get("phone") and not _PHONE.fullmatch(order["phone"]):
        yield UserError("Phone is invalid", ("order", "phone"), "INVALID")
    for name, spoken in (("shippingAddress", "Shipping address"), ("billingAddress", "Billing address")):
        if (address := order.get(name)) is not None:
            yield from _bad_address(address, ("order", name), spoken)


def _bad_address(address: Mapping[str, Any], path: tuple[str, ...], spoken: str) -> Iterator[UserError]:
    country = address.get("countryCode")
    if not country:
        yield UserError(f"{spoken} Country can't be blank", (*path, "countryCode"), "INVALID")
    province = address.get("provinceCode")
    if province and f" {province} " not in _PROVINCES.get(country or "", f" {province} "):
        yield UserError(f"{spoken} Province is not valid", (*path, "provinceCode"), "INVALID")
    if address.get("phone") and not _PHONE.fullmatch(address["phone"]):
        yield UserError(f"{spoken} Phone is invalid", (*path, "phone"), "INVALID")


def _bad_source(order: Mapping[str, Any]) -> Iterator[UserError]:
    if (order.get("sourceName") or "").casefold() in _RESERVED_SOURCES:
        yield UserError("Source name is reserved", ("order", "sourceName"), "INVALID")


def _bad_metafields(shop: Shop, order: Mapping[str, Any]) -> Iterator[UserError]:
    for place, metafield in enumerate(order.get("metafields") or []):
        path = ("order", "metafields", str(place))
        namespace, key, value = (
            shop.definitions.namespace(metafield.get("namespace")),
            metafield.get("key"),
            metafield.get("value"),
        )
        definition = shop.definitions.find("ORDER", namespace, key or "")
        kind = metafield.get("type") or (definition and definition.type.name)
        if shop.definitions.is_foreign(namespace):
            message = "Access to this namespace and key on Metafields for this resource type is not allowed."
            yield UserError(message, path, "INVALID")
        elif not key or not value or not kind:
            missing = "Key" if not key else "Value" if not value else "Type"
            yield UserError(f"Metafields {missing} can't be blank", (*path, missing.lower()), "INVALID")
        elif definition is None:
            continue
        elif kind != definition.type.name:
            message = f"Metafields Type must be consistent with the definition's type: '{definition.type.name}'"
            yield UserError(message, (*path, "type"), "INVALID")
        elif _is_taken(shop, definition.capabilities.unique_values.enabled, namespace, key, value):
            yield UserError("Metafields Value has already been taken", (*path, "value"), "INVALID")


def _is_taken(shop: Shop, unique: bool, namespace: str, key: str, value: str) -> bool:
    return unique and shop.settings.unique_enforced and bool(shop.holders_of(namespace, key, value))
