"""The shop of a connection: its credentials from the vault, its variants in the matcher's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge import shopify
from orderbridge.budget import Budget
from orderbridge.errors import Blocked
from orderbridge.events import ConnectionChanged
from orderbridge.vault import Vault

from ..domain.catalogue import Entry, Page

NEEDED = ("scope read_products",)
"""Of what the shop's check may find missing, what the matcher cannot do without."""


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
    """Reads the variants of all connections' shops."""

    def __init__(self, client: shopify.Shopify, engine: AsyncEngine, vault: Vault) -> None:
        self._client = client
        self._engine = engine
        self._vault = vault
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
        """See that the shop lets us read its products."""
        shop = await self._shop(connection)
        missing = tuple(lack for lack in await self._client.check(shop) if lack in NEEDED)
        if missing:
            raise Blocked("misconfigured", f"{shop.domain} lacks {', '.join(missing)}", missing=missing)

    async def page(self, connection: ConnectionChanged, after: str | None, since: datetime | None) -> Page:
        page = await self._client.variants_page(await self._shop(connection), after, updated_since=since)
        return Page(tuple(_entries(page.variants)), page.next, page.newest)

    async def with_skus(self, connection: ConnectionChanged, skus: Collection[str]) -> list[Entry]:
        found = await self._client.find_by_sku(await self._shop(connection), list(skus))
        return _entries(variant for variants in found.values() for variant in variants)

    async def with_ids(self, connection: ConnectionChanged, variant_ids: Collection[str]) -> list[Entry]:
        found = await self._client.variants_by_id(await self._shop(connection), list(variant_ids))
        return _entries(found.values())


def _read_secrets(stored: bytes | None) -> _Secrets:
    lacking = ("client id and secret",)
    if stored is None:
        raise Blocked("misconfigured", "Shopify's client id and secret are not set", missing=lacking)
    try:
        return _Secrets.model_validate_json(stored)
    except ValidationError:
        raise Blocked("misconfigured", "Shopify's client id and secret cannot be read", missing=lacking) from None


def _entries(variants: Iterable[shopify.Variant]) -> list[Entry]:
    return [
        Entry(
            variant_id=variant.variant_id,
            product_id=variant.product_id,
            sku=_storable(variant.sku or "").strip() or None,
            title=_storable(variant.title),
            product_title=_storable(variant.product_title),
            status=variant.status,
            updated_at=variant.updated_at,
        )
        for variant in variants
    ]


def _storable(text: str) -> str:
    """PostgreSQL takes every character but NUL; one odd title must not stop a whole catalogue."""
    return text.replace("\0", "")
