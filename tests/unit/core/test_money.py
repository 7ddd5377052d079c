"""Money is decimal, in one currency, and knows its minor unit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orderbridge.money import Money, minor_unit, total
from tests.support.facts import usd


def test_an_amount_travels_as_a_string_with_its_digits() -> None:
    assert usd("10.00").model_dump_json() == '{"amount":"10.00","currency":"USD"}'
    assert Money.model_validate_json('{"amount":"1E+3","currency":"JPY"}').model_dump()["amount"] == "1000"


@pytest.mark.parametrize(("currency", "unit"), [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001")])
def test_the_minor_unit_is_the_currencys_own(currency: str, unit: str) -> None:
    assert minor_unit(currency) == Decimal(unit)


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="USD and EUR"):
        usd("1.00") + Money(amount=Decimal(1), currency="EUR")


def test_the_sum_of_nothing_is_zero_in_its_currency() -> None:
    assert total([], "USD") == usd("0")


def test_digits_below_the_minor_unit_are_seen() -> None:
    assert usd("1.10").in_minor_units()
    assert not usd("1.105").in_minor_units()
