"""Database and broker go away in the middle of the work and come back: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deploy.local.accounting import settle
from deploy.local.demo_books import read_books
from deploy.local.demo_story import PAST_THE_LAG_S, expectations
from deploy.local.demo_world import Refused, World, is_decided, until
from deploy.local.servers import KafkaServer, PostgresServer

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(180)
PROFILE = {"unshipped": 60, "unknown_sku": 2, "pending": 2}
PLACED = sum(PROFILE.values())
WITHIN_S = 90.0


async def _created(world: World) -> int:
    return int((await _counts(world))["by_status"].get("created", 0))


async def _counts(world: World) -> dict[str, Any]:
    """Nothing known while the database is away."""
    try:
        return await world.counts()
    except Refused:
        return {"total": 0, "by_status": {}}


async def test_a_restart_of_postgres_and_one_of_kafka_lose_and_double_nothing(
    running: RunningStack, postgres_server: PostgresServer, kafka_server: KafkaServer
) -> None:
    if not (postgres_server.is_ours and kafka_server.is_ours):
        pytest.skip("the servers are not ours to restart")
    world = await opened(running, "restarts")
    expected = expectations(await world.place_orders(21, PROFILE, within_s=60.0))
    await world.move_clock(PAST_THE_LAG_S)
    await world.connect(poll_interval_s=2)

    await until(lambda: _created(world), lambda created: created >= 3, WITHIN_S, "the first orders")
    await asyncio.to_thread(postgres_server.restart, immediate=True)
    await until(lambda: _created(world), lambda created: created >= 25, WITHIN_S, "orders after the first restart")
    await asyncio.to_thread(kafka_server.restart, kill=True)

    await until(lambda: _counts(world), lambda it: is_decided(it, PLACED), WITHIN_S, "an outcome of every order")
    account = settle(await read_books(world, running.stack, expected))
    assert account.faults == ()
    assert account.known == PLACED
