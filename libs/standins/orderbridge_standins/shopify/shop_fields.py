"""The shop, the app, and the metafield definitions between them."""

from collections.abc import Mapping
from typing import Any

from .definitions import MetafieldDefinition
from .gids import gid
from .pages import Connection
from .resolving import Arguments, access_denied, paged, resolves, shop_of
from .stock import Location


@resolves("QueryRoot", "shop")
def _the_shop(_: None, info: Any, _arguments: Arguments) -> Mapping[str, Any]:
    shop = shop_of(info)
    domain = shop.profile.domain
    return {
        "id": gid("Shop", 60_001),
        "name": domain.partition(".")[0],
        "email": "owner@orderbridge-demo.example",
        "myshopifyDomain": domain,
        "url": f"https://{domain}",
        "currencyCode": shop.profile.currency,
        "enabledPresentmentCurrencies": [shop.profile.currency],
        "ianaTimezone": "Etc/UTC",
        "taxesIncluded": False,
        "taxShipping": False,
        "weightUnit": "KILOGRAMS",
        "setupRequired": False,
        "orderNumberFormatPrefix": "#",
        "orderNumberFormatSuffix": "",
        "plan": {"publicDisplayName": "Basic", "shopifyPlus": False, "partnerDevelopment": False},
    }


@resolves("QueryRoot", "currentAppInstallation")
def _installation(_: None, info: Any, _arguments: Arguments) -> Mapping[str, Any]:
    profile = shop_of(info).profile
    return {
        "id": gid("AppInstallation", 60_002),
        "accessScopes": [{"handle": scope, "description": scope.replace("_", " ")} for scope in profile.scopes],
        "app": {"id": gid("App", 60_003), "title": "OrderBridge", "handle": "orderbridge", "apiKey": profile.client_id},
    }


@resolves("QueryRoot", "location")
def _location(_: None, info: Any, arguments: Arguments) -> Location | None:
    """Without an id the shop's primary one."""
    shop = shop_of(info)
    return shop.locations[0] if arguments.get("id") is None else shop.location(arguments["id"])


@resolves("QueryRoot", "locations")
def _locations(_: None, info: Any, arguments: Arguments) -> Connection:
    rows = (place for place in shop_of(info).locations if place.is_active or arguments["includeInactive"])
    return paged(rows, lambda place: (place.name, place.id), arguments)


@resolves("Location", "hasActiveInventory")
def _has_active_inventory(location: Location, info: Any, _arguments: Arguments) -> bool:
    return _holds_any(location, info, "on_hand")


@resolves("Location", "hasUnfulfilledOrders")
def _has_unfulfilled_orders(location: Location, info: Any, _arguments: Arguments) -> bool:
    return _holds_any(location, info, "committed")


def _holds_any(location: Location, info: Any, name: str) -> bool:
    levels = (item.levels.get(location.id) for item in info.context.shop.items.values())
    return any(level.quantity(name) for level in levels if level is not None)


@resolves("QueryRoot", "metafieldDefinitions")
def _definitions(_: None, info: Any, arguments: Arguments) -> Connection:
    asked = arguments["ownerType"], arguments.get("namespace"), arguments.get("key")
    return paged(shop_of(info).definitions.all_of(*asked), lambda definition: (definition.id,), arguments)


@resolves("Mutation", "metafieldDefinitionCreate")
def _create_definition(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop = shop_of(info)
    if not shop.settings.definition_allowed:
        raise access_denied(info.field_name, "write_orders")
    made = shop.definitions.create(arguments["definition"])
    if isinstance(made, MetafieldDefinition):
        return {"createdDefinition": made, "userErrors": []}
    return {"createdDefinition": None, "userErrors": [made]}
