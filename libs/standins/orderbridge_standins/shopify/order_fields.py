"""Orders: creating, finding, reading and cancelling them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import GraphQLError

from . import fulfillments
from .definitions import UserError
from .gids import number_of
from .ledger import amazon_order_id_of
from .order_checks import TOO_MANY_ATTEMPTS
from .order_create import create_order
from .orders import FulfillmentOrder, LineItem, Metafield, Order
from .pages import Connection, Key
from .resolving import Arguments, Call, paged, resolves, searched, shop_of
from .shop import Job
from .stock import Product, Variant

_KEYS: Final[Mapping[str, Callable[[Order], Key]]] = {
    "ORDER_NUMBER": lambda o: (o.number, o.id),
    "CREATED_AT": lambda o: (o.created_at.isoformat(), o.id),
    "UPDATED_AT": lambda o: (o.updated_at.isoformat(), o.id),
    "PROCESSED_AT": lambda o: (o.processed_at.isoformat(), o.id),
}


@resolves("Mutation", "orderCreate")
def _order_create(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop, call = shop_of(info), info.context
    attempt = call.booked or shop.ledger.begin(amazon_order_id_of(arguments["order"]), call.trouble, shop.clock.now())
    call.attempts.append(attempt)
    made = _made(call, arguments)
    if isinstance(made, Order):
        attempt.outcome, attempt.order_gid = "accepted", made.gid
        return {"order": made, "userErrors": []}
    attempt.outcome, attempt.user_errors = "refused", [error.as_json() for error in made]
    return {"order": None, "userErrors": made}


def _made(call: Call, arguments: Arguments) -> Order | list[UserError]:
    if call.too_many_attempts:
        return [TOO_MANY_ATTEMPTS]
    return create_order(call.shop, arguments["order"], arguments.get("options") or {})


@resolves("QueryRoot", "order")
def _order_by_id(_: None, info: Any, arguments: Arguments) -> Order | None:
    number = number_of("Order", arguments["id"])
    return None if number is None else shop_of(info).orders.get(number)


@resolves("QueryRoot", "orderByIdentifier")
def _order_by_identifier(_: None, info: Any, arguments: Arguments) -> Order | None:
    """A keyed read, not a search: it lags only by ``lookup_lag_s``; of two holders of a value it finds the older."""
    shop, identifier = shop_of(info), arguments["identifier"]
    if "id" in identifier:
        number = number_of("Order", identifier["id"])
        return None if number is None else shop.orders.get(number)
    custom = identifier["customId"]
    namespace, key = shop.definitions.namespace(custom.get("namespace")), custom["key"]
    definition = shop.definitions.find("ORDER", namespace, key)
    if definition is None or definition.type.name != "id":
        message = "Metafield definition of type 'id' is required when using custom ids."
        raise GraphQLError(message, extensions={"code": "NOT_FOUND"})
    now = shop.clock.monotonic()
    holders = shop.holders_of(namespace, key, custom["value"])
    return next((order for order in holders if order.visible_at <= now), None)


@resolves("QueryRoot", "orders")
def _orders(_: None, info: Any, arguments: Arguments) -> Connection:
    shop = shop_of(info)
    rows = searched(shop.order_index, shop.orders, shop, arguments)
    return paged(rows, _KEYS.get(arguments["sortKey"], lambda order: (order.id,)), arguments)


@resolves("Order", "lineItems")
def _line_items(order: Order, _info: Any, arguments: Arguments) -> Connection:
    return paged(order.lines, lambda line: (line.id,), arguments)


@resolves("Order", "shippingLines")
def _shipping_lines(order: Order, _info: Any, arguments: Arguments) -> Connection:
    return paged(order.shipping, lambda line: (line.id,), arguments)


@resolves("Order", "transactions")
def _transactions(order: Order, _info: Any, arguments: Arguments) -> tuple[Any, ...]:
    return order.payments[: arguments.get("first")]


@resolves("Order", "metafield")
def _metafield(order: Order, info: Any, arguments: Arguments) -> Metafield | None:
    namespace = info.context.shop.definitions.namespace(arguments.get("namespace"))
    return order.metafield(namespace, arguments["key"])


@resolves("LineItem", "variant")
def _variant_of_line(line: LineItem, info: Any, _arguments: Arguments) -> Variant | None:
    variants: Mapping[int | None, Variant] = info.context.shop.variants
    return variants.get(line.variant_id)


@resolves("LineItem", "product")
def _product_of_line(line: LineItem, info: Any, _arguments: Arguments) -> Product | None:
    products: Mapping[int | None, Product] = info.context.shop.products
    return products.get(line.product_id)


@resolves("LineItem", "taxLines")
def _taxes_of_line(line: LineItem, _info: Any, arguments: Arguments) -> tuple[Any, ...]:
    return line.tax_lines[: arguments.get("first")]


@resolves("LineItem", "currentQuantity")
@resolves("LineItem", "unfulfilledQuantity")
def _quantity_now(line: LineItem, _info: Any, _arguments: Arguments) -> int:
    return line.quantity


@resolves("Order", "fulfillmentOrders")
def _fulfillment_orders(order: Order, info: Any, arguments: Arguments) -> Connection:
    """Only those that the app's scopes let it see: without such a scope none, and no error."""
    seen = order.fulfillment_orders if info.context.shop.may("read_merchant_managed_fulfillment_orders") else ()
    return paged(seen, lambda part: (part.id,), arguments)


@resolves("FulfillmentOrder", "lineItems")
def _lines_of_fulfillment_order(part: FulfillmentOrder, _info: Any, arguments: Arguments) -> Connection:
    return paged(part.lines, lambda line: (line.id,), arguments)


@resolves("Mutation", "fulfillmentOrderMove")
def _fulfillment_order_move(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    moved = fulfillments.move(shop_of(info), arguments["id"], arguments["newLocationId"])
    if isinstance(moved, UserError):
        return {"movedFulfillmentOrder": None, "originalFulfillmentOrder": None, "userErrors": [moved]}
    return {"movedFulfillmentOrder": moved, "originalFulfillmentOrder": moved, "userErrors": []}


@resolves("Mutation", "orderCancel")
def _order_cancel(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop = shop_of(info)
    number = number_of("Order", arguments["orderId"])
    order = None if number is None else shop.orders.get(number)
    if order is None:
        error = UserError("Order does not exist", ("orderId",), "NOT_FOUND")
    elif order.cancelled_at is not None:
        error = UserError("Order has already been cancelled", ("orderId",), "INVALID")
    else:
        job = shop.cancel(order, arguments["reason"], restock=arguments["restock"])
        return {"job": job, "orderCancelUserErrors": []}
    return {"job": None, "orderCancelUserErrors": [error]}


@resolves("QueryRoot", "job")
def _job(_: None, info: Any, arguments: Arguments) -> Job | None:
    return shop_of(info).jobs.get(arguments["id"])
