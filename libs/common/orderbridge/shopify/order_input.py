"""The Shopify order of an Amazon order: a pure function of what Amazon says, the match and the personal data.

The sum of lines, shipping, gift wrap, discounts and taxes equals Amazon's total to the last minor unit, or there is no
order but a :class:`MoneyMismatch`. Item discounts lower the unit prices and shipping discounts the shipping price, so
nothing depends on how Shopify would spread a discount code. Gift wrap, cash-on-delivery fees, tips and other charges
are shipping lines of their own: they are paid, but nobody has to pick and ship them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ..events import ImportedLine, OrderImported, OrderMatched, Target
from ..money import Money
from .addresses import mailing_address, missing_fields
from .charges import (
    SHIPPING,
    Addend,
    Charge,
    Charges,
    MoneyMismatch,
    allocate,
    of_minor,
    read_charges,
    to_minor,
    unit_prices,
)
from .labels import identity, properties, time_of
from .personal import DeliveryAddress, PersonalData
from .policy import OrderPolicy, order_policy
from .regions import country_code

__all__ = [
    "Addend",
    "AddressMissing",
    "DeliveryAddress",
    "MoneyMismatch",
    "OrderInput",
    "OrderPolicy",
    "PersonalData",
    "Problem",
    "build_order_input",
    "order_policy",
    "shopify_total",
]

GATEWAY: Final = "amazon"
EXTRA_TITLES: Final = {
    "GIFT_WRAP": "Gift wrap",
    "COD_FEE": "Cash on delivery fee",
    "DELIVERY_TIP": "Delivery tip",
    "OTHER": "Other charges",
}
TAX_TITLE: Final = "Tax"
REMITTED_TAX_TITLE: Final = "Tax (remitted by Amazon)"
DEFAULTS: Final = OrderPolicy()


@dataclass(frozen=True, slots=True)
class OrderInput:
    """``variables`` of ``orderCreate`` (``order`` and ``options``), and the order's total as Shopify adds it up."""

    variables: dict[str, Any]
    total: Money

    def __repr__(self) -> str:
        return f"OrderInput(total={self.total})"


@dataclass(frozen=True, slots=True)
class AddressMissing:
    """The address lacks these fields."""

    fields: tuple[str, ...]


Problem = MoneyMismatch | AddressMissing


def build_order_input(
    order: OrderImported,
    match: OrderMatched,
    personal: PersonalData | None,
    policy: OrderPolicy = DEFAULTS,
    *,
    forced: bool = False,
    held: bool = False,
) -> OrderInput | Problem:
    """The input of ``orderCreate``, or why the order must be held.

    ``match`` answers ``order``: every line that counts has targets there, or ``ValueError`` leaves. ``forced`` skips
    Shopify's stock policy, and so does ``held``: the order's units are reserved for it already. Lines with quantity 0
    (canceled at Amazon) are left out. What Amazon ships needs no address: Amazon shows no more than its place.
    """
    lines = [line for line in order.lines if line.quantity > 0]
    charges = read_charges(order, lines, policy.tax_mode)
    if isinstance(charges, MoneyMismatch):
        return charges
    personal = personal or PersonalData()
    missing = missing_fields(personal.address)
    if missing and order.fulfilled_by != "amazon":
        return AddressMissing(missing)
    fields = {
        **identity(order, personal, lines, policy, forced=forced),
        "currency": charges.currency,
        "taxesIncluded": charges.tax_included,
        "lineItems": _line_items(lines, match, charges, personal),
        "shippingLines": _shipping_lines(order, charges, policy),
        **_shipping_address(personal),
        **_payment(order, charges),
    }
    if order.fulfilled_by == "amazon":
        fields["fulfillmentStatus"] = "FULFILLED"
    total = shopify_total(fields)
    if order.total is None or total != order.total:  # the sum that counts is the one of what is really sent
        return MoneyMismatch(order.total, total, (), "the order as it would be sent has another total")
    return OrderInput({"order": fields, "options": _options(order, ignoring=forced or held)}, total)


def shopify_total(order: Mapping[str, Any]) -> Money:
    """What Shopify adds up: lines, shipping, and taxes unless they are included (recorded on a live shop)."""
    lines: Sequence[Mapping[str, Any]] = order["lineItems"]
    shipping: Sequence[Mapping[str, Any]] = order["shippingLines"]
    amount = sum((_amount(line["priceSet"]) * line["quantity"] for line in lines), Decimal(0))
    amount += sum((_amount(line["priceSet"]) for line in shipping), Decimal(0))
    if not order["taxesIncluded"]:
        taxes = (tax for carrier in (*lines, *shipping) for tax in carrier.get("taxLines", ()))
        amount += sum((_amount(tax["priceSet"]) for tax in taxes), Decimal(0))
    return Money(amount=amount, currency=order["currency"])


