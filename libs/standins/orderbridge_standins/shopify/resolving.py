"""How a field is answered: the registry of resolvers, the context of a request, and the gate of the app's scopes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from graphql import GraphQLError

from .ledger import Attempt
from .pages import Connection, Key, page
from .search import SearchError, SearchIndex
from .shop import Shop

T = TypeVar("T")
Arguments = Mapping[str, Any]
Resolver = Callable[[Any, Any, Arguments], Any]
"""Takes the object, the request's info, and the field's arguments under their own names."""

RESOLVERS: Final[dict[tuple[str, str], Resolver]] = {}

_SCOPES: Final[Mapping[str, str]] = {
    "productVariants": "read_products",
    "products": "read_products",
    "product": "read_products",
    "location": "read_locations",
    "locations": "read_locations",
    "order": "read_orders",
    "orders": "read_orders",
    "orderByIdentifier": "read_orders",
    "metafieldDefinitions": "read_orders",
    "metafieldDefinitionCreate": "write_orders",
    "orderCreate": "write_orders",
    "orderCancel": "write_orders",
    "fulfillmentOrderMove": "write_merchant_managed_fulfillment_orders",
    "inventorySetQuantities": "write_inventory",
    "inventoryAdjustQuantities": "write_inventory",
    "inventoryMoveQuantities": "write_inventory",
}


@dataclass(slots=True)
class Call:
    """The context of one request."""

    shop: Shop
    trouble: str | None = None
    too_many_attempts: bool = False
    booked: Attempt | None = None
    """Set when the ledger already holds this orderCreate, which runs late."""
    attempts: list[Attempt] = field(default_factory=list)
    base_url: str = ""
    """Scheme, host and port that the request came in on."""


def resolves(type_name: str, field_name: str) -> Callable[[Resolver], Resolver]:
    def register(resolver: Resolver) -> Resolver:
        RESOLVERS[type_name, field_name] = resolver
        return resolver

    return register


def shop_of(info: Any) -> Shop:
    """The shop of this request, once the app's scopes allow the root field that asks.

    :raises GraphQLError: ACCESS_DENIED, naming the scope that is missing.
    """
    shop: Shop = info.context.shop
    scope = _SCOPES.get(info.field_name)
    if scope is not None and not shop.may(scope):
        raise access_denied(info.field_name, scope)
    return shop


def access_denied(field_name: str, scope: str) -> GraphQLError:
    required = f"`{scope}` access scope."
    message = f"Access denied for {field_name} field. Required access: {required}"
    extensions = {
        "code": "ACCESS_DENIED",
        "documentation": "https://shopify.dev/api/usage/access-scopes",
        "requiredAccess": required,
    }
    return GraphQLError(message, extensions=extensions)


def paged(rows: Iterable[T], key: Callable[[T], Key], arguments: Arguments) -> Connection:
    """The page that ``first``, ``after`` and ``reverse`` ask for."""
    return page(
        rows,
        key,
        first=arguments.get("first"),
        after=arguments.get("after"),
        reverse=bool(arguments.get("reverse")),
    )


def searched(index: SearchIndex, held: Mapping[int, T], shop: Shop, arguments: Arguments) -> list[T]:
    """What the index finds for ``query`` and the shop still holds; without a query all that it holds, without a lag."""
    if not (arguments.get("query") or "").strip():
        return list(held.values())
    try:
        keys = index.find(arguments["query"], shop.clock.monotonic())
    except SearchError as error:
        raise GraphQLError(str(error)) from error
    return [held[key] for key in keys if key in held]
