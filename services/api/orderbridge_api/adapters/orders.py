"""Facts, and the orders they show, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orderbridge.events import (
    CreationFact,
    Fact,
    MatchFact,
    OrderCreated,
    OrderFailed,
    OrderImported,
    OrderMatched,
    OrderProgress,
    OrderUnmatched,
    Service,
)
from orderbridge.step import Unit
from orderbridge.vault import Vault

from ..domain.mappings import held_skus
from ..domain.own import OwnFact
from ..domain.projection import OrderState, link_to, search_text, stuck_message, take, waiting_since
from ..ports import OrderView

# The first that fits: only an unmatched fact has a reason of its own.
_MATCH: TypeAdapter[MatchFact] = TypeAdapter(
    Annotated[OrderUnmatched | OrderMatched, Field(union_mode="left_to_right")]
)
_CREATION: TypeAdapter[CreationFact] = TypeAdapter(
    Annotated[OrderCreated | OrderFailed | OrderProgress, Field(discriminator="phase")]
)

_STUCK_BATCH = 500

_INSERT = text("""
    insert into orders (order_id, connection_id)
    select id, split_part(id, ':', 1) from unnest(cast(:ids as text[])) as new (id) order by id
    on conflict do nothing
""")
_LOCK = text("""
    select 1 from orders where order_id = any(cast(:ids as text[])) order by order_id for update
""")
_HOLD = text("""
    select order_id, cast(imported as text) as imported, cast(match as text) as match,
           cast(creation as text) as creation, cast(own as text) as own
    from orders where order_id = any(cast(:ids as text[]))
""")
_KEEP = text("""
    insert into facts (order_id, source, seq, topic, payload, at)
    select order_id, source, seq, topic, cast(payload as jsonb), at
    from unnest(cast(:ids as text[]), cast(:sources as text[]), cast(:seqs as bigint[]), cast(:topics as text[]),
                cast(:payloads as text[]), cast(:ats as timestamptz[]))
        as new (order_id, source, seq, topic, payload, at)
    order by order_id, source, seq
    on conflict do nothing
""")
_WRITE = text("""
    update orders set
        imported = coalesce(cast(new.imported as json), orders.imported),
        match = coalesce(cast(new.match as json), orders.match),
        creation = coalesce(cast(new.creation as json), orders.creation),
        own = coalesce(cast(new.own as json), orders.own),
        status = new.status, reason = new.reason, purchased_at = new.purchased_at, ship_by = new.ship_by,
        fulfilled_by = new.fulfilled_by, updated_at = new.updated_at, version = new.version,
        waiting_since = new.waiting_since, stuck = new.stuck, link = new.link,
        resource = cast(new.resource as json), search = new.search, held = cast(new.held as jsonb)
    from unnest(cast(:ids as text[]), cast(:imported as text[]), cast(:match as text[]), cast(:creation as text[]),
                cast(:own as text[]), cast(:status as text[]), cast(:reason as text[]),
                cast(:purchased_at as timestamptz[]), cast(:ship_by as timestamptz[]), cast(:fulfilled_by as text[]),
                cast(:updated_at as timestamptz[]), cast(:version as bigint[]),
                cast(:waiting_since as timestamptz[]), cast(:stuck as text[]), cast(:link as text[]),
                cast(:resource as text[]), cast(:search as text[]), cast(:held as text[]))
        as new (order_id, imported, match, creation, own, status, reason, purchased_at, ship_by, fulfilled_by,
                updated_at, version, waiting_since, stuck, link, resource, search, held)
    where orders.order_id = new.order_id
""")
_WRONGLY_STUCK = text("""
    select order_id from orders
    left join unnest(cast(:troubled as text[]), cast(:messages as text[])) as trouble (name, message)
        on trouble.name = connection_id
    where waiting_since is not null
      and stuck is distinct from coalesce(trouble.message,
                                          case when waiting_since <= :before then cast(:slow as text) end)
    order by order_id limit :limit
""")
_NEWEST_KEPT = text("""
    select distinct on (order_id, source) order_id, source, cast(payload as text) as payload
    from facts where order_id = any(cast(:ids as text[])) order by order_id, source, seq desc
