"""Reading the three ledgers once nothing moves any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from .accounting import Books, is_whole, polls_of
from .demo_world import World, until
from .stack import Stack

POLL_ENDS_WITHIN_S = 10.0


async def read_books(world: World, stack: Stack, expected: Mapping[str, tuple[str, str | None]]) -> Books:
    """What Amazon, the api and Shopify say, and the creator's own records of its calls."""
    calls = await until(world.amazon_calls, _no_poll_under_way, POLL_ENDS_WITHIN_S, "the end of a poll")
    shopify = await world.shopify_ledger()
    return Books(
        amazon=await world.amazon_orders(),
        calls=calls,
        ours=await world.orders(),
        attempts=await _attempts(stack, world.account.connection_id),
        shopify=shopify["orders"],
        creates=shopify["order_creates"],
        expected=expected,
    )


def _no_poll_under_way(calls: list[dict[str, Any]]) -> bool:
    polls = polls_of(calls)
    return not polls or is_whole(polls[-1])


async def _attempts(stack: Stack, connection_id: str) -> list[dict[str, Any]]:
    """From the creator's schema: REST tells how many attempts there were, not how each ended."""
    connection = await asyncpg.connect(stack.environments.service("creator")["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "select order_id, attempt, outcome from creator.attempts where order_id like $1", f"{connection_id}:%"
        )
    finally:
        await connection.close()
    return [
        {"amazon_order_id": row["order_id"].partition(":")[2], "attempt": row["attempt"], "outcome": row["outcome"]}
        for row in rows
    ]
