"""Believable orders, the same for the same seed; only their times hang on the moment they are made for."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from ..catalogue import shop_catalogue
from .amounts import money, order_proceeds
from .clock import stamp
from .lines import Offer, PricedLine, offers_of, priced_line, quantity_of, unknown_offer
from .marketplaces import MARKETPLACES, Marketplace
from .orderstore import Order
from .people import Person, invented_person, partial_address

_SETTLED: Final = timedelta(minutes=10)
_SPREAD: Final = timedelta(hours=6)
_LONGEST_WAIT: Final = timedelta(minutes=45)
_CARRIERS: Final = (("UPS", "UPS Ground"), ("USPS", "Priority Mail"), ("FedEx", "FedEx Home Delivery"))


@dataclass(frozen=True)
class Profile:
    """How many orders of which story; all counts are of orders. ``sku`` asks for single units of the SKUs it names.

    Orders of the other stories never contain a SKU that ``sku`` names, so that its stock serves these orders alone.
    """

    unshipped: int = 0
    pending: int = 0
    pending_availability: int = 0
    partially_shipped: int = 0
    shipped: int = 0
    canceled: int = 0
    unfulfillable: int = 0
    fulfilled_by_amazon: int = 0
    unknown_sku: int = 0
    sku: tuple[tuple[str, int], ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Profile":
        """Read the control door's JSON; :class:`ValueError` names what is wrong with it."""
        known = {field.name for field in fields(cls)}
        unknown = given.keys() - known
        if unknown:
            raise ValueError(f"unknown in a profile: {', '.join(sorted(unknown))}")
        skus = given.get("sku", {})
        if not isinstance(skus, Mapping):
            raise ValueError("sku is an object of counts by SKU")
        counts = {name: value for name, value in given.items() if name != "sku"}
        for name, count in [*counts.items(), *skus.items()]:
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise ValueError(f"{name} is no count")
        return cls(**counts, sku=tuple(skus.items()))

    def stories(self) -> Iterator[tuple[str, str | None]]:
        """One (name of the count, forced SKU) an order."""
        for field in fields(self):
            if field.name != "sku":
                yield from ((field.name, None) for _ in range(getattr(self, field.name)))
        for sku, count in self.sku:
            yield from (("sku", sku) for _ in range(count))


@dataclass(frozen=True)
class Generated:
    """Orders with the ids each count of the profile got; ``sku`` has one list for each SKU."""

    orders: list[Order]
    by_profile: dict[str, Any]


_STATUSES: Final = {
    "unshipped": ("UNSHIPPED",),
    "sku": ("UNSHIPPED",),
    "unknown_sku": ("UNSHIPPED",),
    "pending": ("PENDING",),
    "pending_availability": ("PENDING_AVAILABILITY",),
    "partially_shipped": ("PARTIALLY_SHIPPED",),
    "shipped": ("SHIPPED",),
    "canceled": ("CANCELLED",),
    "unfulfillable": ("UNFULFILLABLE",),
    "fulfilled_by_amazon": ("SHIPPED", "SHIPPED", "UNSHIPPED"),
}


def generate_orders(
    *,
    seed: int,
    catalogue_seed: int,
    catalogue_variants: int,
    profile: Profile,
    marketplace_id: str,
    now: datetime,
    updated_within: timedelta | None = None,
) -> Generated:
    """Make a seller's orders.

    They were placed and updated within the six hours that end ten minutes before ``now``; with ``updated_within``
    instead in the time of that length that ends at ``now``. :class:`ValueError` when the marketplace is unknown, or
    when a SKU is named that the catalogue does not have.
    """
    if marketplace_id not in MARKETPLACES:
        raise ValueError(f"unknown marketplace {marketplace_id}")
    offers = offers_of(shop_catalogue(catalogue_seed, catalogue_variants))
    forced = dict(profile.sku)
    missing = forced.keys() - {offer.sku for offer in offers}
    if missing:
        raise ValueError(f"not in this catalogue: {', '.join(sorted(missing))}")
    free = [offer for offer in offers if offer.sku not in forced]
    if not free:
        raise ValueError("the catalogue is empty")
    end = now if updated_within is not None else now - _SETTLED
    window = (end - (updated_within or _SPREAD), end)
    maker = _Maker(seed, MARKETPLACES[marketplace_id], free, {o.sku: o for o in offers}, window)
    return maker.make(profile)


