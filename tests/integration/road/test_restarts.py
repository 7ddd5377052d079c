"""Real processes on a real Kafka and a real PostgreSQL, while broker, database and shops fail under them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.demo_story import PAST_THE_LAG_S, expectations
from deploy.local.demo_world import Refused, World, is_decided, until
from deploy.local.infrastructure import Infrastructure, open_infrastructure
from deploy.local.run import open_run
from tests.e2e.accounts import opened
from tests.e2e.running import RunningStack, running_stack

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("restarts")]
WAVE = {"unshipped": 68, "fulfilled_by_amazon": 3, "pending": 2, "unknown_sku": 2}
"""Twice this is a run of 150 orders."""


@pytest.fixture(scope="module")
def servers() -> Iterator[Infrastructure]:
    """Servers of these tests alone: nobody else is disturbed when they are killed."""
    with open_run() as run, open_infrastructure(run, ports="free") as infrastructure:
        yield infrastructure


@pytest.fixture(scope="module")
def stack(servers: Infrastructure) -> Iterator[RunningStack]:
    with running_stack(servers) as running:
        yield running


async def sold(world: World) -> Counter[str]:
    """How many orders the shop has for each Amazon order."""
    return Counter(order["amazon_order_id"] for order in (await world.shopify_ledger())["orders"])


async def created(world: World) -> int:
    return int((await world.counts())["by_status"].get("created", 0))


async def standings(world: World) -> dict[str, tuple[str, str | None]]:
    return {one["amazon_order_id"]: (one["status"], (one["reason"] or {}).get("code")) for one in await world.orders()}


async def test_a_broker_and_a_database_that_restart_in_mid_run_lose_nothing_and_double_nothing(
    servers: Infrastructure, stack: RunningStack
) -> None:
    if not (servers.kafka.is_ours and servers.postgres.is_ours):
        pytest.skip("the servers were given: they are not ours to kill")
    world = await opened(stack, "restarts")
    expected = expectations(await world.place_orders(21, WAVE, within_s=60.0))
    await world.move_clock(PAST_THE_LAG_S)
    await world.connect(poll_interval_s=1)
    await until(lambda: created(world), lambda it: it >= 15, 60, "the first orders")

    # More arrive while the broker is away, so every hop has something to catch up with.
    expected |= expectations(await world.place_orders(22, WAVE, within_s=60.0))
    await asyncio.gather(world.move_clock(PAST_THE_LAG_S), asyncio.to_thread(servers.kafka.restart, kill=True))
    before = await created(world)
    await until(lambda: created(world), lambda it: it > before, 60, "an order after the broker is back")
    assert await created(world) < sum(status == "created" for status, _ in expected.values()), "still in mid-run"
    await asyncio.to_thread(servers.postgres.restart, immediate=True)

    async def counts() -> dict[str, Any]:
        return await answered(world)

    await until(counts, lambda it: is_decided(it, len(expected)), 120, "the decision on every order")
    assert await standings(world) == expected
    assert await sold(world) == Counter(one for one, (status, _) in expected.items() if status == "created")


async def answered(world: World) -> dict[str, Any]:
    """The counts, or none while the api is away itself."""
    try:
        return await world.counts()
    except Refused:
        return {"total": 0, "by_status": {}}


async def test_an_order_create_that_is_cut_off_after_its_effect_makes_one_shopify_order(stack: RunningStack) -> None:
    """With the unique metafield enforced, and not."""
    worlds = {enforced: await opened(stack, "cutunique" if enforced else "cutany") for enforced in (True, False)}
    for seed, (enforced, world) in enumerate(worlds.items(), start=31):
        await world.shopify_settings(unique_enforced=enforced)
        shop = f"/_control/shops/{world.account.shop}/trouble"
        await world.shopify.send("POST", shop, {"kind": "cut_after", "operation": "orderCreate", "times": 2})
        await world.place_orders(seed, {"unshipped": 3}, within_s=60.0)
    await worlds[True].move_clock(PAST_THE_LAG_S)
    for world in worlds.values():
        await world.connect(poll_interval_s=1)
    for world in worlds.values():
        await until(lambda world=world: created(world), lambda it: it == 3, 60, "all orders of the shop")  # type: ignore[misc]
        ledger = await world.shopify_ledger()
        assert sorted((await sold(world)).values()) == [1, 1, 1]
        creates = [(one["trouble"], one["effect"]) for one in ledger["order_creates"]]
        assert Counter(creates) == {("cut_after", True): 2, (None, True): 1}
        assert {one["gid"] for one in ledger["orders"]} == {one["shopify"]["order_id"] for one in await world.orders()}


async def test_a_shop_that_does_not_answer_delays_no_other_connection(stack: RunningStack) -> None:
    silent, going = await opened(stack, "silent"), await opened(stack, "going")
    for world in (silent, going):
        await world.connect(poll_interval_s=1)
        assert (await world.test_connection())["ok"]
    await silent.shopify_settings(hang_all_s=60.0)
    await silent.place_orders(41, {"unshipped": 40}, within_s=60.0)
    await silent.move_clock(PAST_THE_LAG_S)
    await until(silent.counts, lambda it: it["total"] == 40, 30, "the silent shop's orders")
    await going.place_orders(42, {"unshipped": 10}, within_s=60.0)
    await going.move_clock(PAST_THE_LAG_S)

    await until(lambda: created(going), lambda it: it == 10, 20, "the orders of the shop that answers")
    assert await created(silent) == 0
    assert (await silent.shopify_ledger())["orders"] == []

    await silent.shopify_settings(hang_all_s=0.0)
    await until(lambda: created(silent), lambda it: it == 40, 90, "the orders of the shop that answers again")
    assert sorted((await sold(silent)).values()) == [1] * 40
