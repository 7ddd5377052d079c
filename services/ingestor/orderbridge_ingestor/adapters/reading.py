"""Amazon's JSON in our words.

Source: Orders API v2026-01-01, model of 2026-08-05. Nearly everything in it may be absent or an empty string, values
of open sets may be new, and fields unknown; only what an order cannot be told without makes it unreadable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from orderbridge.errors import Unreadable
from orderbridge.events import Breakdown, BreakdownDetail, ImportedLine
from orderbridge.ids import AMAZON_ORDER_ID
from orderbridge.money import Money
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge.step.parking import described

from ..domain.orders import Canceler, FulfilledBy, ReadOrder, Snapshot, Told, UnreadableOrder

_AMOUNT: Final = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_HALF_A_PAIR: Final = re.compile(r"[\ud800-\udfff]")
_MOST_UNITS: Final = 1_000_000
_FULFILLED_BY: Final[Mapping[Any, FulfilledBy]] = {"MERCHANT": "merchant", "AMAZON": "amazon"}
_REPLACING: Final = frozenset({"REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID"})
_CANCELED_BY: Final[Mapping[Any, Canceler]] = {"BUYER": "buyer", "MERCHANT": "merchant", "AMAZON": "amazon"}


def load_json(body: bytes) -> Any:
    """JSON without floats: numbers that are no plain integers stay as they are written.

    :raises ValueError: it is no JSON, or nested beyond reason.
    """
    try:
        return json.loads(body, parse_float=str, parse_constant=str, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 19 else text


def read_order(raw: Any) -> ReadOrder | UnreadableOrder:
    amazon_order_id = order_id_in(raw)
    try:
        order = _mapping(raw, "the order")
        if amazon_order_id is None:
            raise Unreadable("orderId is missing or of another form")
        items = [_mapping(item, "an order item") for item in _list(order.get("orderItems"), "orderItems")]
        return ReadOrder(amazon_order_id, _snapshot(order, items), _encodable(_personal(order, items)), order)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one order, its page goes on
        return UnreadableOrder(amazon_order_id, described(error), raw)


def order_id_in(raw: Any) -> str | None:
    found = raw.get("orderId") if isinstance(raw, Mapping) else None
    return found if isinstance(found, str) and AMAZON_ORDER_ID.fullmatch(found) else None


def _snapshot(order: Mapping[str, Any], items: list[Mapping[str, Any]]) -> Snapshot:
    channel = _mapping(order.get("salesChannel"), "salesChannel")
    fulfillment = _part(order, "fulfillment")
    proceeds = _part(order, "proceeds")
    return Snapshot(
        told=Told(
            status=_text(fulfillment, "fulfillmentStatus"),
            fulfilled_by=_FULFILLED_BY.get(_text(fulfillment, "fulfilledBy"), "unknown"),
            marketplace_id=_text(channel, "marketplaceId"),
            sales_channel=_required(channel, "channelName"),
            purchased_at=_time(_required(order, "createdTime"), "createdTime"),
            canceled_by=_canceled_by(items),
        ),
        last_updated_at=_time(_required(order, "lastUpdatedTime"), "lastUpdatedTime"),
        service_level=_text(fulfillment, "fulfillmentServiceLevel"),
        programs=_programs(order.get("programs")),
        ship_by=_latest(fulfillment, "shipByWindow"),
        deliver_by=_latest(fulfillment, "deliverByWindow"),
        replaces=_replaced(order.get("associatedOrders")),
        cancel_requested=any(map(_cancel_requested, items)),
        total=_money(proceeds.get("grandTotal"), "grandTotal"),
        breakdowns=tuple(_breakdowns(proceeds)),
        lines=tuple(_line(item) for item in items),
    )


def _line(item: Mapping[str, Any]) -> ImportedLine:
    product = _part(item, "product")
    proceeds = _part(item, "proceeds")
    return ImportedLine(
        order_item_id=_required(item, "orderItemId"),
        amazon_sku=_text(product, "sellerSku"),
        asin=_text(product, "asin"),
        title=_text(product, "title"),
        quantity=_quantity(item.get("quantityOrdered")),
        unit_price=_money(_part(product, "price").get("unitPrice"), "unitPrice"),
        total=_money(proceeds.get("proceedsTotal"), "proceedsTotal"),
        breakdowns=tuple(_breakdowns(proceeds)),
        tax_remitted_by_amazon=any(
            collection.get("model") == "MARKETPLACE_FACILITATOR"
            for collection in _mappings(_part(item, "tax").get("taxCollections"))
        ),
        points_granted=_points(item),
        ioss_number=_text(_deep(item, "fulfillment", "shipping", "internationalShipping"), "iossNumber"),
        gift_wrap=_text(_deep(item, "fulfillment", "packing", "giftOption"), "giftWrapLevel"),
    )


def _points(item: Mapping[str, Any]) -> int | None:
    """A remark on the order, not a part of its amounts: what is no count of points is left out."""
    given = _deep(item, "expense", "pointsCost", "pointsGranted").get("pointsNumber")
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None


def _replaced(given: Any) -> str | None:
    """The first order that this one stands for; the associations are an open set."""
    for each in _mappings(given):
        if each.get("associationType") in _REPLACING and order_id_in(each) is not None:
            return order_id_in(each)
    return None


def _breakdowns(proceeds: Mapping[str, Any]) -> Iterator[Breakdown]:
    """An amount that cannot be read is never left out: the order would come to another total."""
    for each in _list(proceeds.get("breakdowns") or [], "breakdowns"):
        given = _mapping(each, "a breakdown")
        details = [_mapping(one, "a detail") for one in _list(given.get("detailedBreakdowns") or [], "details")]
        yield Breakdown(
            type=_required(given, "type"),
            subtotal=_amount(given.get("subtotal"), "subtotal"),
            details=tuple(
                BreakdownDetail(subtype=_required(one, "subtype"), value=_amount(one.get("value"), "value"))
                for one in details
            ),
            pending=given.get("status") == "PENDING",
        )


def _canceled_by(items: Iterable[Mapping[str, Any]]) -> Canceler | None:
    """Whom Amazon names first among the items."""
    for item in items:
        named = _part(_part(item, "cancellation"), "cancellationExecution").get("cancelledBy")
        if isinstance(named, str) and named in _CANCELED_BY:
            return _CANCELED_BY[named]
    return None


def _cancel_requested(item: Mapping[str, Any]) -> bool:
    """By the buyer; in which words is nobody's business here."""
    return _loose_part(_loose_part(item, "cancellation"), "cancellationRequest").get("requester") == "BUYER"


