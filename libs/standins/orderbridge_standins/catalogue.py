"""Believable products for the stand-ins: one catalogue that the shop holds and the Amazon orders name.

Both stand-ins call :func:`shop_catalogue` with the same seed, so that an order can carry a SKU the shop knows
without either of them asking the other.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SeedVariant:
    """One sellable variant; ids are the numbers inside Shopify's global ids, ``price`` a decimal string."""

    variant_id: int
    inventory_item_id: int
    sku: str
    title: str
    options: tuple[tuple[str, str], ...]
    price: str
    available: int


@dataclass(frozen=True)
class SeedProduct:
    """One product with its variants; a product without options has one variant, called Default Title."""

    product_id: int
    title: str
    vendor: str
    variants: tuple[SeedVariant, ...]


@dataclass(frozen=True)
class _Kind:
    """A sort of product: its SKU prefix, name, options with their values, and lowest and highest price in cents."""

    prefix: str
    name: str
    vendor: str
    options: tuple[tuple[str, tuple[str, ...]], ...]
    cents: tuple[int, int]


_KINDS: Final = (
    _Kind(
        "TS",
        "T-Shirt",
        "Northwind Cotton",
        (("Size", ("S", "M", "L", "XL")), ("Color", ("Black", "White", "Navy"))),
        (1290, 2990),
    ),
    _Kind(
        "HX",
        "Hex Bolt Set",
        "Ironworks",
        (("Thread", ("M6", "M8", "M10", "M16")),),
        (490, 1990),
    ),
    _Kind(
        "LM",
        "Desk Lamp",
        "Lumenhaus",
        (("Color", ("Brass", "Graphite", "White")),),
        (3490, 8990),
    ),
    _Kind(
        "MG",
        "Stoneware Mug",
        "Kiln & Co",
        (("Size", ("250 ml", "350 ml")),),
        (890, 1890),
    ),
    _Kind(
        "HD",
        "Hooded Sweatshirt",
        "Northwind Cotton",
        (("Size", ("S", "M", "L", "XL")), ("Color", ("Grey", "Olive"))),
        (3990, 6990),
    ),
    _Kind(
        "SP",
        "Combination Spanner",
        "Ironworks",
        (("Width", ("8 mm", "10 mm", "13 mm", "17 mm")),),
        (690, 1690),
    ),
    _Kind(
        "BP",
        "Canvas Backpack",
        "Trailhead",
        (("Color", ("Sand", "Forest", "Black")),),
        (4490, 9990),
    ),
    _Kind("CB", "Chopping Board", "Beech & Oak", (), (1990, 4990)),
    _Kind("NB", "Dotted Notebook", "Papermill", (("Format", ("A5", "A6")),), (590, 1490)),
    _Kind("KT", "Kettle", "Lumenhaus", (), (2990, 5990)),
)
_STYLES: Final = (
    "Classic",
    "Harbour",
    "Meadow",
    "Atlas",
    "Ember",
    "Fjord",
    "Juniper",
    "Quarry",
    "Saddle",
    "Willow",
    "Cobalt",
    "Drift",
)
_ABBREVIATED: Final = {
    "Black": "BLK",
    "White": "WHT",
    "Navy": "NVY",
    "Brass": "BRS",
    "Graphite": "GPH",
    "Grey": "GRY",
    "Olive": "OLV",
    "Sand": "SND",
    "Forest": "FST",
}


def shop_catalogue(seed: int, variants: int) -> tuple[SeedProduct, ...]:
    """Make products with exactly ``variants`` variants in all; the same arguments give the same catalogue.

    SKUs are unique (ignoring case), prices have two decimals, and every variant starts with at least 500 pieces.
    A larger catalogue of one seed begins with the products of a smaller one (whose last product may be cut short).
    """
    if variants < 0:
        raise ValueError(f"a catalogue cannot have {variants} variants")
    products: list[SeedProduct] = []
    left = variants
    for number, kind, style in _lines_of_goods():
        if left == 0:
            return tuple(products)
        product = _product(seed, number, kind, style, left)
        left -= len(product.variants)
        products.append(product)
    raise AssertionError("the goods never end")


def _lines_of_goods() -> Iterator[tuple[int, _Kind, str]]:
    """Endless (number, kind, style): every kind once in one style, then the next style, then numbered series."""
    numbers = itertools.count()
    for series in itertools.count(1):
        for style in _STYLES:
            named = style if series == 1 else f"{style} {series}"
            for kind in _KINDS:
                yield next(numbers), kind, named


def _product(seed: int, number: int, kind: _Kind, style: str, most: int) -> SeedProduct:
    dice = random.Random(f"{seed}/{number}")
    product_id = 8_000_000_000_000 + seed * 10_000_000 + number * 100
    low, high = kind.cents
    cents = low + dice.randrange((high - low) // 100 + 1) * 100
    prefix = f"{kind.prefix}-{style[:3].upper()}{number + 100}"
    variants = []
    for place, values in enumerate(itertools.islice(itertools.product(*(v for _, v in kind.options)), most)):
        names = tuple(name for name, _ in kind.options)
        variants.append(
            SeedVariant(
                variant_id=44_000_000_000_000 + seed * 10_000_000 + number * 100 + place,
                inventory_item_id=46_000_000_000_000 + seed * 10_000_000 + number * 100 + place,
                sku="-".join((prefix, *(_abbreviated(value) for value in values))),
                title=" / ".join(values) or "Default Title",
                options=tuple(zip(names, values, strict=True)) or (("Title", "Default Title"),),
                price=f"{cents / 100:.2f}",
                available=500 + dice.randrange(500),
            )
        )
    return SeedProduct(product_id, f"{style} {kind.name}", kind.vendor, tuple(variants))


def _abbreviated(value: str) -> str:
    return _ABBREVIATED.get(value, value.replace(" ", "").upper())
