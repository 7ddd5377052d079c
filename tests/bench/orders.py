"""Believable imports in any number: about 1.1 kB, three lines each, of SKUs that the shop's stand-in has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from orderbridge.events import Breakdown, BreakdownDetail, Disposition, ImportedLine, OrderImported
from orderbridge.ids import ce_id_of, order_id_of
from orderbridge.kafka import Outgoing
from orderbridge.money import Money
from orderbridge.topics import IMPORTED
from orderbridge_standins.catalogue import shop_catalogue

CONNECTION: Final = "bench"
CATALOGUE_SEED: Final = 1
VARIANTS: Final = 300
NOW: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_LINES: Final = 3
_MODELS: Final = 500
"""Orders that differ in more than their number; the others repeat their lines."""
_NAMED: Final = order_id_of(CONNECTION, "000-0000000-0000000")

# SKU, title and price in cents, as an Amazon listing of the shop's own variants has them.
_LISTINGS: Final = [
    (variant.sku, f"{product.title} - {variant.title}", int(Decimal(variant.price) * 100))
    for product in shop_catalogue(CATALOGUE_SEED, VARIANTS)
    for variant in product.variants
]


def order_id(number: int) -> str:
    return order_id_of(CONNECTION, f"113-{number // 10_000_000:07d}-{number % 10_000_000:07d}")


def imports(first: int, count: int) -> Iterator[Outgoing]:
    """The imports numbered from ``first``; the same numbers are the same orders, byte by byte."""
    models = [_import(model).model_dump_json().encode() for model in range(_MODELS)]
    for number in range(first, first + count):
        key = order_id(number)
        yield Outgoing(
            topic=IMPORTED,
            key=key,
            value=models[number % _MODELS].replace(_NAMED.encode(), key.encode(), 1),
            ce_id=ce_id_of(IMPORTED, "ingestor", key, 1),
            ce_time=NOW,
            source="ingestor",
            traceparent=f"00-{number:032x}-{number:016x}-01",
        )


def _import(model: int) -> OrderImported:
    dice = random.Random(model)
    lines = tuple(_line(dice, model * _LINES + place) for place in range(_LINES))
    return OrderImported(
        order_id=_NAMED,
        seq=1,
        at=NOW,
        disposition=Disposition(kind="import"),
        personal_data_rev=1,
        amazon_status="UNSHIPPED",
        fulfilled_by="merchant",
        marketplace_id="ATVPDKIKX0DER",
        sales_channel="AMAZON",
        service_level="Std US D2D Dom",
        purchased_at=NOW - timedelta(minutes=dice.randrange(1, 600)),
        last_updated_at=NOW,
        ship_by=NOW + timedelta(hours=dice.randrange(24, 96)),
        total=_usd(sum(int(line.total.amount * 100) for line in lines if line.total is not None)),
        lines=lines,
    )


def _line(dice: random.Random, number: int) -> ImportedLine:
    sku, title, cents = dice.choice(_LISTINGS)
    quantity = dice.choice((1, 1, 1, 2))
    tax = cents * quantity * 7 // 100
    of_state = BreakdownDetail(subtype="ITEM", value=_usd(tax))
    return ImportedLine(
        order_item_id=f"{84_000_000_000_000 + number}",
        amazon_sku=sku,
        asin=f"B0{number:08d}",
        title=title,
        quantity=quantity,
        unit_price=_usd(cents),
        total=_usd(cents * quantity + tax),
        breakdowns=(Breakdown(type="TAX", subtotal=_usd(tax), details=(of_state,)),) if number % _LINES == 0 else (),
        tax_remitted_by_amazon=True,
    )


def _usd(cents: int) -> Money:
    return Money(amount=Decimal(f"{cents // 100}.{cents % 100:02d}"), currency="USD")