""")


def fact_of(source: str, payload: str) -> Fact:
    """A stored fact as it was read from its topic."""
    if source == "ingestor":
        return OrderImported.model_validate_json(payload)
    if source == "matcher":
        return _MATCH.validate_json(payload)
    if source == "creator":
        return _CREATION.validate_json(payload)
    return OwnFact.model_validate_json(payload)


class OrderRows(Unit):
    def __init__(self, connection: AsyncConnection, service: Service, now: datetime, vault: Vault) -> None:
        super().__init__(connection, service, now, vault)
        self._locked: set[str] = set()

    async def lock_orders(self, order_ids: Sequence[str]) -> None:
        """Lock these orders, made if absent, in the order of their ids; what is locked already costs nothing."""
        wanted = [order_id for order_id in order_ids if order_id not in self._locked]
        if wanted:
            await self.connection.execute(_INSERT, {"ids": wanted})
            await self.connection.execute(_LOCK, {"ids": wanted})
            self._locked.update(wanted)

    async def hold_orders(self, order_ids: Sequence[str]) -> dict[str, OrderState]:
        await self.lock_orders(order_ids)
        found = await self.connection.execute(_HOLD, {"ids": list(order_ids)})
        return {row.order_id: _state(row) for row in found}

    async def keep_facts(self, facts: Sequence[tuple[str, Fact]]) -> None:
        await self.connection.execute(
            _KEEP,
            {
                "ids": [fact.order_id for _, fact in facts],
                "sources": [fact.source for _, fact in facts],
                "seqs": [fact.seq for _, fact in facts],
                "topics": [topic for topic, _ in facts],
                "payloads": [fact.model_dump_json() for _, fact in facts],
                "ats": [fact.at for _, fact in facts],
            },
        )

    async def write_views(self, views: Sequence[OrderView]) -> None:
        shown = [view.resource for view in views]
        await self.connection.execute(
            _WRITE,
            {
                "ids": [view.state.order_id for view in views],
                "imported": [_changed(view.before.imported, view.state.imported) for view in views],
                "match": [_changed(view.before.match, view.state.match) for view in views],
                "creation": [_changed(view.before.creation, view.state.creation) for view in views],
                "own": [_changed(view.before.own, view.state.own) for view in views],
                "status": [resource.status for resource in shown],
                "reason": [resource.reason.code if resource.reason else None for resource in shown],
                "purchased_at": [resource.purchased_at for resource in shown],
                "ship_by": [resource.ship_by for resource in shown],
                "fulfilled_by": [resource.fulfilled_by for resource in shown],
                "updated_at": [resource.updated_at for resource in shown],
                "version": [resource.version for resource in shown],
                "waiting_since": [waiting_since(view.state, view.resource) for view in views],
                "stuck": [stuck_message(resource) for resource in shown],
                "link": [link_to(resource.shopify) for resource in shown],
                "resource": [view.text for view in views],
                "search": [search_text(resource) for resource in shown],
                "held": [json.dumps(held) if (held := held_skus(resource)) else None for resource in shown],
            },
        )

    async def wrongly_stuck(self, waiting_before: datetime, slow: str, troubled: Mapping[str, str]) -> list[str]:
        found = await self.connection.execute(
            _WRONGLY_STUCK,
            {
                "troubled": list(troubled),
                "messages": list(troubled.values()),
                "before": waiting_before,
                "slow": slow,
                "limit": _STUCK_BATCH,
            },
        )
        return list(found.scalars())

    async def kept_order_ids(self, after: str, limit: int) -> list[str]:
        found = await self.connection.execute(
            text("select distinct order_id from facts where order_id > :after order by order_id limit :limit"),
            {"after": after, "limit": limit},
        )
        return list(found.scalars())

    async def newest_kept(self, order_ids: Sequence[str]) -> dict[str, OrderState]:
        found = await self.connection.execute(_NEWEST_KEPT, {"ids": list(order_ids)})
        states: dict[str, OrderState] = {}
        for row in found:
            state = states.get(row.order_id, OrderState(row.order_id))
            states[row.order_id] = take(state, fact_of(row.source, row.payload))
        return states


def _state(row: Any) -> OrderState:
    return OrderState(
        row.order_id,
        OrderImported.model_validate_json(row.imported) if row.imported else None,
        _MATCH.validate_json(row.match) if row.match else None,
        _CREATION.validate_json(row.creation) if row.creation else None,
        OwnFact.model_validate_json(row.own) if row.own else None,
    )


def _changed(before: Fact | None, now: Fact | None) -> str | None:
    return now.model_dump_json() if now is not None and now is not before else None
