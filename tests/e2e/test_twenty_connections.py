"""Twenty connections on one installation: a dead shop and a refused seller are named, and nobody else notices."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from deploy.local.demo_story import PAST_THE_LAG_S
from deploy.local.demo_world import World, until

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(300)

ORDERS = 4
GOOD = 18
WITHIN_S = 30.0
"""No longer than one request to the dead shop hangs: who waited for it even once would be late."""
NAMED_WITHIN_S = 90.0


def test_a_dead_shop_and_a_refused_seller_are_named_and_delay_nobody(running: RunningStack) -> None:
    async def story() -> None:
        dead, refused, *good = [await opened(running, f"many{number}") for number in range(GOOD + 2)]
        for number, world in enumerate((dead, refused, *good)):
            await world.place_orders(20 + number, {"unshipped": ORDERS}, within_s=60.0)
        await dead.shopify_settings(hang_all_s=3600)
        await refused.amazon.send("POST", "/_control/revoke", {"refresh_token": refused.account.refresh_token})
        await dead.move_clock(PAST_THE_LAG_S)
        for world in (dead, refused):
            await world.connect(poll_interval_s=1)

        for world in good:
            await world.connect(poll_interval_s=1)
        started = time.monotonic()
        await asyncio.gather(*map(_created, good))
        assert time.monotonic() - started < WITHIN_S

        found = await until(refused.connection, _is_named("ingestor"), NAMED_WITHIN_S, "the refused seller by name")
        assert found["status"]["ingestor"]["state"] == "unauthorized"
        assert "refresh token" in " ".join(found["missing"])
        for worker in ("matcher", "creator"):
            found = await until(dead.connection, _is_named(worker), NAMED_WITHIN_S, f"the dead shop by the {worker}")
            assert found["status"][worker]["state"] == "misconfigured"
            assert "no answer" in found["status"][worker]["message"]
        for world in good:
            assert (await world.connection())["missing"] == []

        await dead.shopify_settings(hang_all_s=0)
        await refused.amazon.send("POST", "/_control/restore", {"refresh_token": refused.account.refresh_token})
        for world in (dead, refused):
            await world.test_connection()
            await _created(world)

    running.run(story())


async def _created(world: World) -> None:
    name = world.account.connection_id
    await until(world.counts, lambda it: it["by_status"].get("created") == ORDERS, 2 * WITHIN_S, f"orders of {name}")


def _is_named(worker: str) -> Any:
    """Whether the worker says that it does not get on, and what is missing."""

    def named(connection: dict[str, Any]) -> bool:
        status = connection["status"][worker]
        return status is not None and status["state"] != "ok" and bool(status["missing"])

    return named
