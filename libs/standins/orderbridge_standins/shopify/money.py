"""Amounts as Shopify shows them: one value in the shop's money and one in the buyer's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class MoneyV2:
    amount: Decimal
    currency_code: str


@dataclass(frozen=True, slots=True)
class MoneyBag:
    shop_money: MoneyV2
    presentment_money: MoneyV2

    @property
    def amount(self) -> Decimal:
        return self.shop_money.amount


def bag(amount: Decimal, currency: str) -> MoneyBag:
    money = MoneyV2(amount, currency)
    return MoneyBag(money, money)


def bag_of_input(given: Mapping[str, Any]) -> MoneyBag:
    """A ``MoneyBagInput``; without presentment money both sides are the same."""
    shop = _money(given["shopMoney"])
    presentment = given.get("presentmentMoney")
    return MoneyBag(shop, shop if presentment is None else _money(presentment))


def summed(bags: Iterable[MoneyBag]) -> Decimal:
    return sum((each.amount for each in bags), Decimal(0))


def normalised(amount: Decimal) -> str:
    """``20.00`` becomes ``20.0`` and ``7.10`` becomes ``7.1``, as recorded on a live shop."""
    text = format(amount.normalize(), "f")
    return text if "." in text else f"{text}.0"


def _money(given: Mapping[str, Any]) -> MoneyV2:
    return MoneyV2(given["amount"], given["currencyCode"])
