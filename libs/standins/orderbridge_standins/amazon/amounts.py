"""Money of an order line and of an order, as Amazon states it: every total is the sum of what it says it is made of.

``proceedsTotal`` is the sum of the breakdowns and ``grandTotal`` that of the lines. Where prices include tax, a TAX
entry says how much of them it is and is not added. A discount is negative, so that plain addition holds; its sign is
not documented.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .marketplaces import Marketplace

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Charges:
    """What one line costs before tax is worked out; discounts are given as positive amounts."""

    goods: Decimal
    shipping: Decimal
    gift_wrap: Decimal
    goods_discount: Decimal
    shipping_discount: Decimal
    tax_rate: Decimal
    tax_shown: bool


def money(market: Marketplace, amount: Decimal) -> dict[str, str]:
    return {"amount": f"{amount:.{market.minor_digits}f}", "currencyCode": market.currency}


def rounded(market: Marketplace, amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-market.minor_digits), ROUND_HALF_UP)


def line_proceeds(market: Marketplace, charges: Charges) -> tuple[dict[str, Any], Decimal]:
    """The ``proceeds`` of an order item, and its total."""
    breakdowns = [_part(market, "ITEM", charges.goods)]
    if charges.shipping:
        breakdowns.append(_part(market, "SHIPPING", charges.shipping))
    if charges.gift_wrap:
        breakdowns.append(_part(market, "GIFT_WRAP", charges.gift_wrap))
    discounts = [("ITEM", -charges.goods_discount), ("SHIPPING", -charges.shipping_discount)]
    discount = sum((value for _, value in discounts), _ZERO)
    if discount:
        breakdowns.append(_part(market, "DISCOUNT", discount, discounts))
    taxes = _taxes(market, charges)
    tax = sum((value for _, value in taxes), _ZERO)
    if tax and charges.tax_shown:
        breakdowns.append(_part(market, "TAX", tax, taxes))
    total = charges.goods + charges.shipping + charges.gift_wrap + discount
    if not market.tax_included:
        total += tax
    return {"proceedsTotal": money(market, total), "breakdowns": breakdowns}, total


def order_proceeds(market: Marketplace, lines: Sequence[dict[str, Any]], totals: Iterable[Decimal]) -> dict[str, Any]:
    """The order's ``proceeds``: the lines' breakdowns added up by type."""
    by_type: dict[str, Decimal] = {}
    for line in lines:
        for part in line["breakdowns"]:
            by_type[part["type"]] = by_type.get(part["type"], _ZERO) + Decimal(part["subtotal"]["amount"])
    return {
        "grandTotal": money(market, sum(totals, _ZERO)),
        "breakdowns": [_part(market, name, subtotal) for name, subtotal in by_type.items()],
    }


def _taxes(market: Marketplace, charges: Charges) -> list[tuple[str, Decimal]]:
    """Tax on each kind of charge after its discount, on top of the price or out of it."""
    rate = charges.tax_rate
    share = rate / (1 + rate) if market.tax_included else rate
    bases = (
        ("ITEM", charges.goods - charges.goods_discount),
        ("SHIPPING", charges.shipping - charges.shipping_discount),
        ("GIFT_WRAP", charges.gift_wrap),
    )
    return [(name, rounded(market, base * share)) for name, base in bases if base]


def _part(
    market: Marketplace, name: str, subtotal: Decimal, details: Iterable[tuple[str, Decimal]] = ()
) -> dict[str, Any]:
    part: dict[str, Any] = {"type": name, "subtotal": money(market, subtotal)}
    detailed = [{"subtype": subtype, "value": money(market, value)} for subtype, value in details if value]
    if detailed:
        part["detailedBreakdowns"] = detailed
    return part
