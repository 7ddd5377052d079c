"""A connection that stops working holds its own orders only, says why, and lets them go once it works again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.integration.creator.world import SECOND_SHOP, World, numbered, open_world, tee_match
from tests.support.facts import imported
from tests.support.shopify_standin import SHOP
from tests.support.step import published, until

DEFINITION = "metafield definition $app/amazon_order_id (type id) on orders"


@pytest.fixture
async def bare(creator_database: str) -> AsyncIterator[World]:
    """Without a connection yet."""
    async with open_world(creator_database) as opened:
        yield opened


async def test_a_refused_metafield_definition_is_named_and_nothing_is_sent(bare: World) -> None:
    await bare.control("POST", "settings", definition_allowed=False)
    await bare.add_connection()
    async with bare.working():
        await until(lambda: bare.is_ready("misconfigured"), what="the connection is misconfigured")
        await bare.order()
        await bare.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
        fact = await bare.comes_to("failed")

        assert fact["reason"]["code"] == "connection_misconfigured"
        assert DEFINITION in fact["reason"]["details"]["missing"]
        [status] = await published(bare.creator.store, "connections.status.v1")
        assert (status["state"], status["service"], DEFINITION in status["missing"]) == (
            "misconfigured",
            "creator",
            True,
        )
        assert await bare.ends() == {"c1": ("rejected", "connection_misconfigured")}
        assert await bare.creates() == []

        await bare.control("POST", "settings", definition_allowed=True)
        await _probe_now(bare)
        await bare.comes_to("created")


async def test_orders_planned_before_the_connection_broke_fail_with_its_reason_and_run_by_themselves(
    bare: World,
) -> None:
    await bare.control("POST", "settings", definition_allowed=False)
    await bare.add_connection()
    await bare.order()
    await bare.deliver(tee_match(seq=2, command_id="c1", mode="force"))
    assert await bare.phases() == ["planned", "planned"]
    async with bare.working():
        await bare.comes_to("failed")
        assert await bare.ends() == {"c1": ("rejected", "connection_misconfigured")}
        await bare.control("POST", "settings", definition_allowed=True)
        await _probe_now(bare)
        fact = await bare.comes_to("created")

    # The force ended rejected with its connection, so it forces nothing any more.
    assert (fact["mode"], fact["command_id"]) == (None, None)
    [order] = await bare.shop_orders()
    assert "amazon-forced" not in order["tags"]


async def test_a_wrong_secret_is_unauthorized_until_a_new_one_comes(bare: World) -> None:
    await bare.add_connection(client_secret="wrong")
    await bare.order()
    async with bare.working():
        fact = await bare.comes_to("failed")
        assert fact["reason"]["code"] == "connection_unauthorized"
        await bare.add_connection(rev=2)
        await bare.comes_to("created")

    states = [status["state"] for status in await published(bare.creator.store, "connections.status.v1")]
    assert states == ["unauthorized", "ok"]


async def test_an_order_that_shopify_shuts_the_door_on_fails_and_is_created_once_it_opens(world: World) -> None:
    async with world.working():
        await until(lambda: world.is_ready("ok"), what="the connection works")
        await world.trouble("access_denied")
        await world.order()
        fact = await world.comes_to("failed")
        assert fact["reason"]["code"] == "connection_misconfigured"
        await until(lambda: world.is_ready("misconfigured"), what="the connection is blocked")
        await _probe_now(world)
        await world.comes_to("created")

    assert await world.attempts() == ["blocked", "accepted"]
    assert await world.creates() == ["refused", "accepted"]


async def test_all_that_is_missing_at_the_shop_is_named_at_once(bare: World) -> None:
    await bare.control_http.post(
        "/_control/shops",
        json={
            "shop": SHOP,
            "client_id": "demo-client",
            "client_secret": "demo-secret",
            "scopes": ["read_orders", "read_products", "read_locations"],
        },
    )
    await bare.control("POST", "settings", definition_allowed=False)
    await bare.add_connection()
    async with bare.working():
        await until(lambda: bare.is_ready("misconfigured"), what="the connection is misconfigured")

    [status] = await published(bare.creator.store, "connections.status.v1")
    assert {"scope write_orders", "scope read_inventory", DEFINITION} <= set(status["missing"])


async def test_a_canceled_order_does_not_fail_with_its_connection(bare: World) -> None:
    await bare.control("POST", "settings", definition_allowed=False)
    await bare.add_connection()
    await bare.order()
    await bare.deliver(imported(2, kind="cancel", reason="canceled_by_buyer"))
    async with bare.working():
        await until(lambda: bare.is_ready("misconfigured"), what="the connection is misconfigured")

    assert await bare.phases() == ["planned"]


async def test_a_shop_that_does_not_answer_delays_no_other_connections_orders(creator_database: str) -> None:
    async with open_world(creator_database, SHOPIFY_DEADLINE=30.0, SETTLE=40.0) as world:
        second = {"shop": SECOND_SHOP, "client_id": "demo-client", "client_secret": "demo-secret"}
        await world.control_http.post("/_control/shops", json=second)
        await world.add_connection("main", SHOP)
        await world.add_connection("other", SECOND_SHOP)
        silent = [numbered(n, "main") for n in range(40)]
        answering = [numbered(n, "other") for n in range(20)]
        for order_id in (*silent, *answering):
            await world.address(order_id)
        async with world.doomed():
            await until(lambda: world.is_ready("ok", "main"), what="main works")
            await until(lambda: world.is_ready("ok", "other"), what="other works")
            await world.control("POST", "settings", hang_all_s=60)
            await world.deliver(*(imported(order_id=order_id) for order_id in (*silent, *answering)))
            await world.deliver(*(tee_match(order_id) for order_id in (*silent, *answering)))

            for order_id in answering:
                await world.comes_to("created", order_id=order_id)

            assert await world.shop_orders() == []


async def _probe_now(world: World) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(text("update due set run_at = now() where kind = 'check'"))