def _programs(given: Any) -> tuple[str, ...]:
    named = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    return tuple(_storable(each, "programs") for each in named)


# --- what is personal; nothing in here makes an order unreadable, but for text that no encoding has


def _personal(order: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> PersonalData:
    buyer = _loose_part(order, "buyer")
    recipient = _loose_part(order, "recipient")
    gifts = {}
    links = {}
    for item in items:
        item_id = str(item.get("orderItemId"))
        if message := _loose(_deep(item, "fulfillment", "packing", "giftOption").get("giftMessage")):
            gifts[item_id] = message
        customization = _loose_part(_loose_part(item, "product"), "customization")
        if link := _loose(customization.get("customizedUrl")):
            links[item_id] = link
    return PersonalData(
        buyer_name=_loose(buyer.get("buyerName")),
        buyer_email=_loose(buyer.get("buyerEmail")),
        company=_loose(buyer.get("buyerCompanyName")),
        purchase_order=_loose(buyer.get("buyerPurchaseOrderNumber")),
        address=_address(_loose_part(recipient, "deliveryAddress")),
        delivery_instructions=_loose(_loose_part(recipient, "deliveryPreference").get("addressInstruction")),
        gift_messages=gifts,
        customization_urls=links,
        tax_registrations=tuple(dict(each) for each in _mappings(_loose_part(order, "tax").get("taxRegistrations"))),
    )


def _encodable(personal: PersonalData) -> PersonalData:
    """As it is: the vault keeps every text that UTF-8 has, and half a surrogate pair is none."""
    for name, value in personal.model_dump(exclude_none=True).items():
        for part, text in value.items() if isinstance(value, dict) else [("", value)]:
            if _HALF_A_PAIR.search(json.dumps(text, ensure_ascii=False)):
                raise Unreadable(f"{f'{name}.{part}'.rstrip('.')} holds half a surrogate pair, which cannot be stored")
    return personal


def _address(given: Mapping[str, Any]) -> DeliveryAddress | None:
    """Brazil's extended fields say the street apart; they stand in where Amazon leaves the lines out."""
    extended = _loose_part(given, "extendedFields")
    street = [part for part in (_loose(extended.get("streetName")), _loose(extended.get("streetNumber"))) if part]
    address = DeliveryAddress(
        name=_loose(given.get("name")),
        company=_loose(given.get("companyName")),
        line1=_loose(given.get("addressLine1")) or ", ".join(street) or None,
        line2=_loose(given.get("addressLine2")) or _loose(extended.get("complement")),
        line3=_loose(given.get("addressLine3")),
        city=_loose(given.get("city")),
        district=_loose(given.get("districtOrCounty")),
        municipality=_loose(given.get("municipality")),
        neighborhood=_loose(extended.get("neighborhood")),
        state=_loose(given.get("stateOrRegion")),
        postal_code=_loose(given.get("postalCode")),
        country=_loose(given.get("countryCode")),
        phone=_loose(given.get("phone")),
    )
    return None if address == DeliveryAddress() else address


def _loose(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _loose_part(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, Mapping) else {}


def _deep(holder: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        holder = _loose_part(holder, name)
    return holder


def _mappings(given: Any) -> list[Mapping[str, Any]]:
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


# --- single values; errors name the field, never what it holds


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is missing or no object")
    return value


def _part(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An optional object; empty when it is absent."""
    found = holder.get(name)
    return {} if found is None else _mapping(found, name)


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"{name} is missing or no list")
    return value


def _text(holder: Mapping[str, Any], name: str) -> str | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{name} is no text")
    return _storable(value, name) if value else None


def _storable(text: str, name: str) -> str:
    """The text as it is: neither the database nor Kafka takes NUL or half a surrogate pair."""
    if _UNSTORABLE.search(text):
        raise Unreadable(f"{name} holds a character that cannot be stored (NUL or half a surrogate pair)")
    return text


def _required(holder: Mapping[str, Any], name: str) -> str:
    value = _text(holder, name)
    if value is None:
        raise Unreadable(f"{name} is missing")
    return value


def _quantity(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_UNITS:
        raise Unreadable("quantityOrdered is no count")
    return value


def _money(given: Any, name: str) -> Money | None:
    return None if given is None else _amount(given, name)


def _amount(given: Any, name: str) -> Money:
    money = _mapping(given, name)
    amount, currency = str(money.get("amount")), money.get("currencyCode")
    if not _AMOUNT.fullmatch(amount) or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise Unreadable(f"{name} is no amount in a currency")
    return Money(amount=Decimal(amount), currency=currency)


def _time(value: str, name: str) -> datetime:
    """With seconds or milliseconds: Amazon sends both."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise Unreadable(f"{name} has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{name} is no time") from None


def _latest(fulfillment: Mapping[str, Any], window: str) -> datetime | None:
    """The end of a window; one that cannot be read only costs the order its place in a queue."""
    latest = _loose_part(fulfillment, window).get("latestDateTime")
    try:
        return _time(latest, window) if isinstance(latest, str) else None
    except Unreadable:
        return None


def time_in(value: Any) -> datetime | None:
    """A time of an answer; None when there is none, or none that can be read."""
    try:
        return _time(value, "a time") if isinstance(value, str) else None
    except Unreadable:
        return None
