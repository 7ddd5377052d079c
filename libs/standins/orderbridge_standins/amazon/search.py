"""The parameters of ``searchOrders`` and ``getOrder``, with every rule that Amazon states for them.

Where Amazon's behaviour is not known, the stand-in is the stricter one: a parameter that is unknown, repeated or empty
is refused, since Amazon may ignore it in silence.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .clock import instant
from .marketplaces import MARKETPLACES
from .orderstore import Axis
from .problems import access_denied, invalid_input, too_recent
from .visible import DATA_SETS

SAFETY_LAG: Final = timedelta(minutes=2)
STATUSES: Final = frozenset(
    {
        "PENDING_AVAILABILITY",
        "PENDING",
        "UNSHIPPED",
        "PARTIALLY_SHIPPED",
        "SHIPPED",
        "CANCELLED",
        "UNFULFILLABLE",
    }
)
_MOST_MARKETPLACES: Final = 50
_MOST_PER_PAGE: Final = 100
_MAY_CHANGE_BETWEEN_PAGES: Final = frozenset({"paginationToken", "maxResultsPerPage"})
_PARAMETERS: Final = frozenset(
    {
        "createdAfter",
        "createdBefore",
        "lastUpdatedAfter",
        "lastUpdatedBefore",
        "fulfillmentStatuses",
        "marketplaceIds",
        "fulfilledBy",
        "maxResultsPerPage",
        "paginationToken",
        "includedData",
    }
)


@dataclass(frozen=True)
class SearchRequest:
    """What one call asks for; ``signature`` is what the pages of one search must have in common, as it was sent."""

    axis: Axis
    after: datetime
    before: datetime | None
    statuses: frozenset[str] | None
    marketplace_ids: frozenset[str] | None
    fulfilled_by: frozenset[str] | None
    page_size: int
    token: str | None
    included: frozenset[str]
    signature: frozenset[tuple[str, str]]


def search_request(pairs: Sequence[tuple[str, str]], now: datetime) -> SearchRequest:
    """Read decoded query pairs, or raise the refusal."""
    given = _once_each(pairs, _PARAMETERS)
    axis, after, before = _window(given)
    if before is not None and before > now - SAFETY_LAG:
        raise too_recent()
    marketplaces = _values(given, "marketplaceIds", None)
    if marketplaces is not None:
        if len(marketplaces) > _MOST_MARKETPLACES:
            raise invalid_input()
        if not marketplaces <= MARKETPLACES.keys():
            raise access_denied()
    return SearchRequest(
        axis=axis,
        after=after,
        before=before,
        statuses=_values(given, "fulfillmentStatuses", STATUSES),
        marketplace_ids=marketplaces,
        fulfilled_by=_values(given, "fulfilledBy", frozenset({"MERCHANT", "AMAZON"})),
        page_size=_page_size(given),
        token=given.get("paginationToken"),
        included=_values(given, "includedData", DATA_SETS) or frozenset(),
        signature=frozenset((name, value) for name, value in given.items() if name not in _MAY_CHANGE_BETWEEN_PAGES),
    )


def included_data(pairs: Sequence[tuple[str, str]]) -> frozenset[str]:
    """The data sets that a ``getOrder`` asks for; it takes no other query parameter."""
    given = _once_each(pairs, frozenset({"includedData"}))
    return _values(given, "includedData", DATA_SETS) or frozenset()


def _once_each(pairs: Sequence[tuple[str, str]], known: Set[str]) -> dict[str, str]:
    given = dict(pairs)
    if len(given) != len(pairs) or not given.keys() <= known or not all(given.values()):
        raise invalid_input()
    return given


def _window(given: Mapping[str, str]) -> tuple[Axis, datetime, datetime | None]:
    """Exactly one lower bound; an upper bound only of the same kind and not below it."""
    created, updated = "createdAfter" in given, "lastUpdatedAfter" in given
    foreign_bound = "lastUpdatedBefore" if created else "createdBefore"
    if created == updated or foreign_bound in given:
        raise invalid_input()
    axis: Axis = "created" if created else "lastUpdated"
    try:
        after = instant(given[f"{axis}After"])
        before = instant(given[f"{axis}Before"]) if f"{axis}Before" in given else None
    except ValueError:
        raise invalid_input() from None
    if before is not None and before < after:
        raise invalid_input()
    return axis, after, before


def _values(given: Mapping[str, str], name: str, allowed: Set[str] | None) -> frozenset[str] | None:
    """A comma-separated list; None when the parameter was not sent."""
    if name not in given:
        return None
    values = frozenset(given[name].split(","))
    if "" in values or (allowed is not None and not values <= allowed):
        raise invalid_input()
    return values


def _page_size(given: Mapping[str, str]) -> int:
    text = given.get("maxResultsPerPage", str(_MOST_PER_PAGE))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MOST_PER_PAGE:
        raise invalid_input()
    return int(text)