def _line_items(
    lines: Iterable[ImportedLine], match: OrderMatched, charges: Charges, personal: PersonalData
) -> list[dict[str, Any]]:
    targets = {matched.order_item_id: matched.targets for matched in match.lines}
    items: list[dict[str, Any]] = []
    for line in lines:
        chosen = [target for target in targets.get(line.order_item_id, ()) if target.quantity > 0]
        if not chosen:
            raise ValueError(f"line {line.order_item_id} of {match.order_id} has no variant in the match")
        written = properties(line, personal)
        for target, charge in _shares(charges.lines[line.order_item_id], chosen):
            items += _items_of(target, charge, charges, written)
    return items


def _shares(charge: Charge, targets: Sequence[Target]) -> Iterator[tuple[Target, Charge]]:
    """Each target's part of a line, by units, exact in sum."""
    parts = _divided(charge, [target.quantity for target in targets])
    yield from zip(targets, parts, strict=True)


def _items_of(
    target: Target, charge: Charge, charges: Charges, written: list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """One line item, or two of the same variant where the amount does not divide by the units.

    No title goes along: with one, a variant that is gone would silently become a line without a variant.
    """
    priced = unit_prices(charge.amount, target.quantity)
    taxes = _divided(charge, [units for units, _ in priced])
    for (units, price), part in zip(priced, taxes, strict=True):
        tax_lines = _tax_lines(Charge(units * price, part.own_tax, part.remitted_tax), charges)
        yield {
            "variantId": target.variant_id,
            "quantity": units,
            "priceSet": _price_set(price, charges.currency),
            "requiresShipping": True,
            "properties": written,
            **({"taxLines": tax_lines} if tax_lines else {}),
        }


def _divided(charge: Charge, weights: Sequence[int]) -> list[Charge]:
    columns = (allocate(amount, weights) for amount in (charge.amount, charge.own_tax, charge.remitted_tax))
    return [Charge(*row) for row in zip(*columns, strict=True)]


def _shipping_address(personal: PersonalData) -> dict[str, Any]:
    """Shopify takes no address without a country."""
    address = personal.address
    if address is None or country_code(address.country) is None:
        return {}
    return {"shippingAddress": mailing_address(address, personal.company)}


def _shipping_lines(order: OrderImported, charges: Charges, policy: OrderPolicy) -> list[dict[str, Any]]:
    """The shipping itself, free or not, and every other charge that is no product's."""
    level = order.service_level or "STANDARD"
    title = policy.shipping_map.get(level) or f"Amazon {level.replace('_', ' ').capitalize()}"
    lines = [_extra_line(title, level, charges.extras[SHIPPING], charges)]
    for kind, title in EXTRA_TITLES.items():
        charge = charges.extras[kind]
        if charge.amount or charge.own_tax or charge.remitted_tax:
            lines.append(_extra_line(title, kind, charge, charges))
    return lines


def _extra_line(title: str, code: str, charge: Charge, charges: Charges) -> dict[str, Any]:
    tax_lines = _tax_lines(charge, charges)
    return {
        "title": title,
        "code": code,
        "source": "amazon",
        "priceSet": _price_set(charge.amount, charges.currency),
        **({"taxLines": tax_lines} if tax_lines else {}),
    }


def _tax_lines(charge: Charge, charges: Charges) -> list[dict[str, Any]]:
    """Amazon sends amounts, Shopify demands a rate too: the one that the amounts give, to four digits."""
    base = charge.amount - (charge.own_tax + charge.remitted_tax if charges.tax_included else 0)
    taxes = ((TAX_TITLE, charge.own_tax, False), (REMITTED_TAX_TITLE, charge.remitted_tax, True))
    return [
        {
            "title": title,
            "rate": format(round(Decimal(tax) / base, 4) if base > 0 else Decimal(0), "f"),
            "priceSet": _price_set(tax, charges.currency),
            "channelLiable": liable,
        }
        for title, tax, liable in taxes
        if tax
    ]


def _payment(order: OrderImported, charges: Charges) -> dict[str, Any]:
    """Amazon has the money: paid in full; an order that costs nothing has no transaction."""
    if order.total is None or not order.total.amount:
        return {"financialStatus": "PAID"}
    transaction = {
        "kind": "SALE",
        "status": "SUCCESS",
        "gateway": GATEWAY,
        "processedAt": time_of(order.purchased_at),
        "amountSet": _price_set(to_minor(order.total, charges.currency), charges.currency),
    }
    sent = {field: value for field, value in transaction.items() if value}
    return {"financialStatus": "PAID", "transactions": [sent]}


def _options(order: OrderImported, *, ignoring: bool) -> dict[str, Any]:
    """Nobody gets a mail. What Amazon ships comes out of Amazon's stock, not the shop's."""
    behaviour = "DECREMENT_IGNORING_POLICY" if ignoring else "DECREMENT_OBEYING_POLICY"
    if order.fulfilled_by == "amazon":
        behaviour = "BYPASS"
    return {"inventoryBehaviour": behaviour, "sendReceipt": False, "sendFulfillmentReceipt": False}


def _price_set(amount: int, currency: str) -> dict[str, Any]:
    money = of_minor(amount, currency)
    return {"shopMoney": {"amount": format(money.amount, "f"), "currencyCode": money.currency}}


def _amount(price_set: Mapping[str, Any]) -> Decimal:
    return Decimal(price_set["shopMoney"]["amount"])
