"""Shopify's words reach an operator without the buyer's own."""

from __future__ import annotations

from orderbridge.shopify.privacy import user_problems

ORDER = {
    "poNumber": "PO-7",
    "note": "Gift message: Happy birthday\nDelivery instructions: Ring twice",
    "shippingAddress": {
        "firstName": "Al",
        "lastName": "Beispiel",
        "address1": "12 Invented Street",
        "city": "Springfield",
        "zip": "98101",
        "phone": "+12065550123",
    },
    "lineItems": [
        {"properties": [{"name": "_amazon_asin", "value": "B00EXAMPLE"}, {"name": "Gift message", "value": "Hush"}]}
    ],
}


def said(message: str) -> str:
    [(code, field, shown)] = user_problems(
        [{"code": "INVALID", "field": ["order", "phone"], "message": message}], ORDER
    )
    assert (code, field) == ("INVALID", "order.phone")
    return shown


def test_every_personal_value_is_cut_out() -> None:
    message = "12 INVENTED STREET, Al Beispiel, 98101, +12065550123, PO-7, Hush: Ring twice? beispiel is invalid"

    shown = said(message)

    assert not any(
        value.casefold() in shown.casefold()
        for value in ("Invented", "Beispiel", "98101", "2065550123", "PO-7", "Hush", "Ring")
    )
    assert shown.endswith("is invalid")


def test_a_short_name_cuts_no_word_into_pieces() -> None:
    assert said("Also invalid: Al") == "Also invalid: …"


def test_what_is_not_personal_stays() -> None:
    assert said("Phone of B00EXAMPLE in Springfield is invalid") == "Phone of B00EXAMPLE in Springfield is invalid"


def test_an_error_without_code_and_field_is_a_problem_too() -> None:
    assert user_problems([{"message": "No"}], {}) == (("", "", "No"),)
