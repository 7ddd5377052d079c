"""Reading an order by its id and canceling it: what Shopify says of either, told apart."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from orderbridge.errors import Throttled, Unavailable
from orderbridge.http import open_http
from orderbridge.shopify import CancelAccepted, CancelRefused, OrderAccepted, Shopify, ShownOrder

from .shop import BASE, DEMO, Ledger, ShopUnderTest
from .test_create import AMAZON_ID, variables

FOREIGN = "999-0000000-0000009"


@pytest.fixture
async def gid(shop: ShopUnderTest) -> str:
    """An order of ours for two units of the first variant."""
    await shop.client.ensure_definition(DEMO)
    made = await shop.client.order_create(DEMO, variables((await shop.variants())[0]["variant_id"], 2))
    assert isinstance(made, OrderAccepted)
    return made.gid


async def units(shop: ShopUnderTest) -> int:
    available: int = (await shop.variants())[0]["available"]
    return available


async def test_an_order_of_ours_names_its_amazon_order(shop: ShopUnderTest, gid: str) -> None:
    found = await shop.client.order_by_id(DEMO, gid)

    assert found is not None
    assert found.name is not None
    assert found == ShownOrder(gid, found.name, False, AMAZON_ID)


@pytest.mark.parametrize(("source", "said"), [(None, None), ("till 7", None), (FOREIGN, FOREIGN)])
async def test_an_order_of_another_hand_names_one_only_where_it_looks_like_one(
    shop: ShopUnderTest, source: str | None, said: str | None
) -> None:
    made = await shop.control("POST", "orders", name="HAND-1", source_identifier=source)

    found = await shop.client.order_by_id(DEMO, made["order_id"])

    assert found == ShownOrder(made["order_id"], "HAND-1", False, said)


async def test_an_order_that_shopify_does_not_have_is_none(shop: ShopUnderTest) -> None:
    assert await shop.client.order_by_id(DEMO, "gid://shopify/Order/404") is None


@pytest.mark.parametrize("restock", [True, False])
async def test_a_cancellation_is_carried_out_by_a_job(shop: ShopUnderTest, gid: str, restock: bool) -> None:
    before = await units(shop)

    answer = await shop.client.order_cancel(DEMO, gid, restock=restock)

    assert isinstance(answer, CancelAccepted)
    assert answer.job is not None
    assert not await shop.client.job_done(DEMO, answer.job)
    shop.clock.advance(1)
    assert await shop.client.job_done(DEMO, answer.job)
    found = await shop.client.order_by_id(DEMO, gid)
    assert found is not None
    assert found.canceled
    assert await units(shop) == before + (2 if restock else 0)


async def test_nobody_is_told_and_nothing_is_refunded(shop: ShopUnderTest, gid: str) -> None:
    await shop.client.order_cancel(DEMO, gid, restock=True)

    asked = shop.asked[-1]
    assert "notifyCustomer: false" in asked.query
    assert "refund" not in asked.query
    assert asked.variables == {"orderId": gid, "reason": "OTHER", "restock": True}


async def test_an_order_is_canceled_once(shop: ShopUnderTest, gid: str) -> None:
    await shop.client.order_cancel(DEMO, gid, restock=True)
    shop.clock.advance(1)

    answer = await shop.client.order_cancel(DEMO, gid, restock=True)

    assert isinstance(answer, CancelRefused)
    [(_, field, message)] = answer.problems
    assert (field, "cancel" in message) == ("orderId", True)


async def test_a_job_that_shopify_does_not_know_any_more_has_ended(shop: ShopUnderTest) -> None:
    assert await shop.client.job_done(DEMO, "gid://shopify/Job/404")


async def test_every_cost_covers_what_shopify_asks_for(shop: ShopUnderTest, gid: str) -> None:
    shop.budget.taken.clear()
    shop.asked.clear()
    await shop.client.order_by_id(DEMO, gid)
    answer = await shop.client.order_cancel(DEMO, gid, restock=True)
    assert isinstance(answer, CancelAccepted)
    await shop.client.job_done(DEMO, answer.job or "")

    assert len(shop.asked) == 3
    for (_, taken, _), asked in zip(shop.budget.taken, shop.asked, strict=True):
        assert asked.requested_cost is not None
        assert asked.requested_cost <= taken


@pytest.mark.parametrize(
    ("kind", "error"),
    [("cut_before", Unavailable), ("cut_after", Unavailable), ("garbled_after", Unavailable), ("throttled", Throttled)],
)
async def test_trouble_leaves_it_open_whether_it_was_taken(
    shop: ShopUnderTest, gid: str, kind: str, error: type[Exception]
) -> None:
    await shop.trouble(kind, "orderCancel")

    with pytest.raises(error):
        await shop.client.order_cancel(DEMO, gid, restock=True)


async def test_an_answer_that_says_neither_leaves_it_open() -> None:
    async def app(scope: MutableMapping[str, Any], receive: object, send: Any) -> None:
        answer = {"access_token": "t", "expires_in": 60, "data": {"orderCancel": {"job": None}}}
        body = json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with open_http(asgi=app) as http:
        with pytest.raises(Unavailable, match="neither a job nor an error"):
            await Shopify(http, Ledger(), base_url=BASE).order_cancel(DEMO, "gid://shopify/Order/1", restock=True)
