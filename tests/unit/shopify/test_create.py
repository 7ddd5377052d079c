"""orderCreate: every way it can end is told apart, and an order that exists is never taken for one that does not."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from orderbridge.errors import Blocked, OutcomeUnknown, Refused, Throttled, Unavailable
from orderbridge.http import open_http
from orderbridge.money import Money
from orderbridge.shopify import (
    IdentityTaken,
    OrderAccepted,
    OrderRefused,
    OutOfPoints,
    Shopify,
    StockRefused,
    admin_url,
)
from orderbridge.shopify.answers import DEFINITION

from .shop import BASE, DEMO, Ledger, ShopUnderTest

AMAZON_ID = "113-1234567-7654321"


def usd(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def variables(variant_id: str, quantity: int = 1, **order: Any) -> dict[str, Any]:
    line = {"variantId": variant_id, "quantity": quantity, "priceSet": usd("12.50"), "requiresShipping": True}
    fields = {
        "currency": "USD",
        "sourceIdentifier": AMAZON_ID,
        "lineItems": [line],
        "shippingLines": [{"title": "Amazon Standard", "priceSet": usd("1.00")}],
        "metafields": [{"namespace": "$app", "key": "amazon_order_id", "type": "id", "value": AMAZON_ID}],
        **order,
    }
    return {"order": fields, "options": {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY"}}


@dataclass
class Ready:
    shop: ShopUnderTest
    variant_id: str
    sku: str

    async def create(self, quantity: int = 1, **order: Any) -> Any:
        return await self.shop.client.order_create(DEMO, variables(self.variant_id, quantity, **order))


@pytest.fixture
async def ready(shop: ShopUnderTest) -> Ready:
    await shop.client.ensure_definition(DEMO)
    shown = (await shop.variants())[0]
    return Ready(shop, shown["variant_id"], shown["sku"])


async def test_an_accepted_order_is_told_with_what_became_of_it(ready: Ready) -> None:
    made = await ready.create(2)

    assert isinstance(made, OrderAccepted)
    assert made.gid.startswith("gid://shopify/Order/")
    assert made.name is not None
    assert made.total == Money(amount=Decimal("26.00"), currency="USD")
    assert made.variant_ids == (ready.variant_id,)
    assert await ready.shop.outcomes() == [("accepted", True)]


async def test_the_cost_of_a_create_covers_what_shopify_asks_for(ready: Ready) -> None:
    await ready.create()

    _, taken, reserve = ready.shop.budget.taken[-1]
    asked = ready.shop.asked[-1].requested_cost
    assert asked is not None
    assert asked <= taken
    assert reserve == 0.1


async def test_an_admitted_create_takes_no_points_again(ready: Ready) -> None:
    asked = variables(ready.variant_id)
    await ready.shop.client.admit_create(DEMO, asked)
    taken = list(ready.shop.budget.taken)

    await ready.shop.client.order_create(DEMO, asked, admitted=True)

    assert ready.shop.budget.taken == taken


async def test_a_created_order_is_found_by_its_amazon_order_id(ready: Ready) -> None:
    assert await ready.shop.client.order_by_amazon_id(DEMO, AMAZON_ID) is None
    made = await ready.create()

    found = await ready.shop.client.order_by_amazon_id(DEMO, AMAZON_ID)

    assert found is not None
    assert (found.gid, found.name, found.total, found.canceled) == (made.gid, made.name, made.total, False)


async def test_without_the_definition_a_look_up_is_misconfigured_and_not_empty(ready: Ready) -> None:
    await ready.create()
    await ready.shop.control("DELETE", "definition")

    with pytest.raises(Blocked) as caught:
        await ready.shop.client.order_by_amazon_id(DEMO, AMAZON_ID)

    assert (caught.value.state, caught.value.missing) == ("misconfigured", (DEFINITION,))


async def test_one_unit_short_refuses_the_order_and_takes_nothing(ready: Ready) -> None:
    await ready.shop.control("POST", "stock", sku=ready.sku, available=2)

    made = await ready.create(3)

    assert isinstance(made, StockRefused)
    assert made.problems == (("INVALID", "order.lineItems", "Line items Unable to reserve inventory"),)
    assert (await ready.shop.client.stock_of(DEMO, [ready.variant_id]))[ready.variant_id].available == 2


async def test_a_second_order_of_the_same_amazon_order_is_taken(ready: Ready) -> None:
    await ready.create()

    assert isinstance(await ready.create(), IdentityTaken)


async def test_a_variant_that_is_gone_refuses_the_order(ready: Ready) -> None:
    await ready.shop.control("DELETE", f"variants/{ready.sku}")

    made = await ready.create()

    assert isinstance(made, OrderRefused)
    assert any("can't be blank" in message for _, _, message in made.problems)


async def test_an_input_that_shopify_cannot_read_is_refused_with_its_place(ready: Ready) -> None:
    with pytest.raises(Refused) as caught:
        await ready.create(nonsense=1)

    assert any("nonsense" in f"{field} {message}" for _, field, message in caught.value.problems)


async def test_too_many_attempts_is_throttled_and_not_refused(ready: Ready) -> None:
    await ready.shop.trouble("too_many_attempts", "orderCreate")

    with pytest.raises(Throttled) as caught:
        await ready.create()

    assert not isinstance(caught.value, OutOfPoints)
    assert caught.value.retry_after_s == 15.0


@pytest.mark.parametrize("kind", ["throttled", "http429"])
async def test_a_throttled_create_is_throttled(ready: Ready, kind: str) -> None:
    await ready.shop.trouble(kind, "orderCreate")

    with pytest.raises(Throttled):
        await ready.create()


TROUBLE = {
    "error500": False,
    "error502": False,
    "html": False,
    "internal_error": False,
    "cut_before": False,
    "cut_after": True,
    "garbled_after": True,
}


@pytest.mark.parametrize(("kind", "effect"), TROUBLE.items(), ids=TROUBLE)
async def test_whatever_is_not_an_answer_leaves_a_create_open(ready: Ready, kind: str, effect: bool) -> None:
    await ready.shop.trouble(kind, "orderCreate")

    with pytest.raises(OutcomeUnknown):
        await ready.create()

    assert [took for _, took in await ready.shop.outcomes()] == [effect]
    assert (await ready.shop.client.order_by_amazon_id(DEMO, AMAZON_ID) is not None) == effect


async def test_a_denied_create_blocks_the_connection(ready: Ready) -> None:
    await ready.shop.trouble("access_denied", "orderCreate")

    with pytest.raises(Blocked) as caught:
        await ready.create()

    assert caught.value.state == "misconfigured"


async def test_a_refused_token_is_renewed_and_the_order_sent_with_the_new_one(ready: Ready) -> None:
    await ready.shop.trouble("unauthorized", "orderCreate")

    assert isinstance(await ready.create(), OrderAccepted)
    assert await ready.shop.outcomes() == [("refused", False), ("accepted", True)]


async def test_a_budget_that_cannot_learn_loses_no_order(ready: Ready) -> None:
    ready.shop.budget.broken = True

    assert isinstance(await ready.create(), OrderAccepted)


async def test_shopifys_words_come_without_the_buyers(ready: Ready) -> None:
    made = await ready.create(shippingAddress={"lastName": "Beispiel", "countryCode": "US", "phone": "5550123x"})

    assert isinstance(made, OrderRefused)
    assert "5550123x" not in str(made)
    assert made.problems[0][1] == "order.shippingAddress.phone"


def test_an_order_is_shown_in_the_shops_admin() -> None:
    assert admin_url("shop.myshopify.com", "gid://shopify/Order/42") == "https://shop.myshopify.com/admin/orders/42"


# --- answers that no stand-in gives


async def answered(payload: Any, status: int = 200, **more: Any) -> Any:
    """What ``order_create`` makes of one answer."""
    body = json.dumps({"access_token": "t", "data": {"orderCreate": payload}, **more}).encode()

    async def app(scope: MutableMapping[str, Any], receive: object, send: Any) -> None:
        code = 200 if scope["path"].endswith("access_token") else status
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with open_http(asgi=app) as http:
        return await Shopify(http, Ledger(), base_url=BASE).order_create(DEMO, variables("v"))


GID = "gid://shopify/Order/42"


@pytest.mark.parametrize(
    "order",
    [
        {"id": GID},
        {"id": GID, "name": 7, "totalPriceSet": {"shopMoney": {"amount": "much", "currencyCode": "USD"}}},
        {"id": GID, "totalPriceSet": [], "lineItems": {"nodes": [None]}},
        {"id": GID, "lineItems": "?", "displayFinancialStatus": "A_NEW_WORD", "sourceIdentifier": None},
    ],
)
async def test_an_order_that_exists_is_accepted_however_odd_the_rest_is(order: dict[str, Any]) -> None:
    assert await answered({"order": order, "userErrors": [{"message": "Odd"}]}) == OrderAccepted(GID, None, None, ())


async def test_an_order_that_exists_is_accepted_beside_errors() -> None:
    errors = [{"message": "Oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]

    assert await answered({"order": {"id": GID}}, errors=errors) == OrderAccepted(GID, None, None, ())


async def test_another_orders_answer_leaves_ours_open() -> None:
    with pytest.raises(OutcomeUnknown):
        await answered({"order": {"id": GID, "sourceIdentifier": "113-0000000-0000000"}})


@pytest.mark.parametrize(
    "payload",
    [None, {}, [], {"order": None, "userErrors": []}, {"order": []}, {"order": {"id": "gid://shopify/Product/1"}}],
)
async def test_neither_an_order_nor_an_error_leaves_it_open(payload: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        await answered(payload)


async def test_a_claim_that_failed_is_missing_stock_by_its_code_too() -> None:
    errors = [{"code": "INVENTORY_CLAIM_FAILED", "field": ["order"], "message": "No."}]

    assert isinstance(await answered({"order": None, "userErrors": errors}), StockRefused)


async def test_a_dormant_shop_blocks_the_connection() -> None:
    with pytest.raises(Blocked):
        await answered({"order": None, "userErrors": [{"code": "SHOP_DORMANT", "message": "The shop is dormant."}]})


async def test_without_a_connection_the_order_was_not_sent() -> None:
    async with open_http() as http:
        client = Shopify(http, Ledger(), base_url="http://127.0.0.1:1")
        with pytest.raises(Unavailable):
            await client.order_create(DEMO, variables("v"))
