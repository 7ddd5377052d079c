"""Plainly invented buyers. Their names and streets occur nowhere else, so that a scan can look for them."""

import random
from dataclasses import dataclass
from typing import Any, Final

from .marketplaces import Marketplace, Place

_FIRST: Final = (
    "Avelina", "Bodrick", "Cosimella", "Dunstable", "Eglantina", "Fennimore", "Gundulphia", "Hartwicke",
    "Isolindra", "Jorvick", "Kestrelle", "Lambourne", "Mirabeau", "Nettlewick", "Ottoline", "Perpetua",
    "Quillon", "Rosamunda", "Silvanor", "Thistleby", "Ursuline", "Valdemaria", "Wilfredina", "Yarrowan",
)  # fmt: skip
_LAST: Final = (
    "Applethwaite", "Bramblecote", "Cobblewick", "Dillyfield", "Elderquist", "Fiddlestone", "Gribbleton",
    "Hobblethorpe", "Inkpenney", "Jabberton", "Knotweather", "Lumbergate", "Mumblecroft", "Nibblesworth",
    "Oddfellowe", "Pumphreys", "Quiverdale", "Rumblestead", "Sandiwick", "Tumbleford", "Umberlough",
    "Vinterhus", "Wobblington", "Yellowhammer",
)  # fmt: skip
_STREETS: Final = (
    "Marzipan Lane", "Teacup Terrace", "Gooseberry Row", "Lantern Close", "Pocketwatch Road",
    "Bumblebee Avenue", "Cardigan Mews", "Dandelion Court", "Featherbed Street", "Gingerbread Way",
    "Hopscotch Hill", "Jellybean Drive",
)  # fmt: skip
_COMPANIES: Final = ("Invented Works", "Imaginary Supplies", "Madeup Trading", "Pretend Industries")


@dataclass(frozen=True)
class Person:
    """A buyer at home; the company is set for business buyers only."""

    name: str
    place: Place
    buyer: dict[str, Any]
    address: dict[str, Any]


def invented_person(dice: random.Random, market: Marketplace, *, business: bool) -> Person:
    name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
    place = dice.choice(market.places)
    company = f"{name.split()[1]} {dice.choice(_COMPANIES)}" if business else None
    buyer: dict[str, Any] = {
        "buyerName": name,
        "buyerEmail": f"{dice.randbytes(7).hex()}@marketplace.example",
    }
    if company is not None:
        buyer["buyerCompanyName"] = company
        buyer["buyerPurchaseOrderNumber"] = f"PO-{dice.randrange(10**6):06d}"
    return Person(name, place, buyer, _address(dice, market, name, place, company))


def partial_address(address: dict[str, Any]) -> dict[str, Any]:
    """What the seller sees of an order that Amazon ships itself: the region, not the person."""
    return {name: address[name] for name in ("city", "stateOrRegion", "postalCode", "countryCode") if name in address}


def _address(dice: random.Random, market: Marketplace, name: str, place: Place, company: str | None) -> dict[str, Any]:
    number, street = dice.randrange(1, 990), dice.choice(_STREETS)
    address: dict[str, Any] = {
        "name": name,
        "addressLine1": f"{number} {street}",
        "addressLine2": f"Floor {dice.randrange(2, 9)}" if dice.random() < 0.3 else "",
        "addressLine3": "",
        "city": place.city,
        "stateOrRegion": place.state,
        "municipality": "",
        "postalCode": place.postal_code,
        "countryCode": market.country,
        "phone": f"{place.dialling} 555 01{dice.randrange(100):02d}",
        "addressType": "RESIDENTIAL" if company is None else "COMMERCIAL",
    }
    if company is not None:
        address["companyName"] = company
    if market.country == "BR":
        address["extendedFields"] = {"streetName": street, "streetNumber": str(number)}
    return address
