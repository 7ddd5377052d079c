"""Asking Shopify for the SKUs of one order, and deciding it by what came.

Orders of a connection take turns, and each asks for what the others wait for, too: so Shopify is asked once for a SKU,
and the others find the answer. A command asks for itself: it wants what is true now.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import structlog

from orderbridge.errors import Permanent
from orderbridge.events import ConnectionChanged
from orderbridge.step.unit import DueRow

from ..domain import reasons
from ..domain.catalogue import Entry
from ..domain.matching import LookUp, match_order
from ..domain.order import OpenCommand, Order, refusal
from ..domain.reading import Progress
from ..domain.rules import sku_of
from ..domain.shelf import Shelf, sells
from ..ports import Shopify, Transactions, Unit
from .catalogue import take_entries
from .deciding import decide
from .shelving import shelves_for

SKUS_AT_ONCE = 50
"""As many as one search of Shopify's takes (``facts``: catalogue lookup by SKU)."""
LOADING_S = 1.0
"""How soon to look again whether the first load is complete: until then the order stays undecided."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Question:
    """What to ask of Shopify: variants by SKU, and by the ids of those that are known to have such a SKU."""

    connection: ConnectionChanged
    skus: frozenset[str]
    variant_ids: frozenset[str]
    commands: tuple[OpenCommand, ...]


@dataclass(frozen=True)
class _Answer:
    entries: tuple[Entry, ...] = ()
    gone: frozenset[str] = frozenset()


class Looking:
    """Due work of kind ``look_up``."""

    def __init__(self, store: Transactions, shopify: Shopify) -> None:
        self._store = store
        self._shopify = shopify
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look_up(self, row: DueRow) -> None:
        """Ask, keep the answer, decide; commands that were open when it was asked get their facts."""
        async with self._store.transaction() as unit:
            commanded = bool(await unit.open_commands([row.key]))
        async with nullcontext() if commanded else self._turn(row.connection_id):
            async with self._store.transaction() as unit:
                question = await self._question(unit, row)
            if question is None:
                return
            answer = await self._ask(question)
            async with self._store.transaction() as unit:
                await self._conclude(unit, row, question, answer)

    def _turn(self, connection_id: str) -> AbstractAsyncContextManager[None]:
        return self._turns[connection_id]

    async def _question(self, unit: Unit, row: DueRow) -> _Question | None:
        """None when there is nothing to decide now."""
        connection = await unit.connection_settings(row.connection_id)
        catalogues = await unit.share_catalogues([row.connection_id])
        order = (await unit.lock_orders([row.key])).get(row.key)
        if order is None:
            raise Permanent(f"{row.key} is not known")
        if connection is None:
            await unit.reject((await unit.open_commands([row.key])).get(row.key, ()), reasons.CONNECTION_REMOVED)
            await unit.finish(row)
            return None
        if not all(catalogue.complete for catalogue in catalogues.values()):
            await unit.postpone(row, LOADING_S)
            return None
        commands = tuple((await unit.open_commands([row.key])).get(row.key, ()))
        shelf = (await shelves_for([order], catalogues, unit))[row.connection_id]
        if commands:
            return _Question(connection, _skus_behind(order, shelf), _variants_behind(order, shelf), commands)
        decision = match_order(order, shelf)
        absent = set(decision.skus) if isinstance(decision, LookUp) else set()
        if absent and (room := SKUS_AT_ONCE - len(absent)) > 0:
            absent |= set(await unit.wanted_by_others(row.connection_id, room))
        return _Question(connection, frozenset(absent), frozenset(), ())

    async def _ask(self, question: _Question) -> _Answer:
        entries: dict[str, Entry] = {}
        skus = sorted(question.skus)
        for start in range(0, len(skus), SKUS_AT_ONCE):
            found = await self._shopify.with_skus(question.connection, skus[start : start + SKUS_AT_ONCE])
            entries |= {entry.variant_id: entry for entry in found}
        gone: set[str] = set()
        if question.variant_ids:
            # By id what is true now is read; a search may show what was.
            found = await self._shopify.with_ids(question.connection, sorted(question.variant_ids))
            entries |= {entry.variant_id: entry for entry in found}
            gone = set(question.variant_ids) - {entry.variant_id for entry in found}
        return _Answer(tuple(entries.values()), frozenset(gone))

    async def _conclude(self, unit: Unit, row: DueRow, question: _Question, answer: _Answer) -> None:
        now = await unit.connection_settings(row.connection_id)
        if now is None or now.shopify.shop != question.connection.shopify.shop:
            await unit.postpone(row, LOADING_S)
            return
        if answer.entries or answer.gone:
            await unit.lock_catalogue(row.connection_id)
            by_id = bool(question.variant_ids)
            await take_entries(row.connection_id, answer.entries, unit, gone=answer.gone, certain=by_id)
        catalogues = await unit.share_catalogues([row.connection_id])
        await unit.remember_misses(row.connection_id, _unsold(question, answer, catalogues[row.connection_id]))
        orders = await unit.lock_orders([row.key])
        commands = await self._still_open(unit, orders[row.key], question.commands)
        await unit.finish(row)
        await decide(list(orders.values()), catalogues, unit, {row.key: commands})

    async def _still_open(self, unit: Unit, order: Order, asked: Sequence[OpenCommand]) -> Sequence[OpenCommand]:
        """Those of the commands that Shopify was asked for; what can lead to nothing by now ends."""
        commands = (await unit.open_commands([order.order_id])).get(order.order_id, ())
        why = refusal(order)
        if why is None and commands and await unit.parked([order.order_id]):
            why = reasons.MESSAGE_PARKED
        if why is not None:
            await unit.reject(commands, why)
            return ()
        return [command for command in commands if command in asked]


def _skus_behind(order: Order, shelf: Shelf) -> frozenset[str]:
    """Every SKU that a variant of the order could have: its lines' own, and those that mappings make of them."""
    skus: set[str] = set()
    for line in order.lines:
        if sku := sku_of(line):
            mapping = shelf.mapping(sku, order.purchased_at)
            skus |= {target.shopify_sku for target in mapping.targets} if mapping else {sku}
    return frozenset(skus)


def _variants_behind(order: Order, shelf: Shelf) -> frozenset[str]:
    """Variants that the order is or may be matched to, as far as they are known."""
    by_sku = {entry.variant_id for sku in _skus_behind(order, shelf) for entry in shelf.by_sku.get(sku, ())}
    by_title = {entry.variant_id for entries in shelf.by_title.values() for entry in entries}
    bound = {target.variant_id for pin in order.pins for target in pin.targets}
    return frozenset(by_sku | by_title | bound)


def _unsold(question: _Question, answer: _Answer, catalogue: Progress) -> Collection[str]:
    sold = {entry.sku for entry in answer.entries if sells(entry, drafts=catalogue.match_drafts)}
    return question.skus - sold
