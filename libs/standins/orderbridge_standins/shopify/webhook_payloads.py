"""The bodies of webhooks: the REST shapes of products, inventory and orders.

Source: shopify.dev, webhook topics, payloads of API 2026-10. A product names all of its variants in ``variant_gids``
and shows the first hundred of them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from .bulk import BulkOperation
from .orders import MailingAddress, Order
from .stock import InventoryItem, InventoryLevel, Product, Variant

Payload = Mapping[str, Any]
_VARIANTS_SHOWN: Final = 100


def product(changed: Product) -> Payload:
    return {
        "admin_graphql_api_id": changed.gid,
        "body_html": None,
        "created_at": _stamp(changed.created_at),
        "handle": changed.handle,
        "id": changed.id,
        "product_type": changed.product_type,
        "published_at": _stamp(changed.created_at) if changed.status == "ACTIVE" else None,
        "published_scope": "web",
        "status": changed.status.lower(),
        "tags": ", ".join(changed.tags),
        "template_suffix": None,
        "title": changed.title,
        "updated_at": _stamp(changed.updated_at),
        "vendor": changed.vendor,
        "variants": [
            _variant(variant, place) for place, variant in enumerate(changed.variants[:_VARIANTS_SHOWN], start=1)
        ],
        "options": _options(changed),
        "images": [],
        "image": None,
        "media": [],
        "variant_gids": [
            {"admin_graphql_api_id": variant.gid, "updated_at": _stamp(variant.updated_at)}
            for variant in changed.variants
        ],
        "has_variants_that_requires_components": False,
        "category": None,
    }


def deleted(number: int) -> Payload:
    """Of a product or an order that is gone nothing is left but its number."""
    return {"id": number}


def level(changed: InventoryLevel) -> Payload:
    return {
        "admin_graphql_api_id": changed.gid,
        "available": changed.quantity("available"),
        "inventory_item_id": changed.item.id,
        "location_id": changed.location.id,
        "updated_at": _stamp(changed.updated_at),
    }


def item(changed: InventoryItem) -> Payload:
    return {
        "admin_graphql_api_id": changed.gid,
        "created_at": _stamp(changed.created_at),
        "id": changed.id,
        "requires_shipping": changed.requires_shipping,
        "sku": changed.sku,
        "tracked": changed.tracked,
        "updated_at": _stamp(changed.updated_at),
    }


def order(changed: Order) -> Payload:
    return {
        "admin_graphql_api_id": changed.gid,
        "billing_address": _address(changed.billing_address),
        "cancel_reason": changed.cancel_reason.lower() if changed.cancel_reason else None,
        "cancelled_at": _stamp(changed.cancelled_at),
        "closed_at": _stamp(changed.closed_at),
        "confirmed": changed.confirmed,
        "contact_email": changed.email,
        "created_at": _stamp(changed.created_at),
        "currency": changed.currency_code,
        "email": changed.email,
        "financial_status": (changed.display_financial_status or "PENDING").lower(),
        "fulfillment_status": None,
        "id": changed.id,
        "line_items": [
            {
                "admin_graphql_api_id": line.gid,
                "id": line.id,
                "name": line.name,
                "price": f"{line.original_unit_price_set.amount:.2f}",
                "product_id": line.product_id,
                "quantity": line.quantity,
                "sku": line.sku,
                "title": line.title,
                "variant_id": line.variant_id,
                "variant_title": line.variant_title,
            }
            for line in changed.lines
        ],
        "name": changed.name,
        "note": changed.note,
        "note_attributes": [{"name": each.key, "value": each.value} for each in changed.custom_attributes],
        "number": changed.number,
        "order_number": changed.number,
        "po_number": changed.po_number,
        "processed_at": _stamp(changed.processed_at),
        "shipping_address": _address(changed.shipping_address),
        "source_identifier": changed.source_identifier,
        "source_name": changed.source_name,
        "tags": ", ".join(changed.tags),
        "test": changed.test,
        "total_price": f"{changed.total:.2f}",
        "updated_at": _stamp(changed.updated_at),
    }


def bulk_operation(ended: BulkOperation) -> Payload:
    return {
        "admin_graphql_api_id": ended.gid,
        "completed_at": _stamp(ended.completed_at),
        "created_at": _stamp(ended.created_at),
        "error_code": ended.error_code.lower() if ended.error_code else None,
        "status": ended.status.lower(),
        "type": ended.type.lower(),
    }


def only(payload: Payload, fields: Iterable[str]) -> Payload:
    """The fields that a subscription includes, ``variants.sku`` among them; all of them when it names none."""
    wanted: dict[str, list[str]] = {}
    for path in fields:
        name, _, rest = path.partition(".")
        wanted.setdefault(name, []).extend([rest] if rest else [])
    if not wanted:
        return payload
    return {name: _within(payload[name], paths) for name, paths in wanted.items() if name in payload}


def _within(value: Any, paths: list[str]) -> Any:
    if isinstance(value, list):
        return [_within(each, paths) for each in value]
    return only(value, paths) if isinstance(value, Mapping) else value


def _variant(variant: Variant, place: int) -> Payload:
    values = (option.value for option in variant.selected_options)
    first, second, third = next(values, None), next(values, None), next(values, None)
    stock = variant.inventory_quantity
    return {
        "admin_graphql_api_id": variant.gid,
        "barcode": variant.barcode,
        "compare_at_price": None,
        "created_at": _stamp(variant.created_at),
        "id": variant.id,
        "image_id": None,
        "inventory_item_id": variant.inventory_item.id,
        "inventory_management": "shopify" if variant.inventory_item.tracked else None,
        "inventory_policy": variant.inventory_policy.lower(),
        "inventory_quantity": stock,
        "old_inventory_quantity": stock,
        "option1": first,
        "option2": second,
        "option3": third,
        "position": place,
        "price": f"{variant.price:.2f}",
        "product_id": variant.product.id,
        "sku": variant.sku,
        "taxable": variant.taxable,
        "title": variant.title,
        "updated_at": _stamp(variant.updated_at),
    }


def _options(changed: Product) -> list[Payload]:
    values: dict[str, dict[str, None]] = {}
    for variant in changed.variants:
        for option in variant.selected_options:
            values.setdefault(option.name, {})[option.value] = None
    return [
        {"name": name, "position": place, "product_id": changed.id, "values": list(held)}
        for place, (name, held) in enumerate(values.items(), start=1)
    ]


def _address(address: MailingAddress | None) -> Payload | None:
    if address is None:
        return None
    return {
        "first_name": address.first_name,
        "last_name": address.last_name,
        "name": address.name,
        "company": address.company,
        "address1": address.address1,
        "address2": address.address2,
        "city": address.city,
        "province_code": address.province_code,
        "zip": address.zip,
        "country_code": address.country_code_v2,
        "phone": address.phone,
    }


def _stamp(moment: datetime | None) -> str | None:
    """In the shop's own time zone, which is UTC here."""
    return None if moment is None else moment.isoformat()
