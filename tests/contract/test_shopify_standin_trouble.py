"""Tokens, points, scripted trouble and the ledger of the Shopify stand-in, in process and over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orderbridge_standins.shopify.wire import ConnectionCut
from tests.support.shopify_standin import (
    CREATE,
    DEFINE,
    DEFINITION,
    SHOP,
    TEE_SKU,
    StandinClient,
    line,
    order,
    served_shopify_standin,
    shopify_standin,
)
from tests.support.step import until

RECORDED = Path(__file__).parents[3] / "shared" / "contracts" / "shopify" / "recorded_responses.json"
VARIANTS = "query($first: Int!) { productVariants(first: $first) { nodes { product { id } inventoryItem { id } } } }"
OBEYING = {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY"}


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


async def trouble(shop: StandinClient, kind: str, operation: str = "orderCreate", **more: Any) -> None:
    await shop.control("POST", "trouble", kind=kind, operation=operation, **more)


# tokens and scopes


async def test_a_token_is_granted_for_the_right_credentials_only(shop: StandinClient) -> None:
    good = (await shop.ask_token()).json()

    assert good["expires_in"] == 86399
    assert "write_orders" in good["scope"].split(",")
    assert (await shop.ask_token(client_secret="wrong")).status_code == 401
    assert (await shop.ask_token(client_id="nobody")).status_code == 400
    assert (await shop.ask_token(grant_type="password")).status_code == 400


async def test_a_token_may_be_asked_for_by_form_too(shop: StandinClient) -> None:
    form = {"client_id": "demo-client", "client_secret": "demo-secret", "grant_type": "client_credentials"}

    assert (await shop.http.post(f"/{SHOP}/admin/oauth/access_token", data=form)).status_code == 200


async def test_no_token_a_wrong_one_and_an_expired_one_are_unauthorized(shop: StandinClient) -> None:
    query = "{ shop { id } }"
    assert (await shop.post(query)).status_code == 200

    shop.clock.advance(86_400)
    expired = await shop.post(query)
    shop.headers = {"X-Shopify-Access-Token": "shpat_wrong"}
    wrong = await shop.post(query)
    shop.headers = {}
    none = await shop.post(query)

    assert [answer.status_code for answer in (expired, wrong, none)] == [401, 401, 401]


async def test_a_missing_scope_is_named_and_other_fields_go_on(shop: StandinClient) -> None:
    asked = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": ["read_products"]}
    await shop.http.post("/_control/shops", json=asked)
    await shop.sign_in()

    refused = await shop.run(CREATE, order=order())

    assert refused["data"] == {"orderCreate": None}
    assert refused["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "`write_orders` access scope" in refused["errors"][0]["message"]
    assert (await shop.data(VARIANTS, first=1))["productVariants"]["nodes"]
    assert await shop.outcomes() == [("refused", False, None)]


async def test_a_definition_may_be_forbidden(shop: StandinClient) -> None:
    await shop.control("POST", "settings", definition_allowed=False)

    body = await shop.run(DEFINE, definition=DEFINITION)

    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


# points


async def test_a_slim_creation_costs_ten_and_two_hundred_and_fifty_variants_cost_752(shop: StandinClient) -> None:
    created = await shop.run(CREATE, order=order())
    listed = await shop.run(VARIANTS, first=250)

    assert created["extensions"]["cost"] == {
        "requestedQueryCost": 10,
        "actualQueryCost": 10,
        "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 1990, "restoreRate": 100},
    }
    assert listed["extensions"]["cost"]["requestedQueryCost"] == 752


async def test_what_was_not_used_is_given_back(shop: StandinClient) -> None:
    narrow = 'query($first: Int!) { productVariants(first: $first, query: "id:44000010000000") { nodes { id } } }'

    cost = (await shop.run(narrow, first=250))["extensions"]["cost"]

    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (252, 3)
    assert cost["throttleStatus"]["currentlyAvailable"] == 1997


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no {RECORDED}")
async def test_an_empty_bucket_throttles_as_recorded_and_refills_by_the_second(shop: StandinClient) -> None:
    await shop.control("POST", "settings", bucket={"maximum": 25, "restore": 5})
    for number in range(2):
        await shop.create(order(amazon_order_id=str(number)))

    refused = await shop.run(CREATE, order=order(amazon_order_id="2"))
    shop.clock.advance(0.9)
    early = await shop.run(CREATE, order=order(amazon_order_id="2"))
    shop.clock.advance(0.2)
    accepted = await shop.run(CREATE, order=order(amazon_order_id="2"))

    expected = json.loads(RECORDED.read_text(encoding="utf-8"))["transport"]["throttled"]["body"]
    cost = expected["extensions"]["cost"]
    cost.update(requestedQueryCost=10)
    cost["throttleStatus"] = {"maximumAvailable": 25, "currentlyAvailable": 5, "restoreRate": 5}
    assert refused == expected
    assert "data" not in early
    assert accepted["data"]["orderCreate"]["order"] is not None
    outcomes = [outcome for outcome, _, _ in await shop.outcomes()]
    assert outcomes == ["accepted", "accepted", "refused", "refused", "accepted"]


async def test_a_query_beyond_a_thousand_points_is_refused_whatever_the_bucket(shop: StandinClient) -> None:
    deep = "{ products(first: 50) { nodes { variants(first: 50) { nodes { id } } } } }"

    body = await shop.run(deep)

    assert body["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert "data" not in body


# trouble


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("http429", 429, "refused"),
        ("unauthorized", 401, "refused"),
        ("error500", 500, "cut_off"),
        ("error502", 502, "cut_off"),
        ("html", 200, "cut_off"),
        ("throttled", 200, "refused"),
        ("access_denied", 200, "refused"),
        ("internal_error", 200, "cut_off"),
        ("too_many_attempts", 200, "refused"),
    ],
)
async def test_trouble_that_answers_has_no_effect_and_happens_as_often_as_asked(
    shop: StandinClient, kind: str, status: int, outcome: str
) -> None:
    levels = await shop.levels()
    await trouble(shop, kind, times=2)

    answers = [await shop.post(CREATE, order=order(), options=OBEYING) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert await shop.outcomes() == [(outcome, False, kind)] * 2
    assert await shop.levels() == levels
    assert (await shop.create(order()))["order"] is not None


async def test_the_bodies_of_trouble_are_the_vendors(shop: StandinClient) -> None:
    bodies: dict[str, httpx.Response] = {}
    for kind in ("throttled", "internal_error", "access_denied", "too_many_attempts", "http429", "html"):
        await trouble(shop, kind, retry_after=7)
        bodies[kind] = await shop.post(CREATE, order=order())

    codes = {kind: bodies[kind].json()["errors"][0]["extensions"]["code"] for kind in list(bodies)[:3]}
    assert codes == {
        "throttled": "THROTTLED",
        "internal_error": "INTERNAL_SERVER_ERROR",
        "access_denied": "ACCESS_DENIED",
    }
    [error] = bodies["too_many_attempts"].json()["data"]["orderCreate"]["userErrors"]
    assert error["message"] == "Too many attempts. Please try again later."
    assert bodies["http429"].headers["Retry-After"] == "7.0"
    assert bodies["html"].headers["content-type"] == "text/html"


async def test_a_garbled_answer_comes_after_the_effect(shop: StandinClient) -> None:
    await trouble(shop, "garbled_after")

    answer = await shop.post(CREATE, order=order())

    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert await shop.outcomes() == [("accepted", True, "garbled_after")]


@pytest.mark.parametrize(
    ("kind", "effect"),
    [("cut_before", False), ("cut_after", True), ("timeout_before", False), ("timeout_after", True)],
)
async def test_a_cut_connection_leaves_its_effect_or_none(shop: StandinClient, kind: str, effect: bool) -> None:
    await trouble(shop, kind, hang_s=0)

    with pytest.raises(ConnectionCut):
        await shop.post(CREATE, order=order(), options=OBEYING)

    assert await shop.outcomes() == [("accepted" if effect else "cut_off", effect, kind)]
    assert len((await shop.ledger())["orders"]) == int(effect)


async def test_a_late_effect_comes_after_the_cut_and_the_ledger_turns_over(shop: StandinClient) -> None:
    await shop.define()
    await trouble(shop, "late", late_s=5)
    with pytest.raises(ConnectionCut):
        await shop.post(CREATE, order=order())

    before = (await shop.find(), await shop.outcomes())
    shop.clock.advance(5)
    found = await shop.find()

    assert before == (None, [("cut_off", False, "late")])
    assert await shop.outcomes() == [("accepted", True, "late")]
    assert found == {"id": (await shop.ledger())["orders"][0]["gid"]}


async def test_trouble_meets_only_the_call_it_names(shop: StandinClient) -> None:
    await shop.define()
    await trouble(shop, "error500", "orderByIdentifier")
    await trouble(shop, "http429", "token")

    assert (await shop.create(order()))["order"] is not None
    assert (await shop.post('{ orderByIdentifier(identifier: {id: "x"}) { id } }')).status_code == 500
    assert (await shop.ask_token()).status_code == 429
    assert (await shop.ask_token()).status_code == 200


async def test_a_silent_shop_cuts_off_what_came_in_and_another_shop_answers(shop: StandinClient) -> None:
    other = {"shop": "other.myshopify.com", "client_id": "c", "client_secret": "s", "variants": 1}
    await shop.http.post("/_control/shops", json=other)
    await shop.control("POST", "settings", hang_all_s=60)
    hanging = asyncio.ensure_future(shop.post(CREATE, order=order()))
    asked = {"client_id": "c", "client_secret": "s", "grant_type": "client_credentials"}

    answered = await shop.http.post("/other.myshopify.com/admin/oauth/access_token", json=asked)
    assert answered.status_code == 200
    await until(shop.outcomes)
    assert not hanging.done()
    await shop.control("POST", "settings", hang_all_s=0)

    with pytest.raises(ConnectionCut):
        await hanging
    assert await shop.outcomes() == [("cut_off", False, "silence")]
    assert (await shop.create(order()))["order"] is not None


# ledger and control


async def test_the_ledger_lists_attempts_orders_and_calls(shop: StandinClient) -> None:
    await shop.create(order(line(quantity=2), amazon_order_id="A", tags=["amazon-forced"]))
    await shop.create(order(lineItems=[], amazon_order_id="B"))

    ledger = await shop.ledger()

    assert [(a["n"], a["amazon_order_id"], a["outcome"]) for a in ledger["order_creates"]] == [
        (1, "A", "accepted"),
        (2, "B", "refused"),
    ]
    assert ledger["order_creates"][1]["user_errors"][0]["code"] == "INVALID"
    assert ledger["counts"] == {
        "accepted": 1,
        "refused": 1,
        "cut_off": 0,
        "calls": {"token": 1, "orderCreate": 2},
    }
    [made] = ledger["orders"]
    assert (made["amazon_order_id"], made["tags"], made["total"]) == ("A", ["amazon-forced"], "25.0")
    assert made["lines"][0]["sku"] == TEE_SKU


async def test_a_reset_forgets_everything_but_the_demo_shop(shop: StandinClient) -> None:
    await shop.create(order())

    await shop.http.post("/_control/reset")

    assert (await shop.ledger())["order_creates"] == []
    assert (await shop.post("{ shop { id } }")).status_code == 401


async def test_what_the_control_door_does_not_know_is_refused(shop: StandinClient) -> None:
    door = f"/_control/shops/{SHOP}"
    answers = [
        await shop.http.post(f"{door}/trouble", json={"kind": "earthquake"}),
        await shop.http.post(f"{door}/trouble", json={"kind": "too_many_attempts", "operation": "products"}),
        await shop.http.post(f"{door}/settings", json={"colour": "red"}),
        await shop.http.post(f"{door}/stock", json={"sku": "NOBODY", "available": 1}),
        await shop.http.get("/_control/shops/nobody.myshopify.com/ledger"),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 404, 404]


async def test_two_variants_with_one_sku_can_both_be_made_and_are_not_confused(shop: StandinClient) -> None:
    await shop.control("POST", "products", title="Twin", variants=[{"sku": TEE_SKU}])

    answer = await shop.http.patch(f"/_control/shops/{SHOP}/variants/{TEE_SKU}", json={"title": "Which?"})

    assert answer.status_code == 409


# a real socket


async def test_a_cut_is_a_broken_connection_on_a_real_socket() -> None:
    async with served_shopify_standin() as shop:
        for kind, effect in (("cut_before", False), ("cut_after", True), ("late", False)):
            await trouble(shop, kind, late_s=3600)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await shop.post(CREATE, order=order(amazon_order_id=kind))
            assert (await shop.outcomes())[-1] == ("accepted" if effect else "cut_off", effect, kind)
        assert (await shop.create(order(amazon_order_id="after")))["order"] is not None


async def test_a_hanging_call_times_out_at_the_client_with_and_without_effect() -> None:
    async with served_shopify_standin() as shop:
        for kind, effect in (("timeout_before", False), ("timeout_after", True)):
            await trouble(shop, kind, hang_s=30)
            with pytest.raises(httpx.ReadTimeout):
                await shop.http.post(
                    f"/{SHOP}/admin/api/2026-10/graphql.json",
                    json={"query": CREATE, "variables": {"order": order(amazon_order_id=kind)}},
                    headers=shop.headers,
                    timeout=0.2,
                )
            assert (await shop.outcomes())[-1] == ("accepted" if effect else "cut_off", effect, kind)
