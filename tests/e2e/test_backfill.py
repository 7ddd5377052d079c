"""A back-fill takes in what the connection's start date leaves out, over the whole road."""

from __future__ import annotations

import pytest

from deploy.local.demo_world import until

from .accounts import opened
from .running import RunningStack

pytestmark = pytest.mark.timeout(120)
NOWHERE = "113-0000000-0000000"


async def test_orders_of_before_the_start_date_are_created_once_a_back_fill_names_them(running: RunningStack) -> None:
    world = await opened(running, "backfill")
    [named, other] = (await world.place_orders(71, {"unshipped": 2}, within_s=60.0))["unshipped"]
    await world.move_clock(600.0)
    await world.connect(poll_interval_s=1, import_from="2099-01-01T00:00:00Z")
    assert (await world.test_connection())["ok"]

    address = f"/v1/connections/{world.account.connection_id}/backfill"
    command = await world.api.send("POST", address, {"amazon_order_ids": [named, NOWHERE]})
    assert (command["mode"], command["state"]) == ("backfill", "open")

    found = f"/v1/commands/{command['command_id']}"
    ended = await until(lambda: world.api.get(found), lambda it: it["state"] != "open", 30, "the end of the back-fill")
    assert ended["outcome"] == f"1 order, 1 of them with news, 1 not found at Amazon ({NOWHERE})"
    assert (ended["progress"]["orders"], ended["progress"]["done"]) == (1, 1.0)
    await until(world.orders, lambda it: [one["status"] for one in it] == ["created"], 40, "the order")
    [order] = await world.orders()
    assert order["amazon_order_id"] == named != other
    assert [one["amazon_order_id"] for one in (await world.shopify_ledger())["orders"]] == [named]
