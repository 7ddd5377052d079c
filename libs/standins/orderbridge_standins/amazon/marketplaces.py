"""Amazon's marketplaces, and invented places in their countries.

Ids, names and currencies: Amazon's list of marketplace ids. Prices include tax everywhere but in the United States and
Canada, as sellers report of the marketplaces; the rates are only plausible.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True)
class Place:
    """Where a buyer lives; ``tax_rate`` is None where the country's holds."""

    city: str
    state: str
    postal_code: str
    dialling: str
    tax_rate: Decimal | None = None


@dataclass(frozen=True)
class Marketplace:
    """``minor_digits`` is how many decimals the currency has; ``id_prefixes`` begin its order ids."""

    marketplace_id: str
    country: str
    currency: str
    name: str
    tax_included: bool
    tax_rate: Decimal
    places: tuple[Place, ...]
    id_prefixes: tuple[int, ...]
    minor_digits: int = 2


_US_PLACES: Final = (
    Place("Seattle", "WA", "98101", "+1 206", Decimal("0.1035")),
    Place("Austin", "TX", "78701", "+1 512", Decimal("0.0825")),
    Place("Portland", "OR", "97201", "+1 503", Decimal(0)),
    Place("Madison", "WI", "53703", "+1 608", Decimal("0.0550")),
    Place("Nashville", "TN", "37203", "+1 615", Decimal("0.0975")),
    Place("Albany", "NY", "12207", "+1 518", Decimal("0.08")),
    Place("San Diego", "CA", "92101", "+1 619", Decimal("0.0775")),
    Place("Columbus", "OH", "43215", "+1 614", Decimal("0.0750")),
)

# id, country, currency, name, tax in per cent, place, dialling code, first digits of order ids
_ROWS: Final = (
    ("A2EUQ1WTGCTBG2", "CA", "CAD", "Amazon.ca", 13, ("Toronto", "ON", "M5H 2N2"), "+1 416", (701, 702)),
    ("A1AM78C64UM0Y8", "MX", "MXN", "Amazon.com.mx", 16, ("Puebla", "PUE", "72000"), "+52 222", (701, 702)),
    ("A2Q3Y263D00KWC", "BR", "BRL", "Amazon.com.br", 17, ("Curitiba", "PR", "80010-000"), "+55 41", (701, 702)),
    ("A28R8C7NBKEWEA", "IE", "EUR", "Amazon.ie", 23, ("Cork", "Co. Cork", "T12 X8PC"), "+353 21", (206,)),
    ("A1RKKUPIHCS9HS", "ES", "EUR", "Amazon.es", 21, ("Valencia", "Valencia", "46001"), "+34 960", (404, 405)),
    ("A1F83G8C2ARO7P", "GB", "GBP", "Amazon.co.uk", 20, ("Leeds", "West Yorkshire", "LS1 4DY"), "+44 113", (202, 205)),
    ("A13V1IB3VIYZZH", "FR", "EUR", "Amazon.fr", 20, ("Lyon", "", "69002"), "+33 4", (402, 403)),
    ("AMEN7PMS3EDWL", "BE", "EUR", "Amazon.com.be", 21, ("Gent", "", "9000"), "+32 9", (406,)),
    ("A1805IZSGTT6HS", "NL", "EUR", "Amazon.nl", 21, ("Utrecht", "", "3511 AA"), "+31 30", (408,)),
    ("A1PA6795UKMFR9", "DE", "EUR", "Amazon.de", 19, ("Leipzig", "", "04109"), "+49 341", (302, 305)),
    ("APJ6JRA9NG5V4", "IT", "EUR", "Amazon.it", 22, ("Torino", "TO", "10121"), "+39 011", (407,)),
    ("A2NODRKZP88ZB9", "SE", "SEK", "Amazon.se", 25, ("Uppsala", "", "753 20"), "+46 18", (409,)),
    ("AE08WJ6YKNBMC", "ZA", "ZAR", "Amazon.co.za", 15, ("Durban", "KZN", "4001"), "+27 31", (410,)),
    ("A1C3SOZRARQ6R3", "PL", "PLN", "Amazon.pl", 23, ("Poznan", "", "61-001"), "+48 61", (411,)),
    ("ARBP9OOSHTCHU", "EG", "EGP", "Amazon.eg", 14, ("Giza", "Giza", "12511"), "+20 2", (412,)),
    ("A33AVAJ2PDY3EV", "TR", "TRY", "Amazon.com.tr", 20, ("Izmir", "Izmir", "35210"), "+90 232", (413,)),
    ("A17E79C6D8DWNP", "SA", "SAR", "Amazon.sa", 15, ("Jeddah", "Makkah", "23431"), "+966 12", (414,)),
    ("A2VIGQ35RCS4UG", "AE", "AED", "Amazon.ae", 5, ("Sharjah", "Sharjah", ""), "+971 6", (415,)),
    ("A21TJRUUN4KGV", "IN", "INR", "Amazon.in", 18, ("Pune", "MAHARASHTRA", "411001"), "+91 20", (416,)),
    ("A19VAU5U5O7RUS", "SG", "SGD", "Amazon.sg", 9, ("Singapore", "", "048619"), "+65", (501,)),
    ("A39IBJ37TRP1C6", "AU", "AUD", "Amazon.com.au", 10, ("Hobart", "TAS", "7000"), "+61 3", (502,)),
    ("A1VC38T7YXB528", "JP", "JPY", "Amazon.co.jp", 10, ("Sendai", "Miyagi", "980-0811"), "+81 22", (249, 503)),
)

_UNITED_STATES: Final = Marketplace(
    "ATVPDKIKX0DER", "US", "USD", "Amazon.com", False, Decimal("0.08"), _US_PLACES, (111, 112, 113, 114)
)

MARKETPLACES: Final[dict[str, Marketplace]] = {
    _UNITED_STATES.marketplace_id: _UNITED_STATES,
    **{
        marketplace_id: Marketplace(
            marketplace_id,
            country,
            currency,
            name,
            tax_included=country != "CA",
            tax_rate=Decimal(per_cent) / 100,
            places=(Place(*place, dialling),),
            id_prefixes=prefixes,
            minor_digits=0 if currency == "JPY" else 2,
        )
        for marketplace_id, country, currency, name, per_cent, place, dialling, prefixes in _ROWS
    },
}
UNITED_STATES: Final = _UNITED_STATES.marketplace_id
EARLY_ARCHIVES: Final = frozenset({"A1VC38T7YXB528", "A39IBJ37TRP1C6", "A19VAU5U5O7RUS"})
"""Japan, Australia and Singapore return orders back to 2016, all others of the last two years."""
