"""What holds for every address: keys, bounds, one form of errors, and the document that describes them."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge_api.actions import Desk, install_admin_key
from orderbridge_api.app import create_app_for_docs

from .support import ADMIN_KEY, Api, problem

DOCUMENT: dict[str, Any] = create_app_for_docs().openapi()
SIGNED = "/v1/webhooks/shopify/{connection_id}"
"""The one route that asks for no key: who calls it signs."""
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]


async def test_every_route_asks_for_a_key_before_it_reads_anything(api: Api) -> None:
    for path, method in OPERATIONS:
        for header in ("", "Bearer", "Bearer wrong", f"Basic {ADMIN_KEY}", f"Bearer {ADMIN_KEY}x"):
            headers = {"Authorization": header, "Content-Type": "application/json"}
            answer = await api.client.request(method, path, content="{", headers=headers)
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_route_declares_its_role_and_its_errors(path: str, method: str) -> None:
    operation = DOCUMENT["paths"][path][method]
    if path == SIGNED:
        assert operation["security"] == [{"ShopifySignature": []}]
    else:
        assert operation["x-role"] in ("viewer", "operator", "admin")
        assert operation["security"] == [{"HTTPBearer": []}]
    assert operation["operationId"]
    assert operation["tags"]
    assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
    code, success = next(one for one in operation["responses"].items() if one[0].startswith("2"))
    if code == "204":
        assert "content" not in success
    else:
        [content] = success["content"].values()
        assert content["schema"]


def test_the_document_is_openapi_3_1_and_whole() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert "Problem" in DOCUMENT["components"]["schemas"]
    assert sorted(OPERATIONS) == [
        ("/v1/commands/{command_id}", "get"),
        ("/v1/connections", "get"),
        ("/v1/connections", "post"),
        ("/v1/connections/{connection_id}", "delete"),
        ("/v1/connections/{connection_id}", "get"),
        ("/v1/connections/{connection_id}", "put"),
        ("/v1/connections/{connection_id}/backfill", "post"),
        ("/v1/connections/{connection_id}/test", "post"),
        ("/v1/orders", "get"),
        ("/v1/orders/counts", "get"),
        ("/v1/orders/{order_id}", "get"),
        ("/v1/orders/{order_id}/cancel", "post"),
        ("/v1/orders/{order_id}/resolve", "post"),
        ("/v1/orders/{order_id}/retry", "post"),
        ("/v1/orders/{order_id}/timeline", "get"),
        ("/v1/parked", "get"),
        ("/v1/parked/{parked_id}/replay", "post"),
        ("/v1/retries", "post"),
        ("/v1/retries/{retry_id}", "get"),
        ("/v1/sku-mappings", "get"),
        ("/v1/sku-mappings.csv", "get"),
        ("/v1/sku-mappings.csv", "post"),
        ("/v1/sku-mappings/{connection_id}/{amazon_sku}", "delete"),
        ("/v1/sku-mappings/{connection_id}/{amazon_sku}", "get"),
        ("/v1/sku-mappings/{connection_id}/{amazon_sku}", "put"),
        ("/v1/variants", "get"),
        ("/v1/webhooks/shopify/{connection_id}", "post"),
    ]


async def test_the_document_is_served_without_a_key(api: Api) -> None:
    answer = await api.client.get("/openapi.json", headers={"Authorization": ""})
    assert answer.json() == DOCUMENT


async def test_a_role_that_is_too_low_is_refused(api: Api) -> None:
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("update api_keys set role = 'viewer'")
    assert (await api.client.get("/v1/orders")).status_code == 200
    problem(await api.client.get("/v1/parked"), 403, "forbidden")
    problem(await api.client.post("/v1/connections/main/test"), 403, "forbidden")


async def test_a_replaced_admin_key_opens_no_longer(api: Api) -> None:
    await install_admin_key(Desk(api.store, api.shops), "another invented key for tests")
    problem(await api.client.get("/v1/orders"), 401, "unauthorized")
    headers = {"Authorization": "Bearer another invented key for tests"}
    assert (await api.client.get("/v1/orders", headers=headers)).status_code == 200


async def test_a_body_beyond_256_kib_is_refused_with_and_without_its_length(api: Api) -> None:
    async def chunks() -> Any:
        for _ in range(300):
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    path = "/v1/connections"
    problem(await api.client.post(path, content=b" " * 300 * 1024, headers=headers), 413, "body_too_large")
    problem(await api.client.post(path, content=chunks(), headers=headers), 413, "body_too_large")


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(api: Api) -> None:
    problem(await api.client.get("/v1/nothing"), 404, "not_found")
    answer = await api.client.delete("/v1/orders")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    problem(await api.client.get("/docs"), 404, "not_found")


async def test_a_mistake_of_ours_shows_nothing_of_it(api: Api) -> None:
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("alter table commands rename to elsewhere")
    answer = await api.client.get("/v1/commands/abc")
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("alter table elsewhere rename to commands")
    said = problem(answer, 500, "internal_error")
    assert "elsewhere" not in str(said)
    assert "select" not in str(said)


async def test_a_database_that_is_away_is_said_to_be(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise ConnectionRefusedError("the database is away")

    monkeypatch.setattr(api.store, "transaction", away)
    answer = await api.client.get("/v1/orders")
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
