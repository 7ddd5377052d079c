"""Orders as Amazon sends them are stored and published; one that cannot be taken is parked alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from orderbridge.errors import Transient
from orderbridge.ids import order_id_of
from orderbridge.shopify.order_input import PersonalData
from orderbridge.step.parking import Parcel, described

from ..domain.disposition import Policy
from ..domain.orders import ReadOrder, UnreadableOrder, body_of
from ..domain.versions import is_older, take_named_version, take_version
from ..ports import AMAZON, Transactions, Unit

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Taken:
    """What became of some orders, by number."""

    published: int = 0
    parked: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.published + other.published, self.parked + other.parked)


async def take_page(
    store: Transactions,
    may_pass: Callable[[BaseException], bool],
    connection_id: str,
    orders: Sequence[ReadOrder | UnreadableOrder],
    keep: Callable[[Unit, Taken], Awaitable[None]],
    *,
    named: bool = False,
) -> Taken:
    """The orders, and what ``keep`` stores with them, in one transaction; if one fails it, order by order.

    ``may_pass`` tells which errors of the database may not come again.
    """
    readable = [order for order in orders if isinstance(order, ReadOrder)]
    unreadable = [order for order in orders if isinstance(order, UnreadableOrder)]
    take = take_orders
    while True:
        try:
            async with store.transaction() as unit:
                taken = await take(connection_id, readable, unit, named=named)
                taken += await park_orders(connection_id, unreadable, unit)
                await keep(unit, taken)
            return taken
        except Exception as error:
            if isinstance(error, Transient) or may_pass(error) or take is take_one_by_one:
                raise
            log.warning("page failed, taking it order by order", connection_id=connection_id, why=described(error))
            take = take_one_by_one


async def take_orders(connection_id: str, orders: Sequence[ReadOrder], unit: Unit, *, named: bool = False) -> Taken:
    """All of them, or the error that one of them causes; ``named``: a back-fill takes them in.

    An older version than the one known changes nothing but what is decided of it anew for being named.
    """
    newest: dict[str, ReadOrder] = {}
    for order in orders:
        order_id: str = order_id_of(connection_id, order.amazon_order_id)
        if order_id not in newest or not _is_before(order, newest[order_id]):
            newest[order_id] = order
    if not newest:
        return Taken()
    policy = await unit.policy_of(connection_id)
    known = await unit.lock_orders(connection_id, newest)
    stored = await unit.personal_data(newest)
    current, changes = [], []
    for order_id, order in newest.items():
        older = is_older(order.snapshot, known[order_id])
        if not older:
            current.append(order_id)
        version = (known[order_id], order.snapshot, order.personal)
        vaulted = PersonalData.from_bytes(stored[order_id]) if order_id in stored else None
        change = None
        if named:
            change = take_named_version(*version, vaulted, policy, unit.now, None, backfilled=True)
        elif not older:
            change = take_version(*version, vaulted, policy, unit.now)
        if change is not None:
            changes.append(change)
    await unit.supersede(current)
    await unit.record(changes)
    await unit.note_read(newest)
    return Taken(published=sum(change.published for change in changes))


def _is_before(order: ReadOrder, other: ReadOrder) -> bool:
    return order.snapshot.last_updated_at < other.snapshot.last_updated_at


async def take_named(
    connection_id: str, order: ReadOrder, command_ids: Sequence[str], policy: Policy | None, unit: Unit
) -> None:
    """An order that was asked for: each command gets an import that names it, whether there is news or not."""
    order_id: str = order_id_of(connection_id, order.amazon_order_id)
    known = (await unit.lock_orders(connection_id, [order_id]))[order_id]
    stored = (await unit.personal_data([order_id])).get(order_id)
    vaulted = PersonalData.from_bytes(stored) if stored is not None else None
    if not is_older(order.snapshot, known):
        await unit.supersede([order_id])
    named: Sequence[str | None] = command_ids or (None,)
    for command_id in named:
        change = take_named_version(known, order.snapshot, order.personal, vaulted, policy, unit.now, command_id)
        if change is not None:
            await unit.record([change])
            known, vaulted = change.known, change.personal or vaulted
    await unit.note_read([order_id])


async def tried(order: ReadOrder, take: Callable[[], Awaitable[T]], unit: Unit) -> T | UnreadableOrder:
    """Take it whole; what the database refuses, or fails by a bug, is undone and counts as unreadable."""
    try:
        async with unit.attempt():
            return await take()
    except Exception as error:  # whatever is wrong with one order, the others go on
        if isinstance(error, Transient):
            raise
        return UnreadableOrder(order.amazon_order_id, described(error), order.raw)


async def take_one_by_one(connection_id: str, orders: Iterable[ReadOrder], unit: Unit, *, named: bool = False) -> Taken:
    """Each alone; one that cannot be taken is parked."""
    taken = Taken()
    for order in orders:
        came = await tried(order, partial(take_orders, connection_id, [order], unit, named=named), unit)
        taken += came if isinstance(came, Taken) else await park_orders(connection_id, [came], unit)
    return taken


async def park_orders(connection_id: str, orders: Sequence[UnreadableOrder], unit: Unit) -> Taken:
    """Park what is not parked already with the same body: windows overlap, so an order comes several times."""
    if not orders:
        return Taken()
    ids = [order_id_of(connection_id, order.amazon_order_id) for order in orders if order.amazon_order_id]
    there = {(parked.order_id, parked.body) for parked in await unit.parked_of(connection_id, ids)}
    parked = 0
    for order in orders:
        order_id = order_id_of(connection_id, order.amazon_order_id) if order.amazon_order_id else None
        body = body_of(order.raw)
        if (order_id, body) in there:
            continue
        await unit.park(
            Parcel(
                origin=AMAZON,
                body=body,
                reason=order.why,
                order_id=order_id,
                connection_id=connection_id,
                key=order_id or connection_id,
                message_source="ingestor",
            )
        )
        there.add((order_id, body))
        parked += 1
        log.error("order parked", connection_id=connection_id, order_id=order_id, why=order.why)
    return Taken(parked=parked)
