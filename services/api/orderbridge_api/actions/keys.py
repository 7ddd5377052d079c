"""API keys: only their SHA-256 is stored. A key is long and random, so that a plain hash is enough."""

from __future__ import annotations

import hashlib
import hmac

from .desk import Caller, Desk


async def identify(desk: Desk, key: str) -> Caller | None:
    """Whose key it is; every stored hash is compared, in constant time."""
    presented = hashlib.sha256(key.encode()).hexdigest()
    async with desk.store.transaction() as unit:
        keys = await unit.api_keys()
    found = None
    for stored, caller in keys:
        if hmac.compare_digest(presented, stored):
            found = caller
    return found


async def install_admin_key(desk: Desk, key: str) -> None:
    """The admin key of the environment opens; the one it replaces does no longer."""
    async with desk.store.transaction() as unit:
        await unit.set_key("admin", "admin", hashlib.sha256(key.encode()).hexdigest())
