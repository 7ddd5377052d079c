"""The pure parts of the Amazon stand-in: generated orders, the store's order of time, merge patches."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge_standins.amazon.clock import exact_stamp, instant, microseconds, stamp
from orderbridge_standins.amazon.control import merge_patch
from orderbridge_standins.amazon.generator import Generated, Profile, generate_orders
from orderbridge_standins.amazon.marketplaces import UNITED_STATES
from orderbridge_standins.amazon.orderstore import Order, OrderStore
from orderbridge_standins.catalogue import shop_catalogue

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SKUS = [variant.sku for product in shop_catalogue(1, 60) for variant in product.variants]


def made(profile: Profile, **more: Any) -> Generated:
    asked: dict[str, Any] = {
        "seed": 3,
        "catalogue_seed": 1,
        "catalogue_variants": 60,
        "marketplace_id": UNITED_STATES,
        "now": NOW,
    }
    return generate_orders(profile=profile, **(asked | more))


def skus_of(order: Order) -> list[str]:
    return [item["product"]["sellerSku"] for item in order["orderItems"]]


def test_the_same_seed_makes_the_same_orders_and_another_seed_others() -> None:
    profile = Profile(unshipped=50, pending=5, shipped=5, canceled=5, unknown_sku=5, fulfilled_by_amazon=5)

    first, again, other = made(profile), made(profile), made(profile, seed=4)

    assert first == again
    assert not {o["orderId"] for o in first.orders} & {o["orderId"] for o in other.orders}


def test_order_ids_have_amazons_form_and_are_unique() -> None:
    ids = [order["orderId"] for order in made(Profile(unshipped=2000)).orders]

    assert len(set(ids)) == 2000
    assert all(re.fullmatch(r"\d{3}-\d{7}-\d{7}", order_id) for order_id in ids)


def test_orders_have_one_to_three_lines_of_skus_that_the_shop_knows() -> None:
    orders = made(Profile(unshipped=300)).orders

    assert {len(order["orderItems"]) for order in orders} == {1, 2, 3}
    assert {sku for order in orders for sku in skus_of(order)} <= set(SKUS)


def test_an_order_with_an_unknown_sku_has_exactly_one_line_the_shop_does_not_know() -> None:
    for order in made(Profile(unknown_sku=40)).orders:
        assert len([sku for sku in skus_of(order) if sku not in SKUS]) == 1


def test_a_forced_sku_is_in_its_own_orders_alone_and_as_a_single_unit() -> None:
    profile = Profile.read({"unshipped": 300, "sku": {SKUS[0]: 4, SKUS[5]: 2}})

    result = made(profile)

    by_id = {order["orderId"]: order for order in result.orders}
    forced = {order_id: sku for sku, ids in result.by_profile["sku"].items() for order_id in ids}
    assert sorted(forced.values()) == sorted([SKUS[0]] * 4 + [SKUS[5]] * 2)
    for order_id, sku in forced.items():
        [item] = by_id[order_id]["orderItems"]
        assert (item["product"]["sellerSku"], item["quantityOrdered"]) == (sku, 1)
    others = [order for order in result.orders if order["orderId"] not in forced]
    assert not {SKUS[0], SKUS[5]} & {sku for order in others for sku in skus_of(order)}


def test_the_answer_names_the_orders_of_each_count() -> None:
    result = made(Profile(unshipped=3, pending=2, canceled=1))

    statuses = {order["orderId"]: order["fulfillment"]["fulfillmentStatus"] for order in result.orders}
    found = {story: {statuses[order_id] for order_id in ids} for story, ids in result.by_profile.items()}
    assert found == {"unshipped": {"UNSHIPPED"}, "pending": {"PENDING"}, "canceled": {"CANCELLED"}}
    assert {story: len(ids) for story, ids in result.by_profile.items()} == {
        "unshipped": 3,
        "pending": 2,
        "canceled": 1,
    }


@pytest.mark.parametrize(
    ("within", "earliest", "latest"),
    [
        (None, NOW - timedelta(hours=6, minutes=10), NOW - timedelta(minutes=10)),
        (timedelta(seconds=90), NOW - timedelta(seconds=90), NOW),
    ],
)
def test_orders_are_placed_and_then_changed_within_their_window(
    within: timedelta | None, earliest: datetime, latest: datetime
) -> None:
    for order in made(Profile(unshipped=200), updated_within=within).orders:
        placed, changed = instant(order["createdTime"]), instant(order["lastUpdatedTime"])
        assert earliest <= placed <= changed <= latest


def test_a_shop_of_the_united_states_sees_every_kind_of_charge() -> None:
    orders = made(Profile(unshipped=500)).orders

    kinds = {part["type"] for order in orders for part in order["proceeds"]["breakdowns"]}
    facilitated = {
        collection["model"]
        for order in orders
        for item in order["orderItems"]
        for collection in item["tax"]["taxCollections"]
    }
    business = [order for order in orders if "AMAZON_BUSINESS" in order["programs"]]
    gifts = [order for order in orders if any("packing" in item["fulfillment"] for item in order["orderItems"])]
    assert kinds == {"ITEM", "SHIPPING", "GIFT_WRAP", "DISCOUNT", "TAX"}
    assert facilitated == {"MARKETPLACE_FACILITATOR"}
    assert all(order["buyer"]["buyerPurchaseOrderNumber"].startswith("PO-") for order in business)
    assert business
    assert gifts


def test_yen_have_no_decimals() -> None:
    for order in made(Profile(unshipped=50), marketplace_id="A1VC38T7YXB528").orders:
        amount = order["proceeds"]["grandTotal"]["amount"]
        assert amount == str(int(Decimal(amount)))


def test_buyers_are_plainly_invented() -> None:
    for order in made(Profile(unshipped=100)).orders:
        assert order["buyer"]["buyerEmail"].endswith(".example")
        assert re.search(r" 555 01\d\d$", order["recipient"]["deliveryAddress"]["phone"])


@pytest.mark.parametrize("given_profile", [{"unshipped": "many"}, {"unshipped": True}, {"late": 1}, {"sku": ["A"]}])
def test_a_profile_that_cannot_be_read_says_so(given_profile: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"count|unknown|sku"):
        Profile.read(given_profile)


def order_at(order_id: str, minute: int) -> Order:
    moment = stamp(NOW + timedelta(minutes=minute))
    return {"orderId": order_id, "createdTime": moment, "lastUpdatedTime": moment}


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=20), st.integers(0, 9), st.integers(0, 9)
)
def test_the_store_finds_what_a_plain_scan_finds(puts: list[tuple[str, int]], first: int, last: int) -> None:
    store, latest = OrderStore(), dict[str, int]()
    for order_id, minute in puts:
        store.put(order_at(order_id, minute))
        latest[order_id] = minute

    after, before = (microseconds(NOW + timedelta(minutes=minute)) for minute in (first, last))
    found = [order["orderId"] for _, order in store.between("lastUpdated", after, before, None)]

    assert sorted(found) == sorted(order_id for order_id, minute in latest.items() if first <= minute <= last)
    assert len(store) == len(latest)


def test_orders_put_in_at_once_are_found_like_single_ones() -> None:
    single, many = OrderStore(), OrderStore()
    orders = [order_at(order_id, minute) for order_id, minute in (("a", 3), ("b", 1), ("a", 2))]
    for order in orders:
        single.put(order)
    many.put_many(orders)

    assert many.all() == single.all()


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_follows_its_standard(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00:00", "2026-W01-1T00:00:00Z", "20260101T000000Z", "2026-01-01 00:00:00Z"]
)
def test_only_a_date_time_with_a_zone_is_an_instant(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        instant(text)


def test_an_instant_keeps_its_fraction_where_it_matters() -> None:
    moment = instant("2026-01-01T01:00:00.250+01:00")

    assert stamp(moment) == "2026-01-01T00:00:00Z"
    assert instant(exact_stamp(moment)) == moment
