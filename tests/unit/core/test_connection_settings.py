"""Settings of a connection: what is refused, and that the documented defaults are taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orderbridge.connections import ConnectionSettings

DOCUMENTED: dict[str, Any] = {
    "order_name": None,
    "customer_email": "none",
    "tax_mode": "auto",
    "shipping_map": {},
    "unmatched_lines": "hold",
}


def test_the_documented_defaults_of_an_order_are_the_defaults() -> None:
    assert ConnectionSettings.model_validate(DOCUMENTED) == ConnectionSettings()


@pytest.mark.parametrize(
    "given",
    [
        {"order_name": "A"},
        {"order_name": "注文 #".ljust(20, "x")},
        {"customer_email": "amazon"},
        {"tax_mode": "included"},
        {"shipping_map": {"SECOND_DAY": "Courier", "STANDARD": "x" * 255}},
    ],
)
def test_what_is_well_formed_is_taken(given: dict[str, Any]) -> None:
    assert ConnectionSettings.model_validate(given).model_dump(include=set(given)) == given


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"order_name": ""}, ("order_name",)),
        ({"order_name": "x" * 21}, ("order_name",)),
        ({"order_name": "A\n"}, ("order_name",)),
        ({"order_name": "A\x7f"}, ("order_name",)),
        ({"customer_email": "buyer@marketplace.example"}, ("customer_email",)),
        ({"tax_mode": "both"}, ("tax_mode",)),
        ({"shipping_map": {"standard": "Letter"}}, ("shipping_map", "standard", "[key]")),
        ({"shipping_map": {"": "Letter"}}, ("shipping_map", "", "[key]")),
        ({"shipping_map": {"STANDARD": ""}}, ("shipping_map", "STANDARD")),
        ({"shipping_map": {"STANDARD": "  "}}, ("shipping_map", "STANDARD")),
        ({"shipping_map": {"STANDARD": "x" * 256}}, ("shipping_map", "STANDARD")),
        ({"unmatched_lines": "skip"}, ("unmatched_lines",)),
    ],
)
def test_what_is_not_is_refused_where_it_stands(given: dict[str, Any], where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        ConnectionSettings.model_validate(given)

    assert [mistake["loc"] for mistake in caught.value.errors()] == [where]
