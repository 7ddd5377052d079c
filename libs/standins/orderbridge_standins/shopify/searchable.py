"""Which fields a search knows, and what each of them holds of a variant, a product and an order."""

from .orders import Order
from .search import Entry, SearchIndex
from .stock import Product, Variant


def variant_index() -> SearchIndex:
    return SearchIndex(("title", "sku"), ("id", "sku", "title", "product_status", "updated_at", "product_id", "vendor"))


def product_index() -> SearchIndex:
    return SearchIndex(("title",), ("id", "title", "status", "vendor", "sku", "updated_at", "created_at"))


def order_index() -> SearchIndex:
    return SearchIndex(
        ("name", "source_identifier"),
        ("id", "name", "tag", "source_identifier", "po_number", "created_at", "updated_at", "processed_at"),
    )


def variant_entry(variant: Variant) -> Entry:
    product = variant.product
    return {
        "id": variant.id,
        "product_id": product.id,
        "sku": (variant.sku,),
        "title": (variant.title, product.title),
        "vendor": (product.vendor,),
        "product_status": (product.status,),
        "updated_at": variant.updated_at,
    }


def product_entry(product: Product) -> Entry:
    return {
        "id": product.id,
        "title": (product.title,),
        "vendor": (product.vendor,),
        "status": (product.status,),
        "sku": tuple(variant.sku for variant in product.variants),
        "updated_at": product.updated_at,
        "created_at": product.created_at,
    }


def order_entry(order: Order) -> Entry:
    return {
        "id": order.id,
        "name": (order.name,),
        "tag": order.tags,
        "source_identifier": (order.source_identifier or "",),
        "po_number": (order.po_number or "",),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "processed_at": order.processed_at,
    }
