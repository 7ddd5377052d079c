"""Webhook subscriptions: making, changing, deleting and listing them."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from .definitions import UserError
from .gids import number_of
from .pages import Connection, Key
from .posting import is_this_machine
from .resolving import Arguments, paged, resolves, shop_of
from .shop import Shop
from .webhooks import Subscription, taken

_ADDRESS: Final = ("webhookSubscription", "callbackUrl")
"""Shopify's errors still name the field by which the address was given before ``uri``."""
_SCOPE_OF_TOPIC: Final[Mapping[str, str]] = {
    "INVENTORY": "read_inventory",
    "ORDERS": "read_orders",
    "PRODUCTS": "read_products",
}
_KEYS: Final[Mapping[str, Callable[[Subscription], Key]]] = {
    "CREATED_AT": lambda s: (s.created_at.isoformat(), s.id),
}
_NOT_THERE: Final = UserError("Webhook subscription does not exist", ("id",))


@resolves("Mutation", "webhookSubscriptionCreate")
def _create(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop, topic, given = shop_of(info), arguments["topic"], arguments["webhookSubscription"]
    errors = [*_topic_errors(shop, topic), *_errors(shop, topic, given, given.get("uri") or "", None)]
    if errors:
        return {"webhookSubscription": None, "userErrors": errors}
    now = shop.clock.now()
    fields = tuple(given.get("includeFields") or ())
    made = Subscription(shop.next_id(), topic, given["uri"], now, now, fields, given.get("name"))
    shop.webhooks.put(made)
    return {"webhookSubscription": made, "userErrors": []}


@resolves("Mutation", "webhookSubscriptionUpdate")
def _update(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop, given = shop_of(info), arguments["webhookSubscription"]
    found = _found(shop, arguments["id"])
    if found is None:
        return {"webhookSubscription": None, "userErrors": [_NOT_THERE]}
    errors = list(_errors(shop, found.topic, given, given.get("uri", found.uri) or "", found.id))
    if errors:
        return {"webhookSubscription": None, "userErrors": errors}
    found.uri = given.get("uri", found.uri)
    found.name = given.get("name", found.name)
    if "includeFields" in given:
        found.include_fields = tuple(given["includeFields"] or ())
    found.updated_at = shop.clock.now()
    return {"webhookSubscription": found, "userErrors": []}


@resolves("Mutation", "webhookSubscriptionDelete")
def _delete(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop = shop_of(info)
    found = _found(shop, arguments["id"])
    if found is None:
        return {"deletedWebhookSubscriptionId": None, "userErrors": [_NOT_THERE]}
    shop.webhooks.remove(found.id)
    return {"deletedWebhookSubscriptionId": found.gid, "userErrors": []}


@resolves("QueryRoot", "webhookSubscription")
def _by_id(_: None, info: Any, arguments: Arguments) -> Subscription | None:
    return _found(shop_of(info), arguments["id"])


@resolves("QueryRoot", "webhookSubscriptions")
def _all(_: None, info: Any, arguments: Arguments) -> Connection:
    topics, uri = arguments.get("topics"), arguments.get("uri")
    rows = (
        each
        for each in shop_of(info).webhooks.subscriptions.values()
        if (not topics or each.topic in topics) and uri in (None, each.uri)
    )
    return paged(rows, _KEYS.get(arguments["sortKey"], lambda s: (s.id,)), arguments)


def _found(shop: Shop, gid: str) -> Subscription | None:
    number = number_of("WebhookSubscription", gid)
    return None if number is None else shop.webhooks.subscriptions.get(number)


def _topic_errors(shop: Shop, topic: str) -> list[UserError]:
    scope = _SCOPE_OF_TOPIC.get(topic.partition("_")[0])
    if scope is None or shop.may(scope):
        return []
    message = "You cannot create a webhook subscription with the specified topic"
    return [UserError(message, ("webhookSubscription",))]


def _errors(shop: Shop, topic: str, given: Mapping[str, Any], uri: str, own: int | None) -> list[UserError]:
    """What is wrong with an address; plain http is taken to this machine only, where Shopify takes none at all."""
    if given.get("format") == "XML":
        return [UserError("Format xml is not served by this stand-in", ("webhookSubscription", "format"))]
    if not uri.strip():
        return [UserError("Address can't be blank", _ADDRESS)]
    try:
        parts = urlsplit(uri)
        port_is_fine = parts.port != 0
    except ValueError:
        return [UserError("Address is invalid", _ADDRESS)]
    if not parts.hostname or not port_is_fine:
        return [UserError("Address is invalid", _ADDRESS)]
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname)):
        return [UserError(f"Address protocol {parts.scheme}:// is not supported", _ADDRESS)]
    if taken(shop.webhooks.subscriptions.values(), topic, uri, own):
        return [UserError("Address for this topic has already been taken", _ADDRESS)]
    return []
