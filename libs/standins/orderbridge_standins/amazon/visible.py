"""Which parts of an order an answer shows: by the data sets asked for, and by what Amazon has at that status.

Sources: Amazon's migration table of ``includedData`` (2026-01-01) and the documented availability of a pending order.
"""

from collections.abc import Set
from typing import Any, Final

from .orderstore import Order

DATA_SETS: Final = frozenset(
    {
        "BUYER",
        "RECIPIENT",
        "PROCEEDS",
        "EXPENSE",
        "PROMOTION",
        "CANCELLATION",
        "FULFILLMENT",
        "PACKAGES",
        "TAX",
        "PAYMENT",
        "FULFILLMENT_ORDERS",
    }
)
_ORDER_FIELDS: Final = {
    "buyer": "BUYER",
    "recipient": "RECIPIENT",
    "proceeds": "PROCEEDS",
    "fulfillment": "FULFILLMENT",
    "packages": "PACKAGES",
    "tax": "TAX",
    "payment": "PAYMENT",
    "fulfillmentOrders": "FULFILLMENT_ORDERS",
}
_ITEM_FIELDS: Final = {
    "fulfillment": "FULFILLMENT",
    "proceeds": "PROCEEDS",
    "expense": "EXPENSE",
    "promotion": "PROMOTION",
    "cancellation": "CANCELLATION",
    "tax": "TAX",
}
_PENDING: Final = frozenset({"PENDING", "PENDING_AVAILABILITY"})
_NOT_YET: Final = frozenset({"buyer", "recipient", "proceeds", "tax", "payment", "packages"})
_NOT_YET_OF_ITEM: Final = frozenset({"proceeds", "expense", "promotion", "tax"})
_GONE: Final = frozenset({"buyer", "recipient", "proceeds", "payment"})
_GONE_OF_ITEM: Final = frozenset({"proceeds"})
_NO_PROMISE_YET: Final = frozenset({"shipByWindow", "deliverByWindow", "labelPrintingWindow"})
_PRICED_WHILE_PENDING: Final = frozenset({"A1VC38T7YXB528"})
"""Marketplaces whose pending orders were reported to carry unit prices (Japan)."""


_OF_A_BUYER: Final = frozenset({"buyerName", "buyerEmail"})
_OF_A_RECIPIENT: Final = frozenset(
    {"name", "companyName", "addressLine1", "addressLine2", "addressLine3", "phone", "extendedFields"}
)
"""Source: the fields of personal information of v2026-01-01, and the roles that open them."""


def status_of(order: Order) -> str | None:
    fulfillment = order.get("fulfillment")
    return fulfillment.get("fulfillmentStatus") if isinstance(fulfillment, dict) else None


def fulfilled_by(order: Order) -> str | None:
    fulfillment = order.get("fulfillment")
    return fulfillment.get("fulfilledBy") if isinstance(fulfillment, dict) else None


def marketplace_of(order: Order) -> str | None:
    channel: dict[str, Any] = order["salesChannel"]
    return channel.get("marketplaceId")


def visible(order: Order, included: Set[str], *, recipients: bool = True) -> Order:
    """The order as an answer with these data sets shows it; the stored order keeps what is hidden for now.

    A pending order has no buyer, address or money yet, a canceled one no more. Packages are the merchant's only.
    Without the role for ``recipients`` the fields that tell of a person are silently absent.
    """
    status = status_of(order)
    pending, canceled = status in _PENDING, status == "CANCELLED"
    hidden = _NOT_YET if pending else _GONE if canceled else frozenset[str]()
    if fulfilled_by(order) == "AMAZON":
        hidden |= {"packages"}
    shown = _fields(order, _ORDER_FIELDS, included, hidden)
    hidden_of_item = _NOT_YET_OF_ITEM if pending else _GONE_OF_ITEM if canceled else frozenset[str]()
    items = [_fields(item, _ITEM_FIELDS, included, hidden_of_item) for item in order["orderItems"]]
    if pending:
        priced = marketplace_of(order) in _PRICED_WHILE_PENDING
        items = [_before_payment(item, priced=priced) for item in items]
        if "fulfillment" in shown:
            shown["fulfillment"] = _without(shown["fulfillment"], _NO_PROMISE_YET)
    shown["orderItems"] = items
    return shown if recipients else _without_people(shown)


def _without_people(shown: Order) -> Order:
    """City, region, postal code and country stay."""
    kept = dict(shown)
    if "buyer" in kept:
        kept["buyer"] = _without(kept["buyer"], _OF_A_BUYER)
    recipient = kept.get("recipient")
    if isinstance(recipient, dict) and isinstance(recipient.get("deliveryAddress"), dict):
        kept["recipient"] = {**recipient, "deliveryAddress": _without(recipient["deliveryAddress"], _OF_A_RECIPIENT)}
    return kept


def _fields(holder: Order, gates: dict[str, str], included: Set[str], hidden: Set[str]) -> Order:
    """Fields that no data set gates are always there, also those Amazon adds one day."""
    return {
        name: value
        for name, value in holder.items()
        if name not in hidden and (name not in gates or gates[name] in included)
    }


def _before_payment(item: Order, *, priced: bool) -> Order:
    if not priced and "product" in item:
        item["product"] = _without(item["product"], {"price"})
    if "fulfillment" in item:
        item["fulfillment"] = _without(item["fulfillment"], {"packing"})
    return item


def _without(holder: Order, names: Set[str]) -> Order:
    return {name: value for name, value in holder.items() if name not in names}
