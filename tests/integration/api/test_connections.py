"""Connections by REST: made, changed, read and tested; a secret never comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from orderbridge.events import ConnectionStatus, Reservation
from orderbridge.topics import CONNECTIONS
from tests.support.facts import at, imported, progress
from tests.support.step import published, rows, until

from .support import Api, problem

SECRETS = ("invented-client-secret", "Atzr|invented-refresh-token", "shpss-invented-secret")


def body(**more: Any) -> dict[str, Any]:
    return {
        "connection_id": "main",
        "amazon": {
            "region": "na",
            "seller_id": "A1B2C3D4E5",
            "marketplace_ids": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"],
            "client_id": "amzn1.application-oa2-client.invented",
            "client_secret": SECRETS[0],
            "refresh_token": SECRETS[1],
        },
        "shopify": {"shop": "invented.myshopify.com", "client_id": "shopify-client", "client_secret": SECRETS[2]},
        "settings": {"poll_interval_s": 60},
    } | more


def changed_body(**more: Any) -> dict[str, Any]:
    """The same without secrets."""
    said: dict[str, Any] = json.loads(json.dumps(body(**more)))
    for vendor, secret in (("amazon", "client_secret"), ("amazon", "refresh_token"), ("shopify", "client_secret")):
        del said[vendor][secret]
    return said


def status(service: str, check: int, state: str = "ok", rev: int = 1, **more: Any) -> ConnectionStatus:
    values = {"connection_id": "main", "service": service, "rev": rev, "state": state, "check": check, "at": at(rev)}
    return ConnectionStatus.model_validate(values | more)


async def kept(api: Api, vendor: str) -> dict[str, str]:
    async with api.store.transaction() as unit:
        return await unit.secrets_of("main", vendor)


async def test_a_connection_is_made_published_and_shown_with_its_defaults(api: Api) -> None:
    answer = await api.client.post("/v1/connections", json=body())
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/connections/main")
    shown = (await api.client.get("/v1/connections/main")).json()
    assert shown == answer.json()
    assert shown["settings"] == {
        "import_enabled": True,
        "import_from": shown["added_at"],
        "marketplaces": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"],
        "import_fulfilled_by_amazon": False,
        "poll_interval_s": 60,
        "overlap_s": 600,
        "safety_lag_s": 180,
        "wake_on_restock": True,
        "match_drafts": False,
        "order_name": None,
        "customer_email": "none",
        "tax_mode": "auto",
        "shipping_map": {},
        "unmatched_lines": "hold",
        "hold_stock_while_pending": False,
        "on_cancel": "flag",
        "location_id": None,
    }
    assert shown["amazon"]["client_id"] == "amzn1.application-oa2-client.invented"
    assert shown["amazon"]["refresh_token"] == {"set": True, "changed_at": shown["added_at"]}
    assert shown["status"] == {"ingestor": None, "matcher": None, "creator": None}
    [event] = await published(api.store, CONNECTIONS)
    assert (event["rev"], event["check"], event["secrets_rev"]) == (1, 1, 1)
    assert (await api.client.get("/v1/connections")).json() == {"items": [shown], "next": None}
    assert await kept(api, "amazon") == {
        "client_id": "amzn1.application-oa2-client.invented",
        "client_secret": SECRETS[0],
        "refresh_token": SECRETS[1],
    }
    assert await kept(api, "shopify") == {"client_id": "shopify-client", "client_secret": SECRETS[2]}


async def test_a_secret_is_nowhere_but_in_the_vault(api: Api) -> None:
    await api.client.post("/v1/connections", json=body(), headers={"Idempotency-Key": "k1"})
    answers = [await api.client.get(path) for path in ("/v1/connections", "/v1/connections/main")]
    tables = await rows(
        api.store, "select table_name from information_schema.tables where table_schema = 'api' order by 1"
    )
    dump = "".join(answer.text for answer in answers)
    for table in tables:
        found = await rows(api.store, f"select cast(t as text) as row from {table['table_name']} as t")
        dump += "".join(row["row"] for row in found)
    dump += json.dumps(await published(api.store, CONNECTIONS))
    assert "shopify-client" in dump
    for secret in SECRETS:
        assert secret not in dump
        assert secret.encode().hex() not in dump


async def test_the_same_id_twice_is_refused_and_changes_nothing(api: Api) -> None:
    await api.client.post("/v1/connections", json=body())
    other = body()
    other["amazon"]["client_secret"] = "another"
    problem(await api.client.post("/v1/connections", json=other), 409, "connection_exists")
    assert (await kept(api, "amazon"))["client_secret"] == SECRETS[0]
    assert len(await published(api.store, CONNECTIONS)) == 1


async def test_a_change_replaces_settings_and_keeps_secrets_that_are_left_out(api: Api) -> None:
    made = (await api.client.post("/v1/connections", json=body())).json()
    answer = await api.client.put("/v1/connections/main", json=changed_body(settings={"import_enabled": False}))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["settings"]["import_enabled"], shown["settings"]["poll_interval_s"]) == (False, 300)
    assert shown["amazon"]["client_secret"] == made["amazon"]["client_secret"]
    assert (await kept(api, "amazon"))["client_secret"] == SECRETS[0]
    event = (await published(api.store, CONNECTIONS))[-1]
    assert (event["rev"], event["check"], event["secrets_rev"]) == (2, 1, 1)


async def test_a_changed_secret_asks_the_workers_to_try_it(api: Api) -> None:
    made = (await api.client.post("/v1/connections", json=body())).json()
    change = changed_body()
    change["shopify"]["client_secret"] = "a-new-one"
    change["amazon"]["client_secret"] = SECRETS[0]
    shown = (await api.client.put("/v1/connections/main", json=change)).json()
    assert shown["shopify"]["client_secret"]["changed_at"] > made["shopify"]["client_secret"]["changed_at"]
    # The same secret again is no change.
    assert shown["amazon"]["client_secret"] == made["amazon"]["client_secret"]
    event = (await published(api.store, CONNECTIONS))[-1]
    assert (event["rev"], event["check"], event["secrets_rev"]) == (2, 2, 2)
    assert (await kept(api, "shopify"))["client_secret"] == "a-new-one"


async def test_what_a_worker_misses_is_shown(api: Api) -> None:
    await api.client.post("/v1/connections", json=body())
    await api.take(
        status("ingestor", 1, quota_left=19.0, lag_s=4.5, last_poll_at=at()),
        status("creator", 1, "misconfigured", message="A definition is missing.", missing=("amazon_order_id",)),
    )
    # An older word changes nothing.
    await api.take(status("creator", 0, "ok", rev=0))
    shown = (await api.client.get("/v1/connections/main")).json()
    assert shown["missing"] == ["amazon_order_id"]
    assert shown["status"]["creator"]["state"] == "misconfigured"
    assert shown["status"]["ingestor"]["quota_left"] == 19.0
    assert shown["status"]["matcher"] is None


async def test_a_test_asks_every_worker_and_tells_what_came(api: Api) -> None:
    await api.client.post("/v1/connections", json=body())
    test = asyncio.create_task(api.client.post("/v1/connections/main/test"))

    async def asked() -> bool:
        return len(await published(api.store, CONNECTIONS)) == 2

    await until(asked, what="the check")
    [_, event] = await published(api.store, CONNECTIONS)
    assert (event["rev"], event["check"], event["secrets_rev"]) == (2, 2, 1)
    await api.take(
        status("ingestor", 2),
        status("matcher", 1),
        status("creator", 2, "misconfigured", message="A definition is missing.", missing=("amazon_order_id",)),
    )
    answer = (await test).json()
    assert answer["ok"] is False
    assert answer["services"]["ingestor"]["state"] == "ok"
    assert answer["services"]["matcher"]["state"] == "no_answer"
    assert answer["services"]["creator"] == {
        "state": "misconfigured",
        "message": "A definition is missing.",
        "missing": ["amazon_order_id"],
    }


async def test_a_test_ends_as_soon_as_all_have_answered(api: Api) -> None:
    await api.client.post("/v1/connections", json=body())
    await api.take(*(status(service, 2) for service in ("ingestor", "matcher", "creator")))
    answer = (await api.client.post("/v1/connections/main/test")).json()
    assert answer["ok"] is True


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_an_unknown_connection_is_not_found(api: Api, method: str) -> None:
    path = "/v1/connections/main" + ("/test" if method == "POST" else "")
    problem(await api.client.request(method, path, json=changed_body() if method == "PUT" else None), 404, "not_found")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"amazon.region": "mars"}, "amazon.region"),
    ({"amazon.client_secret": None}, "amazon.client_secret"),
    ({"amazon.refresh_token": ""}, "amazon.refresh_token"),
    ({"amazon.refresh_token": SECRETS[1] * 200}, "amazon.refresh_token"),
    ({"shopify.shop": "invented.example"}, "shopify.shop"),
    ({"shopify.client_secrt": SECRETS[2]}, "shopify.client_secrt"),
    ({"settings.poll_interval_s": 0}, "settings.poll_interval_s"),
    ({"settings.import_from": "2026-01-01T00:00:00"}, "settings.import_from"),
    ({"settings.marketplaces": ["A1F83G8C2ARO7P"]}, "settings.marketplaces"),
    ({"settings.location_id": "61002"}, "settings.location_id"),
    ({"settings.on_fire": True}, "settings.on_fire"),
    ({"settings.tax_mode": "both"}, "settings.tax_mode"),
    ({"settings.shipping_map": {"STANDARD": ""}}, "settings.shipping_map.STANDARD"),
    ({"connection_id": "Main!"}, "connection_id"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_a_body_that_makes_no_sense_names_its_field_and_no_secret(
    api: Api, wrong: dict[str, Any], field: str
) -> None:
    said = body()
    for path, value in wrong.items():
        *parents, last = path.split(".")
        place = said
        for parent in parents:
            place = place[parent]
        place[last] = value
    answer = await api.client.post("/v1/connections", json=said)
    [error] = problem(answer, 422, "invalid_request")["errors"]
    assert error["field"] == field
    for secret in SECRETS:
        assert secret not in answer.text
    assert await published(api.store, CONNECTIONS) == []


async def test_a_missing_secret_does_not_show_the_others(api: Api) -> None:
    said = body()
    del said["amazon"]["refresh_token"]
    answer = await api.client.post("/v1/connections", json=said)
    [error] = problem(answer, 422, "invalid_request")["errors"]
    assert error == {"field": "amazon.refresh_token", "value": None, "message": "Field required"}
    assert SECRETS[0] not in answer.text


async def test_the_path_and_the_body_name_one_connection(api: Api) -> None:
    await api.client.post("/v1/connections", json=body())
    answer = await api.client.put("/v1/connections/main", json=changed_body(connection_id="other"))
    problem(answer, 422, "invalid_request")


async def test_a_removed_connection_is_gone_with_its_secrets_and_its_workers_hear_of_it(api: Api) -> None:
    assert (await api.client.post("/v1/connections", json=body())).status_code == 201
    await api.take(status("creator", 1, "unauthorized"))
    answer = await api.client.delete("/v1/connections/main")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.client.get("/v1/connections/main")).status_code == 404
    assert (await api.client.get("/v1/connections")).json() == {"items": [], "next": None}
    assert await kept(api, "amazon") == await kept(api, "shopify") == {}
    said = await rows(api.store, "select ce_id, payload from outbox where topic = 'connections.v1' order by id")
    assert [(row["ce_id"], row["payload"] is None) for row in said] == [
        ("connections.v1/api/main/1", False),
        ("connections.v1/api/main/2", True),
    ]
    for method, path in (("DELETE", ""), ("PUT", ""), ("POST", "/test")):
        answer = await api.client.request(method, f"/v1/connections/main{path}", json=changed_body())
        assert answer.status_code == 404, f"{method} {path}"


async def test_a_connection_that_is_added_again_goes_on_counting(api: Api) -> None:
    for _ in range(2):
        assert (await api.client.post("/v1/connections", json=body())).status_code == 201
        assert (await api.client.delete("/v1/connections/main")).status_code == 204
    answer = await api.client.post("/v1/connections", json=body())
    shown = answer.json()
    assert (answer.status_code, shown["rev"]) == (201, 5)
    assert shown["status"] == {"ingestor": None, "matcher": None, "creator": None}
    assert await kept(api, "shopify") == {"client_id": "shopify-client", "client_secret": SECRETS[2]}
    problem(await api.client.post("/v1/connections", json=body()), 409, "connection_exists")


async def test_a_connection_whose_orders_hold_stock_is_not_removed(api: Api) -> None:
    assert (await api.client.post("/v1/connections", json=body())).status_code == 201
    await api.take(imported(), progress("holding", reservation=Reservation(state="held", at=at(3))))
    said = problem(await api.client.delete("/v1/connections/main"), 409, "stock_is_held")
    assert "hold_stock_while_pending" in said["remedy"]
    assert (await api.client.get("/v1/connections/main")).status_code == 200
