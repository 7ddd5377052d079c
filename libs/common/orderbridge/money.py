"""Money: a decimal amount and an ISO 4217 currency; never a float."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

# ISO 4217 currencies whose minor unit is not a hundredth.
_ZERO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

Amount = Annotated[Decimal, PlainSerializer(lambda amount: format(amount, "f"), return_type=str)]


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: ``0.01`` for USD, ``1`` for JPY, ``0.001`` for KWD."""
    if currency in _ZERO_DECIMALS:
        return Decimal(1)
    return Decimal("0.001") if currency in _THREE_DECIMALS else Decimal("0.01")


class Money(BaseModel):
    """An amount in one currency, on the wire ``{"amount": "10.00", "currency": "USD"}``."""

    model_config = ConfigDict(frozen=True)

    amount: Amount
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=Decimal(0), currency=currency)

    def same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"amounts in {self.currency} and {other.currency} cannot be added")

    def __add__(self, other: Money) -> Money:
        self.same_currency(other)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self.same_currency(other)
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def in_minor_units(self) -> bool:
        """Whether the amount has no digits below the currency's minor unit."""
        return self.amount % minor_unit(self.currency) == 0

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of the amounts, zero when there are none; raises ``ValueError`` on another currency."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result
