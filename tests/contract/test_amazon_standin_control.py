"""The control door: planned trouble, the ledger, orders by hand, and the stand-in as a program."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from .amazon_standin import ALL_DATA, DEMO_FORM, ORDERS, SELLER, Door, open_door, wide_window


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as door:
        await door.generous()
        yield door


async def raw_search(door: Door) -> httpx.Response:
    """A search whose answer may be anything, so it is not held against the model."""
    return await door.http.get(ORDERS, params=wide_window(), headers={"x-amz-access-token": door.access_token})


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("throttle", 429, "QuotaExceeded"),
        ("error500", 500, "InternalFailure"),
        ("error503", 503, ""),
        ("html", 503, "<html>"),
        ("empty", 200, ""),
        ("not_json_object", 200, "[]"),
        ("forbidden", 403, "Access to requested resource is denied."),
        ("expired_token", 403, "The access token you provided has expired."),
        ("bad_request", 400, "InvalidInput"),
    ],
)
async def test_planned_trouble_spoils_as_many_calls_as_ordered(door: Door, kind: str, status: int, body: str) -> None:
    await door.control("trouble", {"operation": "searchOrders", "kind": kind, "times": 2})

    answers = [await raw_search(door) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert body in answers[0].text
    assert (answers[0].text == "") == (body == "")
    assert answers[2].json()["orders"] == []
    calls = (await door.control("ledger", method="GET"))["calls"]
    assert [call["trouble"] for call in calls[-3:]] == [kind, kind, None]
    assert "retry-after" not in answers[0].headers
    assert ("x-amzn-ratelimit-limit" in answers[0].headers) == (status in {200, 400})


async def test_a_malformed_answer_is_the_beginning_of_a_good_one(door: Door) -> None:
    await door.generate({"unshipped": 3})
    await door.control("trouble", {"operation": "searchOrders", "kind": "malformed"})

    answer = await raw_search(door)

    assert answer.status_code == 200
    assert answer.text.startswith('{"orders":[{')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_an_unreadable_order_keeps_its_id_and_leaves_the_others_good(door: Door) -> None:
    made = await door.generate({"unshipped": 3})
    await door.control("trouble", {"operation": "searchOrders", "kind": "unreadable_order"})

    orders = (await raw_search(door)).json()["orders"]

    assert {order["orderId"] for order in orders} == set(made["order_ids"])
    assert [isinstance(order["orderItems"], list) for order in orders] == [False, True, True]


async def test_trouble_with_a_page_waits_for_a_page_that_can_show_it(door: Door) -> None:
    await door.control("trouble", {"operation": "searchOrders", "kind": "unreadable_order"})
    empty = (await raw_search(door)).json()
    await door.generate({"unshipped": 1})

    [order] = (await raw_search(door)).json()["orders"]

    assert empty["orders"] == []
    assert order["orderItems"] == "none"


async def test_trouble_of_one_seller_leaves_another_alone(door: Door) -> None:
    await door.control("trouble", {"operation": "searchOrders", "kind": "error500", "seller_id": "A2OTHER"})

    assert (await raw_search(door)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("error500", 500, "server_error"),
        ("throttle", 429, "slow_down"),
        ("forbidden", 400, "unauthorized_client"),
        ("bad_request", 400, "invalid_grant"),
    ],
)
async def test_the_token_endpoint_can_be_in_trouble_too(door: Door, kind: str, status: int, error: str) -> None:
    await door.control("trouble", {"operation": "token", "kind": kind})

    answer, after = await door.log_in(), await door.log_in()

    assert (answer.status_code, answer.json()["error"], after.status_code) == (status, error, 200)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("trouble", {"operation": "token", "kind": "duplicate_page"}),
        ("trouble", {"operation": "orders", "kind": "html"}),
        ("trouble", {"operation": "token", "kind": "html", "times": 0}),
        ("trouble", {"operation": "token", "kind": "html", "time": 1}),
        ("limits", {"operation": "token", "rate": 1, "burst": 1}),
        ("limits", {"operation": "getOrder", "rate": 0, "burst": 1}),
        ("lag", {"seconds": -1}),
        ("clock", {"set_to": "tomorrow"}),
    ],
)
async def test_what_the_door_cannot_do_is_refused_with_a_reason(door: Door, path: str, body: dict[str, Any]) -> None:
    answer = await door.http.post(f"/_control/{path}", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "more",
    [
        {"profile": {"unshiped": 1}},
        {"profile": {"unshipped": -1}},
        {"profile": {"sku": {"NO-SUCH-SKU": 1}}},
        {"profile": {}, "marketplace_id": "MARS"},
    ],
)
async def test_orders_that_cannot_be_made_are_refused_with_a_reason(door: Door, more: dict[str, Any]) -> None:
    asked = {"seller_id": SELLER, "seed": 1, "catalogue_seed": 1, "catalogue_variants": 10}

    answer = await door.http.post("/_control/orders/generate", json=asked | more)

    assert answer.status_code == 422


async def test_a_patch_merges_and_moves_the_last_update_to_now(door: Door) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    before = (await door.get(order_id, includedData=ALL_DATA)).json()["order"]
    patch = {"fulfillment": {"fulfillmentStatus": "SHIPPED"}, "payment": None}

    await door.control(f"orders/{SELLER}/{order_id}", patch, method="PATCH")
    after = (await door.get(order_id, includedData=ALL_DATA)).json()["order"]

    assert after["fulfillment"] == before["fulfillment"] | {"fulfillmentStatus": "SHIPPED"}
    assert "payment" not in after
    assert after["lastUpdatedTime"] > before["lastUpdatedTime"]
    assert after["createdTime"] == before["createdTime"]


async def test_an_order_put_in_whole_is_updated_now_unless_its_times_are_kept(door: Door) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    [order] = (await door.control(f"orders?seller_id={SELLER}", method="GET"))["orders"]
    path = f"orders/{SELLER}/{order_id}"

    kept = await door.control(f"{path}?keep_times=true", order, method="PUT")
    moved = await door.control(path, order, method="PUT")

    assert kept == order
    assert moved["lastUpdatedTime"] > order["lastUpdatedTime"]
    assert len((await door.control(f"orders?seller_id={SELLER}", method="GET"))["orders"]) == 1


@pytest.mark.parametrize("spoil", [{"orderId": "1"}, {"createdTime": "today"}, {"orderItems": None}])
async def test_an_order_that_could_not_be_answered_is_not_taken_in(door: Door, spoil: dict[str, Any]) -> None:
    [order_id] = (await door.generate({"unshipped": 1}))["order_ids"]
    [order] = (await door.control(f"orders?seller_id={SELLER}", method="GET"))["orders"]

    answer = await door.http.put(f"/_control/orders/{SELLER}/{order_id}", json=order | spoil)

    assert answer.status_code == 422


async def test_the_ledger_tells_of_every_call_and_holds_no_token(door: Door) -> None:
    made = await door.generate({"unshipped": 5})
    await door.walk(**wide_window(), maxResultsPerPage=2)
    await door.get(made["order_ids"][0])
    await door.http.get("/orders/v0/orders")

    ledger = await door.control("ledger", method="GET")

    calls = ledger["calls"]
    assert [call["n"] for call in calls] == list(range(1, 7))
    assert [call["operation"] for call in calls] == ["token", *["searchOrders"] * 3, "getOrder", "other"]
    assert [call["first_page"] for call in calls] == [None, True, False, False, None, None]
    assert [call["window_orders"] for call in calls] == [None, 5, 5, 5, None, None]
    assert {order_id for call in calls[1:4] for order_id in call["order_ids"]} == set(made["order_ids"])
    assert {call["seller_id"] for call in calls[:5]} == {SELLER}
    assert ledger["counts"]["searchOrders"] == 3
    assert ledger["counts"]["by_status"]["other 403"] == 1
    assert not any(token in json.dumps(ledger) for token in ("Atza|", "Atzr|", "demo-secret", "nextToken"))
    assert len((await door.control("ledger?since=4", method="GET"))["calls"]) == 2


async def test_reset_forgets_orders_tokens_troubles_and_calls(door: Door) -> None:
    await door.generate({"unshipped": 5})
    await door.control("trouble", {"operation": "searchOrders", "kind": "html"})

    await door.control("reset")
    refused = await raw_search(door)
    await door.log_in()

    assert refused.status_code == 403
    assert (await raw_search(door)).json()["orders"] == []
    assert (await door.control("ledger", method="GET"))["counts"]["total"] == 3


async def test_the_date_header_is_the_stand_ins_time(door: Door) -> None:
    await door.control("clock", {"advance_s": 86_400})

    answers = [await door.log_in(), await raw_search(door), await door.http.get("/nowhere")]

    for answer in answers:
        ahead = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
        assert 86_390 < ahead.total_seconds() < 86_410
        assert len(answer.headers.get_list("date")) == 1


@pytest.fixture
def served() -> Iterator[str]:
    """The stand-in as a program of its own, on a free port; it must end on SIGTERM."""
    argv = [sys.executable, "-m", "orderbridge_standins", "amazon", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().rsplit(" ", 1)[1].strip()
        finally:
            program.terminate()
            program.wait(timeout=20)


def test_as_a_program_it_answers_with_one_date_and_breaks_off_when_told(served: str) -> None:
    with httpx.Client(base_url=served, trust_env=False) as http:
        login = http.post("/auth/o2/token", data=DEMO_FORM)
        headers = {"x-amz-access-token": login.json()["access_token"]}
        health = http.get("/_control/health")
        http.post("/_control/trouble", json={"operation": "searchOrders", "kind": "cut"})
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(ORDERS, params=wide_window(), headers=headers)
        good = http.get(ORDERS, params=wide_window(), headers=headers)
        ledger = http.get("/_control/ledger").json()["calls"]

    assert len(health.headers.get_list("date")) == 1
    assert "server" not in health.headers
    assert good.status_code == 200
    assert [call["status"] for call in ledger] == [200, None, 200]


def test_a_hanging_call_does_not_hold_up_another(served: str) -> None:
    with httpx.Client(base_url=served, trust_env=False) as http:
        headers = {"x-amz-access-token": http.post("/auth/o2/token", data=DEMO_FORM).json()["access_token"]}
        http.post("/_control/trouble", json={"operation": "searchOrders", "kind": "hang", "hang_s": 30})
        with pytest.raises(httpx.ReadTimeout):
            http.get(ORDERS, params=wide_window(), headers=headers, timeout=0.3)

        assert http.get(ORDERS, params=wide_window(), headers=headers).status_code == 200


def test_a_taken_port_ends_the_program_with_one_line_and_code_two() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [sys.executable, "-m", "orderbridge_standins", "amazon", "--port", str(port)]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"amazon stand-in: cannot listen on 127.0.0.1:{port}: Address already in use"]
