"""Products, variants and inventory."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import get_directive_values

from . import stock_changes, stock_moves
from .gids import gid, number_of, split_gid
from .pages import Connection, Key
from .resolving import Arguments, paged, resolves, searched, shop_of
from .stock import InventoryItem, InventoryLevel, InventoryQuantity, Product, Variant

_VARIANT_KEYS: Final[Mapping[str, Callable[[Variant], Key]]] = {
    "SKU": lambda v: (v.sku, v.id),
    "TITLE": lambda v: (v.title, v.id),
    "NAME": lambda v: (v.title, v.id),
    "FULL_TITLE": lambda v: (v.display_name, v.id),
}
_PRODUCT_KEYS: Final[Mapping[str, Callable[[Product], Key]]] = {
    "TITLE": lambda p: (p.title, p.id),
    "VENDOR": lambda p: (p.vendor, p.id),
    "UPDATED_AT": lambda p: (p.updated_at.isoformat(), p.id),
    "CREATED_AT": lambda p: (p.created_at.isoformat(), p.id),
}


@resolves("QueryRoot", "productVariants")
def _variants(_: None, info: Any, arguments: Arguments) -> Connection:
    shop = shop_of(info)
    rows = searched(shop.variant_index, shop.variants, shop, arguments)
    return paged(rows, _VARIANT_KEYS.get(arguments["sortKey"], lambda v: (v.id,)), arguments)


@resolves("QueryRoot", "products")
def _products(_: None, info: Any, arguments: Arguments) -> Connection:
    shop = shop_of(info)
    rows = searched(shop.product_index, shop.products, shop, arguments)
    return paged(rows, _PRODUCT_KEYS.get(arguments["sortKey"], lambda p: (p.id,)), arguments)


@resolves("Product", "variants")
def _variants_of_product(product: Product, _info: Any, arguments: Arguments) -> Connection:
    places = {variant: place for place, variant in enumerate(product.variants)}
    return paged(product.variants, lambda variant: (places[variant], variant.id), arguments)


@resolves("Product", "variantsCount")
def _variants_count(product: Product, _info: Any, _arguments: Arguments) -> Mapping[str, Any]:
    return {"count": len(product.variants), "precision": "EXACT"}


@resolves("QueryRoot", "nodes")
def _nodes(_: None, info: Any, arguments: Arguments) -> list[Any]:
    shop = shop_of(info)
    return [shop.nodes(*found) if (found := split_gid(each)) else None for each in arguments["ids"]]


@resolves("QueryRoot", "node")
def _node(_: None, info: Any, arguments: Arguments) -> Any:
    found = split_gid(arguments["id"])
    return None if found is None else shop_of(info).nodes(*found)


@resolves("QueryRoot", "product")
def _product(_: None, info: Any, arguments: Arguments) -> Product | None:
    number = number_of("Product", arguments["id"])
    return None if number is None else shop_of(info).products.get(number)


@resolves("InventoryItem", "variants")
def _variants_of_item(item: InventoryItem, _info: Any, arguments: Arguments) -> Connection:
    return paged([item.variant], lambda variant: (variant.id,), arguments)


@resolves("InventoryItem", "inventoryLevel")
def _level_of_item(item: InventoryItem, _info: Any, arguments: Arguments) -> InventoryLevel | None:
    number = number_of("Location", arguments["locationId"])
    level = None if number is None else item.levels.get(number)
    return level if level is not None and (level.is_active or arguments["includeInactive"]) else None


@resolves("InventoryItem", "inventoryLevels")
def _levels_of_item(item: InventoryItem, _info: Any, arguments: Arguments) -> Connection:
    rows = (level for level in item.levels.values() if level.is_active or arguments["includeInactive"])
    return paged(rows, lambda level: (level.location.id,), arguments)


@resolves("InventoryLevel", "quantities")
def _quantities(level: InventoryLevel, _info: Any, arguments: Arguments) -> list[InventoryQuantity]:
    mark = f"{gid('InventoryQuantity', level.location.id)}?inventory_item_id={level.item.id}&name="
    return [
        InventoryQuantity(f"{mark}{name}", name, level.quantity(name), level.updated_at) for name in arguments["names"]
    ]


@resolves("Mutation", "inventorySetQuantities")
def _set_quantities(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    return stock_changes.set_quantities(shop_of(info), arguments["input"], _idempotency_key(info))


@resolves("Mutation", "inventoryAdjustQuantities")
def _adjust_quantities(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    return stock_changes.adjust_quantities(shop_of(info), arguments["input"], _idempotency_key(info))


@resolves("Mutation", "inventoryMoveQuantities")
def _move_quantities(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    return stock_moves.move_quantities(shop_of(info), arguments["input"], _idempotency_key(info))


def _idempotency_key(info: Any) -> str | None:
    """The key of the ``@idempotent`` directive on this very field."""
    directive = info.schema.get_directive("idempotent")
    values = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    return None if values is None else str(values["key"])
