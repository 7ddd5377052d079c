"""A shop that refuses the metafield definition stops its own connection, and no other."""

from __future__ import annotations

import pytest

from deploy.local.demo_story import PAST_THE_LAG_S
from deploy.local.demo_world import is_decided, until

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(120)
ORDERS = 5
WITHIN_S = 40.0


async def test_a_missing_definition_stops_one_connection_until_it_is_mended(running: RunningStack) -> None:
    stopped, going = await opened(running, "stopped"), await opened(running, "going")
    await stopped.shopify_settings(definition_allowed=False)
    for world in (stopped, going):
        await world.place_orders(11, {"unshipped": ORDERS}, within_s=60.0)
    await going.move_clock(PAST_THE_LAG_S)
    for world in (stopped, going):
        await world.connect(poll_interval_s=2)

    await until(going.counts, lambda it: it["by_status"].get("created") == ORDERS, WITHIN_S, "the other's orders")
    await until(stopped.counts, lambda it: is_decided(it, ORDERS), WITHIN_S, "a reason on each order")

    status = (await stopped.connection())["status"]["creator"]
    assert status["state"] == "misconfigured"
    assert any("amazon_order_id" in missing for missing in status["missing"])
    for order in await stopped.orders():
        assert (order["status"], order["reason"]["code"]) == ("failed", "connection_misconfigured")
    assert (await stopped.shopify_ledger())["order_creates"] == []
    assert (await going.connection())["status"]["creator"]["state"] == "ok"

    await stopped.shopify_settings(definition_allowed=True)
    assert (await stopped.test_connection())["ok"]
    await until(stopped.counts, lambda it: it["by_status"].get("created") == ORDERS, WITHIN_S, "its own orders")
    assert (await stopped.shopify_ledger())["counts"]["accepted"] == ORDERS
