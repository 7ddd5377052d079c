"""Webhook subscriptions at a shop: each topic once, at our address, whatever was there."""

from __future__ import annotations

import pytest

from orderbridge.errors import Blocked, Refused
from orderbridge.shopify.webhooks import TOPICS, Subscription, plan_of

from .shop import DEMO, ShopUnderTest

BASE = "https://bridge.example"
PATH = "/v1/webhooks/shopify/main"
ADDRESS = BASE + PATH


def told(topic: str, uri: str = ADDRESS, gid: str = "1", fields: tuple[str, ...] | None = None) -> Subscription:
    return Subscription(gid, topic, uri, TOPICS[topic] if fields is None else fields)


ALL = [told(topic, gid=topic) for topic in TOPICS]


def test_what_is_there_already_is_left_alone() -> None:
    assert plan_of(ALL, BASE, PATH).changes == 0


def test_each_missing_topic_is_made() -> None:
    assert plan_of([], BASE, PATH).create == tuple(TOPICS)
    assert plan_of(ALL[1:], BASE, PATH).create == ("PRODUCTS_CREATE",)


@pytest.mark.parametrize(
    "uri",
    [
        "https://another.example" + PATH,
        "http://bridge.example" + PATH,
        "https://bridge.example/behind/a/proxy" + PATH,
        ADDRESS + "/",
        ADDRESS + "?from=before",
    ],
)
def test_ours_at_another_address_is_moved(uri: str) -> None:
    moved = told("PRODUCTS_UPDATE", uri)
    found = plan_of([*(one for one in ALL if one.topic != moved.topic), moved], BASE, PATH)
    assert (found.create, found.update, found.delete) == ((), (moved,), ())


@pytest.mark.parametrize(
    "uri",
    [
        "https://bridge.example/v1/webhooks/shopify/other",
        "https://bridge.example/v1/webhooks/shopify/xmain",
        "https://bridge.example/v1/webhooks/shopify/main/more",
        "pubsub://project:topic",
        "arn:aws:events:us-east-1::event-source/aws.partner/shopify.com/1/main",
        "https://[broken",
        "",
    ],
)
def test_what_is_not_ours_is_let_be(uri: str) -> None:
    found = plan_of([*ALL, told("PRODUCTS_UPDATE", uri)], BASE, PATH)
    assert found.changes == 0


def test_of_duplicates_the_one_that_is_right_stays() -> None:
    wrong, right = told("PRODUCTS_UPDATE", "https://old.example" + PATH, "a"), told("PRODUCTS_UPDATE", gid="b")
    rest = [one for one in ALL if one.topic != "PRODUCTS_UPDATE"]
    for order in ([wrong, right], [right, wrong]):
        found = plan_of([*rest, *order], BASE, PATH)
        assert (found.create, found.update, found.delete) == ((), (), (wrong,))


@pytest.mark.parametrize("fields", [(), ("id",), ("id", "updated_at", "variants")])
def test_one_that_sends_more_or_less_than_we_need_is_changed(fields: tuple[str, ...]) -> None:
    other = told("PRODUCTS_UPDATE", fields=fields)
    found = plan_of([*(one for one in ALL if one.topic != other.topic), other], BASE, PATH)
    assert found.update == (other,)


async def test_a_shop_ends_with_each_topic_once_at_our_address(shop: ShopUnderTest) -> None:
    assert await shop.client.keep_subscribed(DEMO, "https://old.example", PATH) == len(TOPICS)
    foreign = {"topic": "PRODUCTS_UPDATE", "subscription": {"uri": "https://other.example/hook"}}
    twice = {"topic": "PRODUCTS_UPDATE", "subscription": {"uri": ADDRESS}}
    for variables in (foreign, twice):
        await shop.client.execute(DEMO, "webhook_subscription_create", variables, cost=10)

    # One of the two is removed, one gets its fields, the others are moved.
    assert await shop.client.keep_subscribed(DEMO, BASE, PATH) == len(TOPICS) + 1
    assert await shop.client.keep_subscribed(DEMO, BASE, PATH) == 0

    found = await shop.client.subscriptions(DEMO)
    assert sorted((one.topic, one.fields) for one in found if one.uri == ADDRESS) == sorted(TOPICS.items())
    assert [one.uri for one in found if one.uri != ADDRESS] == ["https://other.example/hook"]


async def test_more_subscriptions_than_a_page_are_all_read(shop: ShopUnderTest) -> None:
    for number in range(60):
        variables = {"topic": "PRODUCTS_UPDATE", "subscription": {"uri": f"https://other.example/{number}"}}
        await shop.client.execute(DEMO, "webhook_subscription_create", variables, cost=10)
    assert len(await shop.client.subscriptions(DEMO)) == 60


async def test_an_address_that_shopify_does_not_take_is_refused_in_its_words(shop: ShopUnderTest) -> None:
    with pytest.raises(Refused, match="not supported"):
        await shop.client.keep_subscribed(DEMO, "http://bridge.example", PATH)


async def test_a_shop_that_does_not_take_our_keys_is_blocked(shop: ShopUnderTest) -> None:
    stranger = type(DEMO)(DEMO.connection_id, DEMO.domain, DEMO.client_id, "wrong")
    with pytest.raises(Blocked):
        await shop.client.keep_subscribed(stranger, BASE, PATH)
