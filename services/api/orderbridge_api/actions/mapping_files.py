"""The mapping table as a file: all of a connection's out, and in, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from orderbridge.events import ConnectionChanged

from ..domain.mapping_csv import CsvRead, read_csv, write_header, write_mapping
from ..domain.mapping_imports import Changes, ImportOutcome, changes_of, refused
from ..domain.mappings import MappingFilter, StoredMapping, Wanted, freed_by, revised
from ..domain.variants import Checked
from ..ports import Unit
from .desk import Answer, Caller, Desk, Once, answered, once_only
from .looking import look_up, named_connection
from .mappings import hold_mappings, put_mappings

_PAGE = 1000


async def export_mappings(desk: Desk, connection_id: str) -> AsyncIterator[str]:
    """The file in pieces. What is wrong shows before the first of them."""
    await named_connection(desk, connection_id)
    first = await _page(desk, connection_id, "")
    return _pieces(desk, connection_id, first)


async def _pieces(desk: Desk, connection_id: str, page: list[StoredMapping]) -> AsyncIterator[str]:
    yield write_header()
    while page:
        yield "".join(write_mapping(stored.mapping) for stored in page)
        page = await _page(desk, connection_id, page[-1].mapping.amazon_sku) if len(page) == _PAGE else []


async def _page(desk: Desk, connection_id: str, after: str) -> list[StoredMapping]:
    async with desk.store.transaction() as unit:
        return await unit.list_mappings(MappingFilter((connection_id,)), (connection_id, after), _PAGE)


async def import_mappings(
    desk: Desk, caller: Caller, connection_id: str, body: bytes, preview: bool, once: Once | None
) -> Answer:
    """Take in all mappings of the file, or none and name every error; with ``preview`` only say what that would do."""
    connection = await named_connection(desk, connection_id)
    # Reading a large file takes a while, in which the rest of the service goes on.
    read = await asyncio.to_thread(read_csv, body)
    if read.errors and not preview:
        raise refused(read.errors)
    checked = await _check(desk, connection, read.wanted)
    skus = [each.amazon_sku for each in read.wanted]
    if preview:
        async with desk.store.transaction() as unit:
            changes = changes_of(read.wanted, await unit.stored_mappings(connection_id, skus))
            return answered(200, await _outcome(unit, connection_id, read, changes, checked, preview=True))

    async def act(unit: Unit) -> Answer:
        before = await hold_mappings(unit, connection_id, skus)
        changes = changes_of(read.wanted, before)
        await put_mappings(
            unit,
            [revised(each, before.get(each.amazon_sku), connection_id, caller.name, unit.now) for each in changes.all],
        )
        return answered(200, await _outcome(unit, connection_id, read, changes, checked, preview=False))

    return await once_only(desk, caller, once, act)


async def _check(desk: Desk, connection: ConnectionChanged, wanted: Sequence[Wanted]) -> Checked:
    """Ask the shop for the targets of what would change: first of those that orders wait for, as time may run out."""
    name, skus = connection.connection_id, [each.amazon_sku for each in wanted]
    async with desk.store.transaction() as unit:
        changes = changes_of(wanted, await unit.stored_mappings(name, skus)).all
        awaited = await unit.skus_holding_orders(name, [each.amazon_sku for each in changes])
    ordered = sorted(changes, key=lambda each: each.amazon_sku not in awaited)
    return await look_up(desk, connection, _targets(ordered))


async def _outcome(
    unit: Unit, connection_id: str, read: CsvRead, changes: Changes, checked: Checked, *, preview: bool
) -> ImportOutcome:
    freed = freed_by(changes.all, checked)
    return ImportOutcome(
        preview=preview,
        rows=read.rows,
        mappings=len(read.wanted),
        new=len(changes.new),
        changed=len(changes.changed),
        unchanged=changes.unchanged,
        waiting_orders=await unit.count_freed(connection_id, freed) if freed else 0,
        errors=read.errors,
        warnings=tuple(checked.warnings(_targets(changes.all))),
    )


def _targets(wanted: Sequence[Wanted]) -> list[str]:
    return [sku for each in wanted for sku in each.shopify_skus]