class _Maker:
    def __init__(
        self,
        seed: int,
        market: Marketplace,
        free: list[Offer],
        by_sku: dict[str, Offer],
        window: tuple[datetime, datetime],
    ) -> None:
        self._seed = seed
        self._market = market
        self._free = free
        self._by_sku = by_sku
        self._window = window
        self._ids: set[str] = set()

    def make(self, profile: Profile) -> Generated:
        made = Generated([], {})
        for number, (story, sku) in enumerate(profile.stories()):
            order = self._order(number, story, sku)
            made.orders.append(order)
            if sku is None:
                made.by_profile.setdefault(story, []).append(order["orderId"])
            else:
                made.by_profile.setdefault("sku", {}).setdefault(sku, []).append(order["orderId"])
        return made

    def _order(self, number: int, story: str, sku: str | None) -> Order:
        dice = random.Random(f"{self._seed}/{self._market.marketplace_id}/{story}/{sku}/{number}")
        status = dice.choice(_STATUSES[story])
        by_amazon = story in {"fulfilled_by_amazon", "unfulfillable"}
        business = sku is None and not by_amazon and dice.random() < 0.08
        person = invented_person(dice, self._market, business=business)
        lines = self._lines(dice, story, sku, status, person, business=business)
        created, updated = self._times(dice)
        order: Order = {
            "orderId": self._order_id(dice),
            "createdTime": stamp(created),
            "lastUpdatedTime": stamp(updated),
            "programs": self._programs(dice, business=business, by_amazon=by_amazon),
            "salesChannel": {
                "channelName": "NON_AMAZON" if story == "unfulfillable" else "AMAZON",
                "marketplaceId": self._market.marketplace_id,
                "marketplaceName": self._market.name,
            },
            **self._recipient(person, by_amazon=by_amazon),
            **self._money(lines),
            "fulfillment": _fulfillment(dice, status, created, by_amazon=by_amazon),
            "orderItems": [line.item for line in lines],
        }
        if status in {"SHIPPED", "PARTIALLY_SHIPPED"} and not by_amazon:
            order["packages"] = [_package(dice, order, updated)]
        return order

    def _order_id(self, dice: random.Random) -> str:
        while True:
            prefix = dice.choice(self._market.id_prefixes)
            order_id = f"{prefix}-{dice.randrange(10**7):07d}-{dice.randrange(10**7):07d}"
            if order_id not in self._ids:
                self._ids.add(order_id)
                return order_id

    def _times(self, dice: random.Random) -> tuple[datetime, datetime]:
        """Placed, then changed at most 45 minutes later, both to the second and within the window."""
        start, end = self._window
        updated = start + dice.random() * (end - start)
        placed = max(start, updated - dice.random() * _LONGEST_WAIT)
        return placed, updated

    def _lines(
        self, dice: random.Random, story: str, sku: str | None, status: str, person: Person, *, business: bool
    ) -> list[PricedLine]:
        if sku is not None:
            offers = [self._by_sku[sku]]
        else:
            offers = dice.sample(self._free, min(len(self._free), dice.choice((1, 1, 1, 2, 2, 3))))
        if story == "unknown_sku":
            offers[dice.randrange(len(offers))] = unknown_offer(dice)
        tax_shown = not self._market.tax_included or dice.random() < 0.5
        lines = []
        for place, offer in enumerate(offers):
            # One unit at least is shipped and one is left of a partially shipped order.
            least = 2 if status == "PARTIALLY_SHIPPED" and place == 0 else 1
            quantity = 1 if sku is not None else max(least, quantity_of(dice))
            shipped = {"SHIPPED": quantity, "PARTIALLY_SHIPPED": 1 if place == 0 else 0}.get(status, 0)
            lines.append(
                priced_line(
                    dice,
                    self._market,
                    person.place,
                    offer,
                    quantity=quantity,
                    shipped=shipped,
                    business=business,
                    tax_shown=tax_shown,
                )
            )
        if status == "CANCELLED":
            cancelled_by = dice.choice(("BUYER", "MERCHANT", "AMAZON"))
            execution = {"cancelledBy": cancelled_by, "cancelReason": "Ordered by mistake"}
            for line in lines:
                line.item["cancellation"] = {"cancellationExecution": execution}
        return lines

    @staticmethod
    def _programs(dice: random.Random, *, business: bool, by_amazon: bool) -> list[str]:
        programs = ["AMAZON_BUSINESS"] if business else []
        if by_amazon or dice.random() < 0.1:
            programs.append("PRIME")
        return programs

    @staticmethod
    def _recipient(person: Person, *, by_amazon: bool) -> Order:
        """Of an order that Amazon ships itself, the seller sees no buyer and only the region it goes to."""
        if by_amazon:
            return {"recipient": {"deliveryAddress": partial_address(person.address)}}
        return {"buyer": person.buyer, "recipient": {"deliveryAddress": person.address}}

    def _money(self, lines: list[PricedLine]) -> Order:
        proceeds = order_proceeds(
            self._market, [line.item["proceeds"] for line in lines], (line.total for line in lines)
        )
        total = money(self._market, sum((line.total for line in lines), start=lines[0].total * 0))
        return {
            "proceeds": proceeds,
            "payment": {"paymentExecutions": [{"paymentMethod": "CreditCard", "paymentAmount": total}]},
        }


