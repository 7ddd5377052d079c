"""Whether a shop is set up as we need it, and the one thing that we set up ourselves: the metafield definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import Blocked
from .answers import DEFINITION
from .client import Client
from .tokens import Shop

NAMESPACE: Final = "$app"
KEY: Final = "amazon_order_id"
SCOPES: Final = ("write_orders", "read_orders", "read_products", "read_inventory", "read_locations")
"""What the road needs; ``write_x`` includes ``read_x``."""
CHECK_COST: Final = 10
CREATE_COST: Final = 10


class ShopSetup(Client):
    async def check(self, shop: Shop, *, also: tuple[str, ...] = ()) -> list[str]:
        """What is missing at the shop, in words for a person; empty when it is ready for orders.

        ``also`` are scopes that the connection's settings need beside those that every road needs.

        :raises Blocked: unauthorized, or no such shop.
        """
        scopes, definition = await self._read_setup(shop)
        missing = [f"scope {scope}" for scope in (*SCOPES, *also) if not _granted(scope, scopes)]
        if not _is_ours(definition):
            missing.append(DEFINITION)
        return missing

    async def ensure_definition(self, shop: Shop) -> None:
        """Make the order metafield definition that a created order is found by; one that is there is accepted.

        :raises Blocked: misconfigured, naming the definition, when Shopify refuses or one of another type is there.
        """
        _, definition = await self._read_setup(shop)
        if definition is None:
            await self._create_definition(shop)
        else:
            _require_ours(shop, definition)

    async def _create_definition(self, shop: Shop) -> None:
        definition = {"name": "Amazon order id", "namespace": NAMESPACE, "key": KEY, "type": "id", "ownerType": "ORDER"}
        try:
            data = await self.execute(shop, "metafield_definition_create", {"definition": definition}, cost=CREATE_COST)
        except Blocked as error:
            if error.state == "unauthorized":
                raise
            raise Blocked(error.state, str(error), missing=(DEFINITION, *error.missing)) from None
        answer = data.get("metafieldDefinitionCreate") or {}
        errors = [error for error in answer.get("userErrors") or () if isinstance(error, Mapping)]
        if any(error.get("code") == "TAKEN" for error in errors):  # somebody was faster; is it the same?
            _, existing = await self._read_setup(shop)
            _require_ours(shop, existing)
        elif errors:
            said = str(errors[0].get("message", ""))
            raise Blocked(
                "misconfigured", f"{shop.domain} refused the metafield definition: {said}", missing=(DEFINITION,)
            )

    async def _read_setup(self, shop: Shop) -> tuple[frozenset[str], Mapping[str, Any] | None]:
        data = await self.execute(shop, "shop_check", {"namespace": NAMESPACE, "key": KEY}, cost=CHECK_COST)
        installation = data.get("currentAppInstallation") or {}
        scopes = frozenset(str(scope.get("handle")) for scope in installation.get("accessScopes") or ())
        nodes = (data.get("metafieldDefinitions") or {}).get("nodes") or ()
        return scopes, next((node for node in nodes if node.get("key", KEY) == KEY), None)


def _granted(scope: str, scopes: frozenset[str]) -> bool:
    return scope in scopes or scope.replace("read_", "write_", 1) in scopes


def _require_ours(shop: Shop, definition: Mapping[str, Any] | None) -> None:
    if not _is_ours(definition):
        message = f"{shop.domain} has a metafield definition {NAMESPACE}/{KEY} of another type"
        raise Blocked("misconfigured", message, missing=(DEFINITION,))


def _is_ours(definition: Mapping[str, Any] | None) -> bool:
    return definition is not None and (definition.get("type") or {}).get("name") == "id"
