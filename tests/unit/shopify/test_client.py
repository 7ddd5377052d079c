"""One request: its token, its points, its meaning."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from orderbridge.errors import Blocked, OutcomeUnknown, Throttled, Unavailable
from orderbridge.http import open_http
from orderbridge.shopify import OutOfPoints, Shopify

from .shop import BASE, DEMO, Ledger, ShopUnderTest

NAME = "shopify:orderbridge-demo.myshopify.com:demo-client"
LOOK_UP = "113-0000000-0000001"


async def look_up(shop: ShopUnderTest) -> None:
    assert await shop.client.order_by_amazon_id(DEMO, LOOK_UP) is None


@pytest.fixture
async def ready(shop: ShopUnderTest) -> ShopUnderTest:
    """A shop with the definition and no token fetched yet."""
    await shop.client.ensure_definition(DEMO)
    shop.client.forget(DEMO)
    shop.budget.taken.clear()
    shop.budget.taught.clear()
    shop.budget.given_back.clear()
    return shop


# --- tokens


async def test_callers_that_come_at_once_share_one_token(ready: ShopUnderTest) -> None:
    before = (await ready.calls())["token"]

    await asyncio.gather(*(look_up(ready) for _ in range(8)))

    assert (await ready.calls())["token"] == before + 1


async def test_a_token_is_renewed_at_four_fifths_of_its_life(ready: ShopUnderTest) -> None:
    await look_up(ready)
    before = (await ready.calls())["token"]

    ready.clock.advance(86_399 * 0.79)
    await look_up(ready)
    assert (await ready.calls())["token"] == before

    ready.clock.advance(86_399 * 0.02)
    await look_up(ready)
    assert (await ready.calls())["token"] == before + 1


async def test_a_refused_token_is_renewed_once(ready: ShopUnderTest) -> None:
    await look_up(ready)
    before = (await ready.calls())["token"]
    await ready.trouble("unauthorized", "orderByIdentifier")

    await look_up(ready)

    assert (await ready.calls())["token"] == before + 1


async def test_a_token_refused_twice_blocks_the_connection(ready: ShopUnderTest) -> None:
    await ready.trouble("unauthorized", "orderByIdentifier", times=2)

    with pytest.raises(Blocked) as caught:
        await look_up(ready)

    assert caught.value.state == "unauthorized"


@pytest.mark.parametrize("wrong", [{"client_secret": "other-secret"}, {"client_id": "other-client"}])
async def test_wrong_credentials_block_the_connection_and_are_not_shown(
    shop: ShopUnderTest, wrong: dict[str, str]
) -> None:
    with pytest.raises(Blocked) as caught:
        await shop.client.check(replace(DEMO, **wrong))

    assert caught.value.state == "unauthorized"
    assert "other-secret" not in f"{caught.value} {caught.value.missing}"


async def test_a_changed_secret_asks_for_a_token_of_its_own(ready: ShopUnderTest) -> None:
    await look_up(ready)

    with pytest.raises(Blocked):
        await ready.client.order_by_amazon_id(replace(DEMO, client_secret="other-secret"), LOOK_UP)
    await look_up(ready)


async def test_a_shop_that_does_not_exist_is_misconfigured(shop: ShopUnderTest) -> None:
    with pytest.raises(Blocked) as caught:
        await shop.client.check(replace(DEMO, domain="nobody.myshopify.com"))

    assert caught.value.state == "misconfigured"
    assert caught.value.missing == ("the shop nobody.myshopify.com",)


@pytest.mark.parametrize("kind", ["error500", "html", "cut_before"])
async def test_trouble_with_tokens_is_transient_even_for_a_create(shop: ShopUnderTest, kind: str) -> None:
    await shop.trouble(kind, "token")

    with pytest.raises(Unavailable):
        await shop.client.admit_create(DEMO, {"order": {"lineItems": []}})


def test_a_shop_hides_its_secret() -> None:
    assert "demo-secret" not in repr(DEMO)


# --- points


async def test_reading_the_catalogue_leaves_a_reserve_for_the_creation_of_orders(ready: ShopUnderTest) -> None:
    await ready.client.variants_page(DEMO)

    assert [reserve for _, _, reserve in ready.budget.taken] == [0.2]


async def test_a_create_leaves_a_smaller_reserve_for_ending_the_orders_under_way(ready: ShopUnderTest) -> None:
    await ready.client.admit_create(DEMO, {"order": {"lineItems": [{}, {}, {}]}})

    assert ready.budget.taken == [(NAME, 18, 0.1)]


async def test_the_reads_that_end_an_order_under_way_may_use_every_point(ready: ShopUnderTest) -> None:
    await look_up(ready)
    await ready.client.stock_of(DEMO, [(await ready.variants())[0]["variant_id"]])

    assert [reserve for _, _, reserve in ready.budget.taken] == [0.0, 0.0]


async def test_the_budget_learns_from_every_answer(ready: ShopUnderTest) -> None:
    await ready.control("POST", "settings", bucket={"maximum": 4000, "restore": 200})

    await look_up(ready)

    [(name, rate, burst, left)] = ready.budget.taught
    assert (name, rate, burst) == (NAME, 200, 4000)
    assert left is not None
    assert 3990 <= left <= 4000


async def test_points_that_a_query_did_not_use_are_given_back(ready: ShopUnderTest) -> None:
    page = await ready.client.variants_page(DEMO)

    [(_, taken, _)], [given_back] = ready.budget.taken, ready.budget.given_back
    # What it read: the connections, the products, and each variant with its inventory item.
    assert taken - given_back < 2 + 9 * 3 + 2 * len(page.variants) + 1
    assert taken > 700


async def test_a_read_waits_in_place_for_a_moment(ready: ShopUnderTest) -> None:
    ready.budget.waits = [0.5, 1.0]

    await look_up(ready)

    assert ready.slept == [0.5, 1.0]


async def test_a_read_that_would_wait_longer_comes_back_later(ready: ShopUnderTest) -> None:
    ready.budget.waits = [1.5, 1.5]

    with pytest.raises(OutOfPoints) as caught:
        await look_up(ready)

    assert caught.value.retry_after_s == 1.5
    assert ready.slept == [1.5]


async def test_a_create_never_waits_in_place(ready: ShopUnderTest) -> None:
    ready.budget.waits = [0.1]

    with pytest.raises(OutOfPoints) as caught:
        await ready.client.admit_create(DEMO, {"order": {"lineItems": []}})

    assert caught.value.retry_after_s == 0.1
    assert ready.slept == []


async def test_every_cost_covers_what_shopify_asks_for(ready: ShopUnderTest) -> None:
    shown = await ready.variants()
    ids = [each["variant_id"] for each in shown[:20]]
    await ready.client.check(DEMO)
    await ready.client.variants_page(DEMO)
    await ready.client.find_by_sku(DEMO, [each["sku"] for each in shown[:50]])
    await ready.client.variants_by_id(DEMO, ids)
    await ready.client.stock_of(DEMO, ids)
    await look_up(ready)

    costs = [each.requested_cost for each in ready.asked[-len(ready.budget.taken) :]]
    assert len(costs) >= 7
    for (_, taken, _), asked in zip(ready.budget.taken, costs, strict=True):
        assert asked is not None
        assert asked <= taken <= 800


# --- meaning


async def test_throttled_says_how_long_to_wait(ready: ShopUnderTest) -> None:
    await ready.trouble("http429", "orderByIdentifier", retry_after=3)

    with pytest.raises(Throttled) as caught:
        await look_up(ready)

    assert caught.value.retry_after_s == 3.0


@pytest.mark.parametrize("kind", ["error500", "error502", "html", "internal_error", "garbled_after", "cut_before"])
async def test_trouble_with_a_read_is_unavailable(ready: ShopUnderTest, kind: str) -> None:
    await ready.trouble(kind, "orderByIdentifier")

    with pytest.raises(Unavailable):
        await look_up(ready)


async def test_a_read_that_is_not_answered_is_unavailable(ready: ShopUnderTest) -> None:
    await ready.trouble("timeout_before", "orderByIdentifier", hang_s=60)

    with pytest.raises(Unavailable):
        await ready.client.execute(
            DEMO,
            "order_by_identifier",
            {"identifier": {"id": "gid://shopify/Order/1"}},
            cost=3,
            deadline_s=0.05,
        )


async def test_a_create_that_is_not_answered_is_open(ready: ShopUnderTest) -> None:
    await ready.trouble("timeout_before", "orderCreate", hang_s=60)

    with pytest.raises(OutcomeUnknown):
        await ready.client.order_create(DEMO, {"order": {"lineItems": []}}, deadline_s=0.05)


async def test_another_version_is_said_once() -> None:
    async def app(scope: dict[str, str], receive: object, send: object) -> None:
        body = b'{"access_token": "t", "expires_in": 60, "data": {"orderByIdentifier": null}}'
        headers = [(b"x-shopify-api-version", b"2027-01"), (b"content-length", str(len(body)).encode())]
        assert callable(send)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with open_http(asgi=app) as http:  # type: ignore[arg-type]
        client = Shopify(http, Ledger(), base_url=BASE)
        with capture_logs() as logged:
            await client.order_by_amazon_id(DEMO, LOOK_UP)
            await client.order_by_amazon_id(DEMO, LOOK_UP)

    assert [(each["asked"], each["served"]) for each in logged] == [("2026-10", "2027-01")]
