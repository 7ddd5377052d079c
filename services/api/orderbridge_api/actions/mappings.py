"""SKU mappings: listed, read, written and removed one by one. A change frees the orders that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from orderbridge.topics import SKU_MAPPINGS

from ..domain.mappings import (
    MappingBody,
    MappingFilter,
    MappingPage,
    MappingResource,
    StoredMapping,
    freed_by,
    removed,
    revised,
    saved,
    shown,
    sku_mistake,
    verdict_on,
)
from ..domain.paging import Position, cursor_of, page_of
from ..domain.problems import Problem, not_found, unusable
from ..ports import Unit
from .desk import Answer, Caller, Desk, Once, answered, once_only
from .looking import known_connection, look_up

_SORT = "amazon_sku"
_AT_ONCE = 2000
"""So that a large file does not keep the rest of the service waiting for long."""


async def list_mappings(desk: Desk, asked: MappingFilter, limit: int, cursor: str | None) -> MappingPage:
    """By connection and Amazon SKU."""
    page = page_of(_SORT, limit, cursor)
    connection, _, sku = page.after.id.partition(":") if page.after else ("", "", "")
    async with desk.store.transaction() as unit:
        found = await unit.list_mappings(asked, (connection, sku), limit + 1)
    items = tuple(map(shown, found[:limit]))
    more = len(found) > limit
    following = Position(None, f"{items[-1].connection_id}:{items[-1].amazon_sku}") if more else None
    return MappingPage(items=items, next=cursor_of(_SORT, following) if following else None)


async def get_mapping(desk: Desk, connection_id: str, amazon_sku: str) -> MappingResource:
    sku = amazon_sku.strip()
    if sku_mistake(sku) is not None:
        raise _no_mapping(sku)
    async with desk.store.transaction() as unit:
        found = (await unit.stored_mappings(connection_id, [sku])).get(sku)
    if found is None or found.deleted:
        raise _no_mapping(sku)
    return shown(found)


async def put_mapping(
    desk: Desk, caller: Caller, connection_id: str, amazon_sku: str, body: MappingBody, once: Once | None
) -> Answer:
    """Say what an Amazon SKU is; the same once more changes nothing. The shop is asked for the targets before."""
    sku = amazon_sku.strip()
    if (mistake := sku_mistake(sku)) is not None:
        raise unusable("amazon_sku", sku[:200], mistake, "Correct the SKU in the address.")
    wanted = body.wanted(sku)
    checked = await look_up(desk, await known_connection(desk, connection_id), wanted.shopify_skus)
    warnings = checked.warnings(wanted.shopify_skus)

    async def act(unit: Unit) -> Answer:
        before = (await hold_mappings(unit, connection_id, [sku])).get(sku)
        verdict = verdict_on(wanted, before)
        if before is not None and verdict == "unchanged":
            return answered(200, saved(before, 0, warnings))
        stored = revised(wanted, before, connection_id, caller.name, unit.now)
        await put_mappings(unit, [stored])
        freed = freed_by([wanted], checked)
        waiting = await unit.count_freed(connection_id, freed) if freed else 0
        location = f"/v1/sku-mappings/{connection_id}/{quote(sku, safe='')}" if verdict == "new" else None
        return answered(201 if verdict == "new" else 200, saved(stored, waiting, warnings), location)

    return await once_only(desk, caller, once, act)


async def delete_mapping(desk: Desk, caller: Caller, connection_id: str, amazon_sku: str, once: Once | None) -> Answer:
    """Answers with what was removed; the orders that it matched are matched anew without it."""
    sku = amazon_sku.strip()
    if sku_mistake(sku) is not None:
        raise _no_mapping(sku)

    async def act(unit: Unit) -> Answer:
        before = (await hold_mappings(unit, connection_id, [sku])).get(sku)
        if before is None or before.deleted:
            raise _no_mapping(sku)
        await put_mappings(unit, [removed(before, caller.name, unit.now)])
        return answered(200, shown(before))

    return await once_only(desk, caller, once, act)


async def hold_mappings(unit: Unit, connection_id: str, skus: Sequence[str]) -> dict[str, StoredMapping]:
    """The mappings of these SKUs, which nobody else changes until the transaction ends."""
    if await unit.hold_connection(connection_id) is None:
        raise not_found("connection", connection_id)
    return await unit.stored_mappings(connection_id, skus)


async def put_mappings(unit: Unit, stored: Sequence[StoredMapping]) -> None:
    for start in range(0, len(stored), _AT_ONCE):
        part = stored[start : start + _AT_ONCE]
        await unit.put_mappings(part)
        for each in part:
            publish_mapping(unit, each)


def publish_mapping(unit: Unit, stored: StoredMapping) -> None:
    """A deletion is a tombstone with the number of its revision."""
    mapping = stored.mapping
    key = f"{mapping.connection_id}:{mapping.amazon_sku}"
    unit.publish(SKU_MAPPINGS, key, mapping.rev, None if stored.deleted else mapping)


def _no_mapping(sku: str) -> Problem:
    return not_found("mapping of", sku[:100] or "an empty SKU")
