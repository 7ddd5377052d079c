"""Connections: made, changed, read and tested. A secret goes to the vault and comes back as a date only."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import ConnectionChanged, ConnectionStatus
from orderbridge.topics import CONNECTIONS

from ..domain.connections import (
    WORKERS,
    ConnectionBody,
    ConnectionPage,
    ConnectionResource,
    ConnectionTested,
    NewConnectionBody,
    StoredConnection,
    answers_to,
    checked,
    shown,
)
from ..domain.problems import Problem, not_found, unusable
from ..domain.webhooks import retired
from ..ports import Unit
from .desk import Answer, Caller, Desk, Once, answered, once_only
from .webhooks import subscribe

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.2


async def list_connections(desk: Desk, limit: int, cursor: str | None) -> ConnectionPage:
    """By id; the cursor is the last id."""
    async with desk.store.transaction() as unit:
        found = await unit.stored_connections(cursor or "", limit + 1)
        statuses = await unit.statuses_of([stored.changed.connection_id for stored in found])
    items = tuple(shown(stored, statuses[stored.changed.connection_id]) for stored in found[:limit])
    return ConnectionPage(items=items, next=items[-1].connection_id if len(found) > limit else None)


async def get_connection(desk: Desk, connection_id: str) -> ConnectionResource:
    async with desk.store.transaction() as unit:
        stored = await unit.stored_connection(connection_id)
        if stored is None:
            raise not_found("connection", connection_id)
        return shown(stored, (await unit.statuses_of([connection_id]))[connection_id])


async def create_connection(desk: Desk, caller: Caller, body: NewConnectionBody, once: Once | None) -> Answer:
    """Store it, secrets in the vault, and tell the workers, who try their vendors at once."""
    checked(body)

    async def act(unit: Unit) -> Answer:
        removed = await unit.hold_removed(body.connection_id)
        before = (removed.changed.rev, removed.changed.check, removed.changed.secrets_rev) if removed else (0, 0, 0)
        rev, check, secrets_rev = (number + 1 for number in before)
        stored = StoredConnection(
            _event(
                body,
                body.connection_id,
                rev=rev,
                check=check,
                secrets_rev=secrets_rev,
                added_at=unit.now,
                at=unit.now,
            ),
            body.amazon.client_id,
            body.shopify.client_id,
            {},
        )
        dates = await _put_secrets(stored, body, unit)
        stored = StoredConnection(stored.changed, stored.amazon_client_id, stored.shopify_client_id, dates)
        if not await unit.add_connection(stored):
            raise Problem(
                409,
                "connection_exists",
                f"There is a connection {body.connection_id} already.",
                remedy=f"Change it with PUT /v1/connections/{body.connection_id}, or choose another id.",
            )
        _publish(stored.changed, unit)
        subscribe(desk, body.connection_id, unit)
        return answered(201, shown(stored, {}), f"/v1/connections/{body.connection_id}")

    return await once_only(desk, caller, once, act)


async def put_connection(desk: Desk, connection_id: str, body: ConnectionBody) -> ConnectionResource:
    """Replace the settings; a secret that is left out is kept. A changed one is tried by the workers at once."""
    checked(body)
    if body.connection_id not in (None, connection_id):
        raise unusable(
            "connection_id", body.connection_id, "The path names another connection.", "Leave it out of the body."
        )
    async with desk.store.transaction() as unit:
        before = await unit.hold_connection(connection_id)
        if before is None:
            raise not_found("connection", connection_id)
        dates = await _put_secrets(before, body, unit)
        renewed = (
            dates != before.secrets_changed_at
            or body.amazon.client_id != before.amazon_client_id
            or body.shopify.client_id != before.shopify_client_id
        )
        changed = _event(
            body,
            connection_id,
            rev=before.changed.rev + 1,
            check=before.changed.check + renewed,
            secrets_rev=before.changed.secrets_rev + renewed,
            added_at=before.changed.added_at,
            at=unit.now,
        )
        stored = StoredConnection(changed, body.amazon.client_id, body.shopify.client_id, dates)
        await unit.put_connection(stored)
        _publish(changed, unit)
        subscribe(desk, connection_id, unit)
        return shown(stored, (await unit.statuses_of([connection_id]))[connection_id])


async def remove_connection(desk: Desk, connection_id: str) -> None:
    """Its workers stop, its secrets are gone, its orders say so; what is known of them stays.

    A 409 ``Problem`` while orders of it hold stock: nobody could give that back afterwards.
    """
    async with desk.store.transaction() as unit:
        before = await unit.hold_connection(connection_id)
        if before is None:
            raise not_found("connection", connection_id)
        if held := await unit.count_holding_stock(connection_id):
            raise Problem(
                409,
                "stock_is_held",
                f"Orders of the connection {connection_id} hold stock in its shop: {held}.",
                remedy="Switch hold_stock_while_pending off, wait until the stock is released, then remove it.",
            )
        changed = before.changed.model_copy(update={"rev": before.changed.rev + 1, "at": unit.now})
        await unit.remove_connection(StoredConnection(changed, before.amazon_client_id, before.shopify_client_id, {}))
        unit.publish(CONNECTIONS, connection_id, changed.rev, None)
    log.info("connection removed", connection_id=connection_id)


async def test_connection(desk: Desk, connection_id: str) -> ConnectionTested:
    """Ask each worker to try its vendor, and wait for their answers, as long as the desk waits."""
    async with desk.store.transaction() as unit:
        before = await unit.hold_connection(connection_id)
        if before is None:
            raise not_found("connection", connection_id)
        changed = before.changed.model_copy(
            update={"rev": before.changed.rev + 1, "check": before.changed.check + 1, "at": unit.now}
        )
        await unit.put_connection(
            StoredConnection(changed, before.amazon_client_id, before.shopify_client_id, before.secrets_changed_at)
        )
        _publish(changed, unit)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + desk.test_wait_s
    while True:
        statuses = await _statuses(desk, connection_id)
        answers = [statuses[worker].check >= changed.check for worker in WORKERS if worker in statuses]
        if (len(answers) == len(WORKERS) and all(answers)) or loop.time() >= deadline:
            return answers_to(statuses, changed.check)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _statuses(desk: Desk, connection_id: str) -> dict[str, ConnectionStatus]:
    async with desk.store.transaction() as unit:
        return (await unit.statuses_of([connection_id]))[connection_id]


async def _put_secrets(before: StoredConnection, body: ConnectionBody, unit: Unit) -> dict[str, datetime]:
    """Write what is new to the vault; returns when each secret last changed."""
    dates = dict(before.secrets_changed_at)
    connection_id = before.changed.connection_id
    given = {
        "amazon": {
            "client_id": body.amazon.client_id,
            "client_secret": body.amazon.client_secret,
            "refresh_token": body.amazon.refresh_token,
        },
        "shopify": {"client_id": body.shopify.client_id, "client_secret": body.shopify.client_secret},
    }
    for vendor, fields in given.items():
        kept = await unit.secrets_of(connection_id, vendor)
        wanted = dict(kept)
        for name, value in fields.items():
            if value is None:
                continue
            plain = value if isinstance(value, str) else value.get_secret_value()
            secret = f"{vendor}.{name}"
            if name != "client_id" and (kept.get(name) != plain or secret not in dates):
                dates[secret] = unit.now
            if (vendor, name) == ("shopify", "client_secret") and kept.get(name) != plain:
                # Shopify signs its webhooks with the old one for some time.
                wanted |= retired(kept, unit.now)
            wanted[name] = plain
        if wanted != kept:
            await unit.put_secrets(connection_id, vendor, wanted)
    return dates


def _event(
    body: ConnectionBody,
    connection_id: str,
    *,
    rev: int,
    check: int,
    secrets_rev: int,
    added_at: datetime,
    at: datetime,
) -> ConnectionChanged:
    return ConnectionChanged(
        connection_id=connection_id,
        rev=rev,
        check=check,
        secrets_rev=secrets_rev,
        amazon=AmazonAccount(
            region=body.amazon.region,
            seller_id=body.amazon.seller_id,
            marketplace_ids=body.amazon.marketplace_ids,
        ),
        shopify=ShopifyAccount(shop=body.shopify.shop),
        settings=ConnectionSettings.model_validate(body.settings.model_dump()),
        added_at=added_at,
        at=at,
    )


def _publish(changed: ConnectionChanged, unit: Unit) -> None:
    unit.publish(CONNECTIONS, changed.connection_id, changed.rev, changed)
