"""Order items over the shop's catalogue: what was bought, how many, and what it cost."""

import hashlib
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ..catalogue import SeedProduct, SeedVariant
from .amounts import Charges, line_proceeds, money, rounded
from .marketplaces import Marketplace, Place

_GIFT_MESSAGES: Final = (
    "Many happy returns from all of us at Teacup Terrace!",
    "For the new home. Yours, the Bramblecotes",
    "Well done on the exam. Grandmother Ottoline",
)
_FACILITATOR: Final = {"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}
_QUANTITIES: Final = (1, 1, 1, 1, 1, 2, 2, 3)


@dataclass(frozen=True)
class Offer:
    """Something sold at Amazon under a SKU; the shop may not know it."""

    sku: str
    title: str
    price: str


@dataclass(frozen=True)
class PricedLine:
    """An order item with its total; the item is Amazon's JSON."""

    item: dict[str, Any]
    total: Decimal


def offers_of(products: tuple[SeedProduct, ...]) -> list[Offer]:
    return [_offer(product, variant) for product in products for variant in product.variants]


def unknown_offer(dice: random.Random) -> Offer:
    """An offer whose SKU no catalogue of the stand-ins holds."""
    number = dice.randrange(10**5)
    return Offer(f"ZZ-UNLISTED-{number:05d}", f"Discontinued Sundry No. {number}", "24.90")


def quantity_of(dice: random.Random) -> int:
    return dice.choice(_QUANTITIES)


def priced_line(
    dice: random.Random,
    market: Marketplace,
    place: Place,
    offer: Offer,
    *,
    quantity: int,
    shipped: int,
    business: bool,
    tax_shown: bool,
) -> PricedLine:
    """One order item with price, shipping, perhaps a discount or a gift wrap, and tax as the marketplace states it."""
    unit = rounded(market, Decimal(offer.price) * (100 if market.minor_digits == 0 else 1))
    gift = dice.random() < 0.08
    charges = _charges(dice, market, place, unit * quantity, wrapped=gift, tax_shown=tax_shown)
    proceeds, total = line_proceeds(market, charges)
    fulfillment: dict[str, Any] = {"quantityFulfilled": shipped, "quantityUnfulfilled": quantity - shipped}
    if gift:
        fulfillment["packing"] = {
            "giftOption": {"giftMessage": dice.choice(_GIFT_MESSAGES), "giftWrapLevel": "STANDARD"}
        }
    item: dict[str, Any] = {
        "orderItemId": f"{dice.randrange(10**13, 10**14)}",
        "quantityOrdered": quantity,
        "measurement": {"unit": "COUNT", "value": 1},
        "product": _product(market, offer, unit, business=business),
        "proceeds": proceeds,
        "fulfillment": fulfillment,
    }
    if charges.goods_discount or charges.shipping_discount:
        item["promotion"] = {"breakdowns": [{"promotionId": f"PROMO-{dice.randrange(10**4):04d}"}]}
    if market.country == "JP" and dice.random() < 0.4:
        points = int(total) // 100
        item["expense"] = {
            "pointsCost": {
                "pointsGranted": {
                    "pointsNumber": points,
                    "pointsMonetaryValue": money(market, Decimal(points)),
                }
            }
        }
    if not market.tax_included:
        item["tax"] = {"taxCollections": [_FACILITATOR]}
    return PricedLine(item, total)


def _offer(product: SeedProduct, variant: SeedVariant) -> Offer:
    labels = ", ".join(f"{name}: {value}" for name, value in variant.options if name != "Title")
    return Offer(variant.sku, f"{product.title} - {labels}" if labels else product.title, variant.price)


def _product(market: Marketplace, offer: Offer, unit: Decimal, *, business: bool) -> dict[str, Any]:
    price: dict[str, Any] = {"unitPrice": money(market, unit)}
    if business:
        price["priceDesignation"] = "BUSINESS_PRICE"
    return {
        "asin": f"B0{hashlib.sha256(offer.sku.encode()).hexdigest()[:8].upper()}",
        "title": offer.title,
        "sellerSku": offer.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW", "conditionNote": ""},
        "price": price,
    }


def _charges(
    dice: random.Random, market: Marketplace, place: Place, goods: Decimal, *, wrapped: bool, tax_shown: bool
) -> Charges:
    scale = 100 if market.minor_digits == 0 else 1
    shipping = rounded(market, Decimal(dice.choice(("0", "0", "4.99", "5.99", "9.49"))) * scale)
    off = dice.choice((0, 0, 0, 0, 0, 10, 15)) * goods / 100
    free_shipping = dice.random() < 0.15
    return Charges(
        goods=goods,
        shipping=shipping,
        gift_wrap=rounded(market, Decimal("3.99") * scale) if wrapped else Decimal(0),
        goods_discount=rounded(market, off),
        shipping_discount=shipping if free_shipping else Decimal(0),
        tax_rate=market.tax_rate if place.tax_rate is None else place.tax_rate,
        tax_shown=tax_shown,
    )
