"""Looking into a connection's shop while somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from orderbridge.errors import Blocked, Permanent, Throttled, Transient
from orderbridge.events import ConnectionChanged

from ..domain.problems import Problem, not_found, unusable
from ..domain.variants import Checked, FoundVariant, VariantsFound
from .desk import Desk

log = structlog.get_logger(__name__)

_SKUS_A_CALL = 50
_PAUSE_S = 1.0


async def search_variants(desk: Desk, connection_id: str, words: str) -> VariantsFound:
    """The shop's products as they are now; a 409 when the connection is blocked, a 503 when the shop is away."""
    connection = await named_connection(desk, connection_id)
    try:
        found = await desk.shops.search(connection, words)
    except Blocked as error:
        raise Problem(
            409,
            f"connection_{error.state}",
            f"The shop of the connection {connection_id} does not let us in: {error}.",
            remedy=f"Mend what GET /v1/connections/{connection_id} names.",
        ) from None
    except Transient as error:
        log.warning("a search in a shop waits", connection_id=connection_id, why=str(error))
        raise Problem(
            503,
            "shop_unavailable",
            f"The shop of the connection {connection_id} does not answer now.",
            remedy="Try again in a moment.",
        ) from None
    return VariantsFound(items=tuple(found))


async def look_up(desk: Desk, connection: ConnectionChanged, skus: Sequence[str]) -> Checked:
    """Who has these SKUs now, the first of them first, as far as the desk's patience goes; never raises the shop's
    trouble: what could not be asked for is said to be so."""
    wanted = list(dict.fromkeys(skus))
    found: dict[str, list[FoundVariant]] = {}
    unchecked = None
    try:
        async with asyncio.timeout(desk.look_up_s):
            for start in range(0, len(wanted), _SKUS_A_CALL):
                found |= await _ask(desk, connection, wanted[start : start + _SKUS_A_CALL])
    except TimeoutError:
        unchecked = f"the shop gives no more answers in {desk.look_up_s:.0f} s"
    except Blocked as error:
        unchecked = f"the connection is {error.state}"
    except (Transient, Permanent) as error:
        unchecked = "the shop does not answer now"
        log.warning("mapping targets are not checked", connection_id=connection.connection_id, why=str(error))
    return Checked(found, connection.settings.match_drafts, unchecked)


async def _ask(desk: Desk, connection: ConnectionChanged, skus: list[str]) -> dict[str, list[FoundVariant]]:
    while True:
        try:
            return await desk.shops.with_skus(connection, skus)
        except Throttled as error:
            await asyncio.sleep(error.retry_after_s or _PAUSE_S)


async def known_connection(desk: Desk, connection_id: str) -> ConnectionChanged:
    """A connection that the address names; else a 404."""
    if (found := await _connection(desk, connection_id)) is None:
        raise not_found("connection", connection_id)
    return found


async def named_connection(desk: Desk, connection_id: str) -> ConnectionChanged:
    """A connection that the query names; else a 422."""
    if (found := await _connection(desk, connection_id)) is None:
        raise unusable(
            "connection",
            connection_id,
            f"There is no connection {connection_id}.",
            "Name one that GET /v1/connections lists.",
        )
    return found


async def _connection(desk: Desk, connection_id: str) -> ConnectionChanged | None:
    async with desk.store.transaction() as unit:
        stored = await unit.stored_connection(connection_id)
    return stored.changed if stored else None
