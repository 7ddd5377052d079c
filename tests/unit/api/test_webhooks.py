"""What a webhook of Shopify says, and whether it is one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge_api.domain.problems import Problem
from orderbridge_api.domain.webhooks import Change, Delivery, change_of, retired, secrets_now, signed

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
# printf '{"id": 1}\n' | openssl dgst -sha256 -hmac shpss_invented -binary | base64
BODY = b'{"id": 1}\n'
SIGNATURE = "rOpOsDEOsP2qCb0Xg1w8USRiIBhZVmxV76dDTjMWjs8="


def delivery(topic: str = "products/update", body: Any = None, **more: Any) -> Delivery:
    values: dict[str, Any] = {
        "topic": topic,
        "shop": "invented.myshopify.com",
        "signature": SIGNATURE,
        "webhook_id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "triggered_at": "2026-11-25T11:59:58.123456789Z",
        "body": body if isinstance(body, bytes) else json.dumps({"id": 7} if body is None else body).encode(),
    }
    return Delivery(**(values | more))


# --- genuine or not


def test_a_signature_made_by_openssl_is_accepted() -> None:
    assert signed(delivery(body=BODY), ["shpss_invented"])
    assert signed(delivery(body=BODY), ["another", "shpss_invented"])


@pytest.mark.parametrize("secrets", [[], ["shpss_inventee"], [""]])
def test_no_other_secret_fits(secrets: list[str]) -> None:
    assert not signed(delivery(body=BODY), secrets)


@pytest.mark.parametrize("signature", ["", SIGNATURE.lower(), SIGNATURE[:-1], SIGNATURE + "=", " " + SIGNATURE, "é"])
def test_no_other_signature_fits(signature: str) -> None:
    assert not signed(delivery(body=BODY, signature=signature), ["shpss_invented"])


@given(st.binary(max_size=40))
def test_no_other_body_fits(body: bytes) -> None:
    assert signed(delivery(body=body), ["shpss_invented"]) == (body == BODY)


def test_neither_the_body_nor_the_signature_is_in_a_repr() -> None:
    shown = repr(delivery(body=b'{"email": "someone"}'))
    assert "someone" not in shown
    assert SIGNATURE not in shown


# --- the secret, and the one before


def test_a_replaced_secret_is_good_for_an_hour() -> None:
    kept = {"client_id": "app", "client_secret": "new", **retired({"client_secret": "old"}, NOW)}
    assert secrets_now(kept, NOW) == ["new", "old"]
    assert secrets_now(kept, NOW + timedelta(minutes=59)) == ["new", "old"]
    assert secrets_now(kept, NOW + timedelta(hours=1)) == ["new"]


def test_the_first_secret_replaces_nothing() -> None:
    assert retired({}, NOW) == {}
    assert secrets_now({}, NOW) == []


# --- what it says

TIME = datetime(2026, 11, 25, 11, 59, 58, 123456, tzinfo=UTC)
TABLE: list[tuple[str, dict[str, Any], Change | None]] = [
    ("products/create", {"id": 7}, Change("product", "gid://shopify/Product/7", "changed", TIME)),
    ("products/update", {"id": "7"}, Change("product", "gid://shopify/Product/7", "changed", TIME)),
    (
        "products/update",
        {"id": 7, "updated_at": "2026-11-25T06:00:00-05:00", "title": "Mug", "variants": [{"id": 8}]},
        Change("product", "gid://shopify/Product/7", "changed", datetime(2026, 11, 25, 11, 0, tzinfo=UTC)),
    ),
    (
        "products/delete",
        {"id": 788032119674292922},
        Change("product", "gid://shopify/Product/788032119674292922", "gone", TIME),
    ),
    (
        "inventory_levels/update",
        {
            "inventory_item_id": 9,
            "location_id": 3,
            "available": 5,
            "admin_graphql_api_id": "gid://shopify/InventoryLevel/3",
        },
        Change("inventory_item", "gid://shopify/InventoryItem/9", "changed", TIME),
    ),
    ("orders/updated", {"id": 5}, Change("order", "gid://shopify/Order/5", "changed", TIME)),
    ("orders/cancelled", {"id": 5}, Change("order", "gid://shopify/Order/5", "changed", TIME)),
    ("orders/delete", {"id": 5}, Change("order", "gid://shopify/Order/5", "gone", TIME)),
    (
        "orders/edited",
        {"order_edit": {"id": 1, "order_id": 5}},
        Change("order", "gid://shopify/Order/5", "changed", TIME),
    ),
    ("orders/create", {"id": 5}, None),
    ("app/uninstalled", {"id": 5}, None),
    ("products/UPDATE", {"id": 5}, None),
    ("", {"id": 5}, None),
]


@pytest.mark.parametrize(("topic", "payload", "wanted"), TABLE)
def test_a_topic_says_what_changed(topic: str, payload: dict[str, Any], wanted: Change | None) -> None:
    assert change_of(delivery(topic, payload)) == wanted


@pytest.mark.parametrize("said", ["yesterday", "2026-11-25T06:00:00", 7, None, ""])
def test_a_time_that_cannot_be_read_is_left_out(said: Any) -> None:
    found = change_of(delivery(body={"id": 7, "updated_at": said}, triggered_at=str(said)))
    assert found is not None
    assert found.at is None


@pytest.mark.parametrize(
    ("topic", "body", "field"),
    [
        ("products/update", b"", "body"),
        ("products/update", b"[]", "body"),
        ("products/update", b'"text"', "body"),
        ("products/update", b"{", "body"),
        ("products/update", b"\xff\xfe", "body"),
        ("products/update", b"[" * 100_000, "body"),
        ("products/update", b'{"id": ' + b"9" * 5000 + b"}", "body"),
        ("products/update", {}, "id"),
        ("products/update", {"id": None}, "id"),
        ("products/update", {"id": True}, "id"),
        ("products/update", {"id": 0}, "id"),
        ("products/update", {"id": -7}, "id"),
        ("products/update", {"id": 7.5}, "id"),
        ("products/update", {"id": "7/../8"}, "id"),
        ("products/update", {"id": {"id": 7}}, "id"),
        ("inventory_levels/update", {"id": 7}, "inventory_item_id"),
        ("orders/edited", {"order_edit": [5]}, "order_edit.order_id"),
    ],
)
def test_what_cannot_be_read_is_named_without_its_value(topic: str, body: Any, field: str) -> None:
    with pytest.raises(Problem) as caught:
        change_of(delivery(topic, body))
    assert caught.value.status == 422
    assert [(error.field, error.value) for error in caught.value.errors] == [(field, None)]


@pytest.mark.parametrize("webhook_id", ["", "a b", "a\nb", "x" * 201, "é"])
def test_a_webhook_without_an_id_of_its_own_is_refused(webhook_id: str) -> None:
    with pytest.raises(Problem) as caught:
        change_of(delivery(webhook_id=webhook_id))
    assert caught.value.errors[0].field == "X-Shopify-Webhook-Id"
