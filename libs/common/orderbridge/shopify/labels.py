"""What an order says of itself in Shopify besides its amounts: name, tags, notes, properties; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from ..events import ImportedLine, OrderImported
from ..ids import amazon_order_id_of
from .personal import TAX_NUMBER, PersonalData
from .policy import OrderPolicy
from .provinces import folded

TAG: Final = "amazon"
TAG_FORCED: Final = "amazon-forced"
TAG_FULFILLED: Final = "amazon-fulfilled"
TAGS_OF_PROGRAMS: Final = {"PRIME": "amazon-prime", "AMAZON_BUSINESS": "amazon-business"}

_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_LONGEST_EMAIL: Final = 254


def identity(
    order: OrderImported, personal: PersonalData, lines: Iterable[ImportedLine], policy: OrderPolicy, *, forced: bool
) -> dict[str, Any]:
    amazon_order_id = amazon_order_id_of(order.order_id)
    lines = tuple(lines)
    fields = {
        "name": f"{policy.order_name}{amazon_order_id}" if policy.order_name else None,
        "email": _email(personal) if policy.customer_email == "amazon" else None,
        "sourceIdentifier": amazon_order_id,
        "processedAt": time_of(order.purchased_at),
        "tags": list(_tags(order, forced=forced)),
        "poNumber": personal.purchase_order,
        "note": _note(personal, lines),
        "customAttributes": [
            {"key": key, "value": value}
            for key, value in (*_attributes(order, amazon_order_id, lines), *_tax_numbers(personal))
            if value
        ],
        "metafields": [{"namespace": "$app", "key": "amazon_order_id", "type": "id", "value": amazon_order_id}],
    }
    return {field: value for field, value in fields.items() if value}


def properties(line: ImportedLine, personal: PersonalData) -> list[dict[str, str]]:
    """A leading underscore keeps a property from the buyer's eyes."""
    values = {
        "_amazon_order_item_id": line.order_item_id,
        "_amazon_asin": line.asin,
        "_amazon_seller_sku": line.amazon_sku,
        "Gift wrap": line.gift_wrap,
        "Gift message": personal.gift_messages.get(line.order_item_id),
    }
    return [{"name": name, "value": value} for name, value in values.items() if value]


def time_of(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _tags(order: OrderImported, *, forced: bool) -> Iterator[str]:
    yield TAG
    yield from (tag for program, tag in TAGS_OF_PROGRAMS.items() if program in order.programs)
    if order.fulfilled_by == "amazon":
        yield TAG_FULFILLED
    if forced:
        yield TAG_FORCED


def _attributes(
    order: OrderImported, amazon_order_id: str, lines: Iterable[ImportedLine]
) -> Iterator[tuple[str, str | None]]:
    lines = tuple(lines)
    yield "amazon_order_id", amazon_order_id
    yield "amazon_marketplace_id", order.marketplace_id
    yield "amazon_ship_by", time_of(order.ship_by)
    yield "amazon_service_level", order.service_level
    yield "amazon_replaced_order_id", order.replaces
    yield "amazon_ioss_number", ", ".join(dict.fromkeys(line.ioss_number for line in lines if line.ioss_number))
    points = [line.points_granted for line in lines if line.points_granted is not None]
    yield "amazon_points_granted", str(sum(points)) if points else None


def _tax_numbers(personal: PersonalData) -> Iterator[tuple[str, str]]:
    """Each number by whose it is and of what kind; several of one kind are counted."""
    seen: dict[str, int] = {}
    for registration in personal.tax_registrations:
        number = registration.get("taxRegistrationNumber")
        if not isinstance(number, str) or not number.strip():
            continue
        said = (registration.get("entityType"), registration.get("taxRegistrationType"))
        words = [TAX_NUMBER, *(folded(word).replace(" ", "_") for word in said if isinstance(word, str))]
        key = "_".join(word for word in words if word)
        seen[key] = seen.get(key, 0) + 1
        yield key if seen[key] == 1 else f"{key}_{seen[key]}", number.strip()


def _email(personal: PersonalData) -> str | None:
    """The address, or None where it does not look like one: Shopify refuses an order for it."""
    email = (personal.buyer_email or "").strip()
    return email if len(email) <= _LONGEST_EMAIL and _EMAIL.fullmatch(email) else None


def _note(personal: PersonalData, lines: Iterable[ImportedLine]) -> str:
    """What whoever packs the order should read."""
    gifts = (personal.gift_messages.get(line.order_item_id) for line in lines)
    notes = [f"Gift message: {message}" for message in dict.fromkeys(gifts) if message]
    if personal.delivery_instructions:
        notes.append(f"Delivery instructions: {personal.delivery_instructions}")
    return "\n".join(notes)
