"""The shop of a connection: its credentials from the vault, Shopify's answers in the creator's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge import shopify
from orderbridge.budget import Budget
from orderbridge.errors import Blocked, OutcomeUnknown, Permanent, Refused, Throttled, Unavailable
from orderbridge.events import ConnectionChanged, ShopifyOrder
from orderbridge.shopify.answers import DEFINITION
from orderbridge.vault import Vault

from ..domain.outcomes import (
    Accepted,
    Closed,
    IdentityTaken,
    Level,
    NotSent,
    OrderRefused,
    Outcome,
    Slowed,
    Stock,
    StockRefused,
    Unanswered,
)


class _Secrets(BaseModel):
    client_id: str
    client_secret: SecretStr


class Points:
    """The budget of query points; a shop that has told nothing yet has those of the smallest plan."""

    RATE = 100.0
    """Points a second, Standard plan (shopify.dev, rate limits of 2026-10)."""
    BURST = 1000.0
    """The most that a single query may request; the bucket's true size comes with the first answer."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    async def take(self, name: str, cost: float, *, reserve: float = 0.0) -> float:
        return await self._budget.take(name, cost, reserve=reserve, rate=self.RATE, burst=self.BURST)

    async def teach(
        self, name: str, *, rate: float, burst: float, tokens: float | None, given_back: float = 0.0
    ) -> None:
        await self._budget.teach(name, rate=rate, burst=burst, tokens=tokens, given_back=given_back)


class Shops:
    """Speaks to the shops of all connections; ``deadline_s`` bounds one ``orderCreate``."""

    def __init__(self, client: shopify.Shopify, engine: AsyncEngine, vault: Vault, deadline_s: float) -> None:
        self._client = client
        self._engine = engine
        self._vault = vault
        self._deadline_s = deadline_s
        self._known: dict[str, tuple[int, shopify.Shop]] = {}

    async def _shop(self, connection: ConnectionChanged) -> shopify.Shop:
        """Read from the vault again only when the connection's secrets changed."""
        name = connection.connection_id
        known = self._known.get(name)
        if known is not None and known[0] == connection.secrets_rev and known[1].domain == connection.shopify.shop:
            return known[1]
        async with self._engine.begin() as database:
            stored = await self._vault.get(database, "connections", f"{name}/shopify")
        secrets = _read_secrets(stored)
        shop = shopify.Shop(name, connection.shopify.shop, secrets.client_id, secrets.client_secret.get_secret_value())
        if known is not None:
            self._client.forget(known[1])
        self._known[name] = (connection.secrets_rev, shop)
        return shop

    async def try_vendor(self, connection: ConnectionChanged) -> None:
        """See that nothing is missing at the shop; the metafield definition that orders are found by is made.

        Raises ``Blocked`` that names everything that is missing, not only the first.
        """
        shop = await self._shop(connection)
        missing = await self._client.check(shop)
        if DEFINITION in missing:
            missing.remove(DEFINITION)
            try:
                await self._client.ensure_definition(shop)
            except Blocked as error:
                missing += [name for name in error.missing if name not in missing]
        if missing:
            raise Blocked("misconfigured", f"{shop.domain} lacks {', '.join(missing)}", missing=tuple(missing))

    async def admit(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> None:
        await self._client.admit_create(await self._shop(connection), order_input)

    async def create(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> Outcome:
        shop = await self._shop(connection)
        try:
            made = await self._client.order_create(shop, order_input, deadline_s=self._deadline_s, admitted=True)
        except (shopify.OutOfPoints, Unavailable) as error:
            return NotSent(error.retry_after_s)
        except Throttled as error:
            return Slowed(error.retry_after_s)
        except OutcomeUnknown:
            return Unanswered()
        except Blocked as error:
            return Closed(error)
        except Refused as error:
            return OrderRefused(error.problems or (("", "", str(error)),))
        except Permanent as error:
            return OrderRefused((("", "", str(error)),))
        match made:
            case shopify.OrderAccepted():
                known = made.variant_ids or None
                return Accepted(_order(shop, made.gid, made.name), known, made.total)
            case shopify.StockRefused():
                return StockRefused()
            case shopify.IdentityTaken():
                return IdentityTaken()
            case shopify.OrderRefused():
                return OrderRefused(made.problems)

    async def find(self, connection: ConnectionChanged, amazon_order_id: str) -> ShopifyOrder | None:
        shop = await self._shop(connection)
        found = await self._client.order_by_amazon_id(shop, amazon_order_id)
        return _order(shop, found.gid, found.name) if found else None

    async def stock(self, connection: ConnectionChanged, variant_ids: Iterable[str]) -> Mapping[str, Stock]:
        found = await self._client.stock_of(await self._shop(connection), list(variant_ids))
        return {
            variant_id: Stock(
                limited=stock.tracked and stock.policy != "CONTINUE",
                levels=tuple(
                    Level(level.location, level.active and level.fulfils_online, level.available)
                    for level in stock.levels
                ),
            )
            for variant_id, stock in found.items()
        }


def _read_secrets(stored: bytes | None) -> _Secrets:
    if stored is None:
        raise Blocked("misconfigured", "Shopify's client id and secret are not set", missing=("client id and secret",))
    try:
        return _Secrets.model_validate_json(stored)
    except ValidationError:
        raise Blocked(
            "misconfigured", "Shopify's client id and secret cannot be read", missing=("client id and secret",)
        ) from None


def _order(shop: shopify.Shop, gid: str, name: str | None) -> ShopifyOrder:
    return ShopifyOrder(order_id=gid, name=name, admin_url=shopify.admin_url(shop.domain, gid))