def _fulfillment(dice: random.Random, status: str, created: datetime, *, by_amazon: bool) -> Order:
    midnight = created.replace(hour=0, minute=0, second=0, microsecond=0)
    days = dice.choice((1, 2, 2, 3))
    return {
        "fulfillmentStatus": status,
        "fulfilledBy": "AMAZON" if by_amazon else "MERCHANT",
        "fulfillmentServiceLevel": dice.choice(("STANDARD", "STANDARD", "STANDARD", "EXPEDITED", "FREE_ECONOMY")),
        "shipByWindow": _window(midnight, days),
        "deliverByWindow": _window(midnight + timedelta(days=days + 1), 4),
    }


def _window(start: datetime, days: int) -> dict[str, str]:
    end = start + timedelta(days=days + 1) - timedelta(seconds=1)
    return {"earliestDateTime": stamp(start), "latestDateTime": stamp(end)}


def _package(dice: random.Random, order: Order, shipped_at: datetime) -> Order:
    carrier, service = dice.choice(_CARRIERS)
    return {
        "packageReferenceId": "1",
        "createdTime": stamp(shipped_at - timedelta(minutes=5)),
        "packageStatus": {"status": "SHIPPED"},
        "carrier": carrier,
        "shipTime": stamp(shipped_at),
        "shippingService": service,
        "trackingNumber": f"TRK{dice.randrange(10**12):012d}",
        "shipFromAddress": {
            "name": "Placeholder Warehouse",
            "addressLine1": "1 Pretend Park",
            "city": order["recipient"]["deliveryAddress"]["city"],
            "postalCode": order["recipient"]["deliveryAddress"]["postalCode"],
            "countryCode": order["recipient"]["deliveryAddress"]["countryCode"],
        },
        "packageItems": [
            {"orderItemId": item["orderItemId"], "quantity": item["fulfillment"]["quantityFulfilled"]}
            for item in order["orderItems"]
            if item["fulfillment"]["quantityFulfilled"]
        ],
    }
