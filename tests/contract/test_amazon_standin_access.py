"""Tokens and quotas: who may call, and how often."""

from collections.abc import AsyncIterator

import httpx
import pytest

from orderbridge_standins.amazon.world import World

from .amazon_standin import DEMO_FORM, SELLER, Door, open_door, wide_window


class Stopwatch:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
async def door(stopwatch: Stopwatch) -> AsyncIterator[Door]:
    async with open_door(World(monotonic=stopwatch)) as door:
        yield door


async def test_a_refresh_token_buys_a_bearer_token_for_an_hour(door: Door) -> None:
    answer = await door.log_in()

    assert answer.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["refresh_token"] == "Atzr|demo"
    assert answer.json()["access_token"].startswith("Atza|")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"refresh_token": "Atzr|unknown"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
    ],
)
async def test_a_bad_login_is_refused_as_recorded(door: Door, form: dict[str, str], status: int, error: str) -> None:
    answer = await door.log_in(**form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    extra = {"error_index", "request_id"} if error == "unsupported_grant_type" else set()
    assert answer.json().keys() == {"error", "error_description"} | extra


async def test_a_login_in_json_is_refused_as_an_unauthenticated_client(door: Door) -> None:
    answer = await door.http.post("/auth/o2/token", json=DEMO_FORM)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_token_expires_after_an_hour_of_the_stand_ins_clock(door: Door) -> None:
    before = await door.search(**wide_window())
    await door.control("clock", {"advance_s": 3600})
    after = await door.search(**wide_window())

    assert before.status_code == 200
    assert_denied(after, "The access token you provided has expired.")


async def test_a_revoked_authorisation_ends_its_tokens_until_it_is_restored(door: Door) -> None:
    await door.control("revoke", {"refresh_token": "Atzr|demo"})
    refused, login = await door.search(**wide_window()), await door.log_in()
    await door.control("restore", {"refresh_token": "Atzr|demo"})
    again = await door.log_in()

    assert_denied(refused, "The access token you provided is revoked, malformed or invalid.")
    assert (login.status_code, login.json()["error"]) == (400, "invalid_grant")
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("token", "details"),
    [
        ("", "Access token is missing in the request header."),
        ("Atza|made-up", "The access token you provided is revoked, malformed or invalid."),
    ],
)
async def test_a_call_without_a_good_token_is_denied(door: Door, token: str, details: str) -> None:
    door.access_token = token

    assert_denied(await door.search(**wide_window()), details)
    assert_denied(await door.get("113-0000000-0000000"), details)


def assert_denied(answer: httpx.Response, details: str) -> None:
    assert answer.status_code == 403
    assert answer.json() == {
        "errors": [{"code": "Unauthorized", "message": "Access to requested resource is denied.", "details": details}]
    }
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert "x-amzn-ratelimit-limit" not in answer.headers


async def test_the_default_plans_are_amazons(door: Door) -> None:
    search = [await door.search(**wide_window()) for _ in range(21)]
    order = [await door.get("113-0000000-0000000") for _ in range(31)]

    assert [answer.status_code for answer in search] == [200] * 20 + [429]
    assert [answer.status_code for answer in order] == [404] * 30 + [429]
    assert search[0].headers["x-amzn-ratelimit-limit"] == "0.0056"
    assert order[0].headers["x-amzn-ratelimit-limit"] == "0.5"


async def test_a_throttled_answer_says_neither_the_rate_nor_when_to_come_again(door: Door) -> None:
    await door.control("limits", {"operation": "searchOrders", "rate": 0.1, "burst": 1})
    await door.search(**wide_window())

    answer = await door.search(**wide_window())

    assert answer.status_code == 429
    assert answer.json()["errors"][0]["code"] == "QuotaExceeded"
    assert not {"retry-after", "x-amzn-ratelimit-limit"} & answer.headers.keys()


async def test_real_time_refills_the_bucket_and_the_stand_ins_clock_does_not(door: Door, stopwatch: Stopwatch) -> None:
    await door.control("limits", {"operation": "searchOrders", "rate": 0.1, "burst": 1})
    first = await door.search(**wide_window())
    await door.control("clock", {"advance_s": 600})
    moved = await door.search(**wide_window())
    stopwatch.seconds += 10.5
    refilled = await door.search(**wide_window())

    assert [answer.status_code for answer in (first, moved, refilled)] == [200, 429, 200]
    assert first.headers["x-amzn-ratelimit-limit"] == "0.1"


async def test_sellers_have_quotas_of_their_own(door: Door) -> None:
    await door.control("limits", {"operation": "searchOrders", "rate": 0.1, "burst": 1})
    await door.search(**wide_window())
    await door.control(
        "sellers",
        {
            "seller_id": "A2OTHER",
            "refresh_token": "Atzr|other",
            "client_id": DEMO_FORM["client_id"],
            "client_secret": DEMO_FORM["client_secret"],
            "marketplace_ids": ["ATVPDKIKX0DER"],
        },
    )
    await door.log_in(refresh_token="Atzr|other")

    assert (await door.search(**wide_window())).status_code == 200


async def test_without_the_shipping_role_a_person_is_silently_absent_until_the_seller_authorises_anew(
    door: Door,
) -> None:
    seller = {
        "seller_id": SELLER,
        "client_id": DEMO_FORM["client_id"],
        "client_secret": DEMO_FORM["client_secret"],
        "marketplace_ids": ["ATVPDKIKX0DER"],
    }
    await door.control("sellers", {**seller, "refresh_token": "Atzr|demo", "sees_recipients": False})
    await door.control("sellers", {**seller, "refresh_token": "Atzr|anew"})
    [order_id] = (await door.generate({"unshipped": 1}))["by_profile"]["unshipped"]

    shown = []
    for refresh_token in ("Atzr|demo", "Atzr|anew"):
        await door.log_in(refresh_token=refresh_token)
        shown.append((await door.get(order_id, includedData="BUYER,RECIPIENT")).json()["order"])

    without, whole = shown
    address = whole["recipient"]["deliveryAddress"]
    left = {"city", "stateOrRegion", "municipality", "postalCode", "countryCode", "addressType"}
    assert without["recipient"]["deliveryAddress"] == {name: address[name] for name in left}
    assert {"name", "addressLine1", "phone"} <= address.keys()
    assert "buyerName" in whole["buyer"]
    assert not {"buyerName", "buyerEmail"} & without["buyer"].keys()
