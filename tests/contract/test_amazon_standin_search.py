"""``searchOrders``: its parameters, its window, and its pages."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from time import process_time

import pytest

from orderbridge_standins.amazon.clock import stamp
from orderbridge_standins.amazon.trouble import Trouble

from .amazon_standin import SELLER, Door, newest_bound, open_door, wide_window


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as door:
        await door.generous()
        yield door


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"createdAfter": "2026-01-01T00:00:00Z", "lastUpdatedAfter": "2026-01-01T00:00:00Z"},
        {"createdAfter": "2026-01-01T00:00:00Z", "lastUpdatedBefore": "2026-01-02T00:00:00Z"},
        {"lastUpdatedAfter": "2026-01-01T00:00:00Z", "createdBefore": "2026-01-02T00:00:00Z"},
        {"lastUpdatedBefore": "2026-01-02T00:00:00Z"},
        {"lastUpdatedAfter": "2026-01-02T00:00:00Z", "lastUpdatedBefore": "2026-01-01T00:00:00Z"},
        {"lastUpdatedAfter": "2026-01-01"},
        {"lastUpdatedAfter": "2026-01-01T00:00:00"},
        {"lastUpdatedAfter": "2026-13-01T00:00:00Z"},
        {"lastUpdatedAfter": ""},
        {**wide_window(), "maxResultsPerPage": "0"},
        {**wide_window(), "maxResultsPerPage": "101"},
        {**wide_window(), "maxResultsPerPage": "ten"},
        {**wide_window(), "includedData": "BUYER, RECIPIENT"},
        {**wide_window(), "includedData": "EVERYTHING"},
        {**wide_window(), "fulfillmentStatuses": "CANCELED"},
        {**wide_window(), "fulfilledBy": "MFN"},
        {**wide_window(), "marketplaceIds": ",".join(f"A{number}" for number in range(51))},
        {**wide_window(), "MarketplaceIds": "ATVPDKIKX0DER"},
        {**wide_window(), "paginationToken": "2YgYW55IGNhcm5hbCBwbGVhc3VyZS4"},
    ],
)
async def test_a_parameter_against_the_rules_is_refused(door: Door, params: dict[str, str]) -> None:
    answer = await door.search(**params)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "InvalidInput"


async def test_a_list_as_a_repeated_parameter_is_refused(door: Door) -> None:
    query = "lastUpdatedAfter=2026-01-01T00:00:00Z&includedData=BUYER&includedData=TAX"

    answer = await door.http.get(
        f"/orders/2026-01-01/orders?{query}", headers={"x-amz-access-token": door.access_token}
    )

    assert answer.status_code == 400


@pytest.mark.parametrize("axis", ["created", "lastUpdated"])
async def test_an_upper_bound_must_be_two_minutes_old(door: Door, axis: str) -> None:
    door.world.clock.set_to(door.world.clock.now().replace(microsecond=0))
    lower = {f"{axis}After": "2026-01-01T00:00:00Z"}
    too_new = stamp(door.world.clock.now() - timedelta(seconds=110))

    refused = await door.search(**lower, **{f"{axis}Before": too_new})
    accepted = await door.search(**lower, **{f"{axis}Before": newest_bound(door.world)})

    assert refused.status_code == 400
    assert "at least 2 minutes before current time" in refused.json()["errors"][0]["message"]
    assert accepted.status_code == 200


async def test_both_bounds_of_a_window_are_inclusive(door: Door) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    moment = (await door.get(order_id)).json()["order"]["lastUpdatedTime"]

    answer = await door.search(lastUpdatedAfter=moment, lastUpdatedBefore=moment)

    assert [order["orderId"] for order in answer.json()["orders"]] == [order_id]
    assert answer.json()["lastUpdatedBefore"] == moment


async def test_without_an_upper_bound_the_answer_names_one_two_minutes_ago(door: Door) -> None:
    fresh = await door.generate({"unshipped": 3}, updated_within_s=60)

    [page] = await door.walk(**wide_window())
    await door.control("clock", {"advance_s": 121})
    [later] = await door.walk(**wide_window())

    assert page["orders"] == []
    assert page["lastUpdatedBefore"] <= newest_bound(door.world)
    assert {order["orderId"] for order in later["orders"]} == set(fresh["order_ids"])


async def test_a_lag_holds_back_the_answered_bound_and_the_orders_behind_it(door: Door) -> None:
    await door.generate({"unshipped": 40})
    bound = newest_bound(door.world)
    await door.control("lag", {"seconds": 7200})

    [page] = await door.walk(**wide_window(), lastUpdatedBefore=bound)

    assert page["lastUpdatedBefore"] < bound
    assert 0 < len(page["orders"]) < 40
    assert all(order["lastUpdatedTime"] <= page["lastUpdatedBefore"] for order in page["orders"])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"fulfillmentStatuses": "PENDING,CANCELLED"}, {"pending", "canceled"}),
        ({"fulfilledBy": "AMAZON"}, {"fulfilled_by_amazon"}),
        ({"fulfilledBy": "MERCHANT", "fulfillmentStatuses": "UNSHIPPED"}, {"unshipped"}),
        ({"marketplaceIds": "ATVPDKIKX0DER"}, {"pending", "canceled", "fulfilled_by_amazon", "unshipped"}),
    ],
)
async def test_a_filter_keeps_what_it_names(door: Door, filters: dict[str, str], expected: set[str]) -> None:
    made = await door.generate({"pending": 2, "canceled": 2, "fulfilled_by_amazon": 2, "unshipped": 2})

    [page] = await door.walk(**wide_window(), **filters)

    named = {order_id for story in expected for order_id in made["by_profile"][story]}
    assert {order["orderId"] for order in page["orders"]} == named


async def test_orders_of_a_marketplace_not_authorised_are_hidden_and_asking_for_it_is_refused(door: Door) -> None:
    made = await door.generate({"unshipped": 2}, marketplace_id="A1F83G8C2ARO7P")

    [page] = await door.walk(**wide_window())
    refused = await door.search(**wide_window(), marketplaceIds="A1F83G8C2ARO7P")
    hidden = await door.get(made["order_ids"][0])

    assert page["orders"] == []
    assert refused.status_code == 403
    assert hidden.status_code == 404


async def test_orders_older_than_two_years_are_not_returned(door: Door) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    old = {"createdTime": stamp(door.world.clock.now() - timedelta(days=800))}
    await door.control(f"orders/{SELLER}/{order_id}", old, method="PATCH")
    await door.control("clock", {"advance_s": 200})

    [page] = await door.walk(**wide_window())

    assert page["orders"] == []


@pytest.mark.parametrize("size", [1, 7, 25, 50, 100])
async def test_pages_bring_every_order_exactly_once_and_the_last_has_no_token(door: Door, size: int) -> None:
    made = await door.generate({"unshipped": 50})

    pages = await door.walk(**wide_window(), maxResultsPerPage=size)

    seen = Counter(order["orderId"] for page in pages for order in page["orders"])
    assert seen == Counter(made["order_ids"])
    assert len(pages) == -(-50 // size)
    assert len({page["lastUpdatedBefore"] for page in pages}) == 1


async def test_an_order_that_changes_during_the_walk_moves_no_other_over_a_page_edge(door: Door) -> None:
    made = await door.generate({"unshipped": 30})
    first = (await door.search(**wide_window(), maxResultsPerPage=10)).json()
    moved = first["orders"][0]["orderId"]
    await door.control(f"orders/{SELLER}/{moved}", {"programs": ["PRIME"]}, method="PATCH")

    seen, token = [order["orderId"] for order in first["orders"]], first["pagination"]["nextToken"]
    while token:
        page = (await door.search(**wide_window(), maxResultsPerPage=10, paginationToken=token)).json()
        seen += [order["orderId"] for order in page["orders"]]
        token = page.get("pagination", {}).get("nextToken")

    assert Counter(seen) == Counter(made["order_ids"])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"maxResultsPerPage": "5"}, 200),
        ({"lastUpdatedAfter": "2026-01-01T00:00:00.000Z"}, 400),
        ({"includedData": "TAX"}, 400),
        ({"fulfilledBy": "MERCHANT"}, 400),
    ],
)
async def test_only_the_page_size_may_change_between_pages(door: Door, change: dict[str, str], status: int) -> None:
    await door.generate({"unshipped": 4})
    asked = {**wide_window(), "maxResultsPerPage": "2", "includedData": "BUYER"}
    token = (await door.search(**asked)).json()["pagination"]["nextToken"]

    answer = await door.search(**(asked | change), paginationToken=token)

    assert answer.status_code == status
    if status == 400:
        assert "All parameters must match" in answer.json()["errors"][0]["message"]


async def test_a_page_token_must_be_encoded_exactly_once(door: Door) -> None:
    await door.generate({"unshipped": 4})
    asked = {**wide_window(), "maxResultsPerPage": "2"}
    token = (await door.search(**asked)).json()["pagination"]["nextToken"]

    raw = await door.http.get(
        f"/orders/2026-01-01/orders?lastUpdatedAfter=2026-01-01T00:00:00Z&maxResultsPerPage=2&paginationToken={token}",
        headers={"x-amz-access-token": door.access_token},
    )
    once = await door.search(**asked, paginationToken=token)

    assert set("/+=") <= set(token)
    assert raw.status_code == 400
    assert once.status_code == 200


async def test_a_page_token_lives_for_a_day_and_may_be_used_again(door: Door) -> None:
    await door.generate({"unshipped": 4})
    asked = {**wide_window(), "maxResultsPerPage": "2"}
    token = (await door.search(**asked)).json()["pagination"]["nextToken"]
    await door.control("clock", {"advance_s": 86_300})
    await door.log_in()

    first, again = [await door.search(**asked, paginationToken=token) for _ in range(2)]
    await door.control("clock", {"advance_s": 200})
    late = await door.search(**asked, paginationToken=token)

    assert first.json()["orders"] == again.json()["orders"]
    assert late.status_code == 400


async def test_a_page_token_of_another_seller_is_refused(door: Door) -> None:
    await door.generate({"unshipped": 4})
    asked = {**wide_window(), "maxResultsPerPage": "2"}
    token = (await door.search(**asked)).json()["pagination"]["nextToken"]
    other = {
        "seller_id": "A2OTHER",
        "refresh_token": "Atzr|other",
        "client_id": "amzn1.application-oa2-client.demo",
        "client_secret": "demo-secret",
        "marketplace_ids": ["ATVPDKIKX0DER"],
    }
    await door.control("sellers", other)
    await door.log_in(refresh_token="Atzr|other")

    answer = await door.search(**asked, paginationToken=token)

    assert answer.status_code == 400


async def test_a_duplicated_page_comes_again_with_a_new_token_and_then_goes_on(door: Door) -> None:
    made = await door.generate({"unshipped": 4})
    door.world.troubles.order(Trouble("searchOrders", "duplicate_page", 1, None, 0))

    pages = await door.walk(**wide_window(), maxResultsPerPage=2)

    assert len(pages) == 3
    assert pages[0]["orders"] == pages[1]["orders"]
    assert pages[0]["pagination"] != pages[1]["pagination"]
    assert {order["orderId"] for page in pages for order in page["orders"]} == set(made["order_ids"])


async def test_a_page_out_of_twenty_thousand_orders_is_quick(door: Door) -> None:
    await door.generate({"unshipped": 200})
    store = door.world.orders_of(SELLER)
    store.put_many(
        [order | {"orderId": f"{n:03d}-{order['orderId'][4:]}"} for order in store.all() for n in range(100)]
    )
    token = (await door.search(**wide_window())).json()["pagination"]["nextToken"]

    started = process_time()
    page = await door.http.get(
        "/orders/2026-01-01/orders",
        params={**wide_window(), "paginationToken": token},
        headers={"x-amz-access-token": door.access_token},
    )
    took = process_time() - started

    assert len(store) > 20_000
    assert len(page.json()["orders"]) == 100
    assert took < 0.5
