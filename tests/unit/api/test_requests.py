"""Bodies of requests: what makes sense is taken as it was meant, the rest is refused by its field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orderbridge_api.domain.paging import OrderFilter
from orderbridge_api.routes.requests import CancelBody, ResolveBody, RetriesBody, RetryBody
from tests.support.facts import at

GID = "gid://shopify/Order/450789469"
WHY: dict[str, Any] = {"reason": "made by hand"}


def wrong_fields(body: type[BaseModel], said: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        body.model_validate(said)
    return [".".join(str(step) for step in error["loc"]) for error in caught.value.errors()]


@pytest.mark.parametrize("said", [GID, 450789469, "450789469", f" {GID} "])
def test_a_shopify_order_is_named_by_its_gid_or_its_number(said: Any) -> None:
    assert ResolveBody.model_validate(WHY | {"shopify_order_id": said}).asked().shopify_order_id == GID


def test_null_is_handled_elsewhere() -> None:
    asked = ResolveBody.model_validate(WHY | {"shopify_order_id": None}).asked()
    assert (asked.mode, asked.shopify_order_id, asked.reason) == ("resolve", None, "made by hand")


@pytest.mark.parametrize(
    "said",
    [
        "#1001",
        "gid://shopify/Product/1",
        "gid://shopify/Order/01",
        "gid://shopify/Order/",
        "https://shop.example/admin/orders/1",
        "",
        "1" * 21,
        "١٢",
        0,
        -1,
        1.5,
        True,
        [1],
        {},
    ],
)
def test_what_names_no_shopify_order_is_refused(said: Any) -> None:
    assert wrong_fields(ResolveBody, WHY | {"shopify_order_id": said}) == ["shopify_order_id"]


@pytest.mark.parametrize(
    ("body", "said", "fields"),
    [
        (ResolveBody, {"reason": "forgotten what it is"}, ["shopify_order_id"]),
        (ResolveBody, {"shopify_order_id": None}, ["reason"]),
        (ResolveBody, {"shopify_order_id": None, "reason": ""}, ["reason"]),
        (ResolveBody, {"shopify_order_id": None, "reason": "  "}, ["reason"]),
        (ResolveBody, {"shopify_order_id": None, "reason": "a\0b"}, ["reason"]),
        (ResolveBody, {"shopify_order_id": None, "reason": "x" * 501}, ["reason"]),
        (ResolveBody, WHY | {"shopify_order_id": None, "restock": True}, ["restock"]),
        (CancelBody, {"restock": "yes"}, ["restock"]),
        (CancelBody, {"restock": 1}, ["restock"]),
        (CancelBody, {"restock": None}, ["restock"]),
        (RetryBody, {"mode": "cancel"}, ["mode"]),
        (RetriesBody, {"mode": "retry"}, ["filter"]),
        (RetriesBody, {"mode": "force", "filter": {"q": "mug"}}, [""]),
        (RetriesBody, {"mode": "retry", "filter": {"status": "lost"}}, ["filter.status.0"]),
        (RetriesBody, {"mode": "retry", "filter": {"limit": 5}}, ["filter.limit"]),
        (
            RetriesBody,
            {"mode": "retry", "filter": {"ship_by_before": "2026-11-20T12:00:00"}},
            ["filter.ship_by_before"],
        ),
        (RetriesBody, {"mode": "retry", "filter": {"reason": [1]}}, ["filter.reason.0"]),
    ],
)
def test_a_body_that_makes_no_sense_names_its_field(body: type[BaseModel], said: Any, fields: list[str]) -> None:
    assert wrong_fields(body, said) == fields


def test_a_filter_takes_one_value_or_several() -> None:
    said = {
        "status": "failed",
        "reason": ["money_mismatch", "address_missing"],
        "ship_by_before": "2026-11-20T12:00:00Z",
    }
    body = RetriesBody.model_validate({"mode": "retry", "filter": said})
    assert body.orders() == OrderFilter(
        status=("failed",), reason=("money_mismatch", "address_missing"), ship_by_before=at()
    )


def test_a_search_for_nothing_is_no_filter() -> None:
    assert RetriesBody.model_validate({"mode": "retry", "filter": {"q": "  "}}).orders() == OrderFilter()
