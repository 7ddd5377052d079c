"""The shops of all connections, with the keys to them that the vault holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel, SecretStr, ValidationError

from ..errors import Blocked
from ..events import ConnectionChanged
from .client import Client
from .tokens import Shop

_MISSING = ("client id and secret",)

ReadSecret = Callable[[str], Awaitable[bytes | None]]
"""What the vault holds of a connection's owner, ``<connection_id>/shopify``."""


class _Secrets(BaseModel):
    client_id: str
    client_secret: SecretStr


class ShopKeys:
    """Finds a connection's shop; its secrets are read again only when they changed."""

    def __init__(self, client: Client, read: ReadSecret) -> None:
        self._client = client
        self._read = read
        self._known: dict[str, tuple[int, Shop]] = {}

    async def of(self, connection: ConnectionChanged) -> Shop:
        """The shop, with the keys to it; raises ``Blocked`` when they are not set or cannot be read."""
        name = connection.connection_id
        known = self._known.get(name)
        if known is not None and known[0] == connection.secrets_rev and known[1].domain == connection.shopify.shop:
            return known[1]
        secrets = _secrets(await self._read(f"{name}/shopify"))
        shop = Shop(name, connection.shopify.shop, secrets.client_id, secrets.client_secret.get_secret_value())
        if known is not None:
            self._client.forget(known[1])
        self._known[name] = (connection.secrets_rev, shop)
        return shop


def _secrets(stored: bytes | None) -> _Secrets:
    if stored is None:
        raise Blocked("misconfigured", "Shopify's client id and secret are not set", missing=_MISSING)
    try:
        return _Secrets.model_validate_json(stored)
    except ValidationError:
        raise Blocked("misconfigured", "Shopify's client id and secret cannot be read", missing=_MISSING) from None
