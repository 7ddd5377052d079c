"""Shopify's words reach an operator without the buyer's own."""

from __future__ import annotations

from orderbridge.shopify.privacy import user_problems

ORDER = {
    "email": "h4x9@marketplace.example",
    "customAttributes": [
        {"key": "amazon_order_id", "value": "113-1234567-7654321"},
        {"key": "amazon_tax_number_buyer_vat", "value": "GB123456789"},
    ],
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


def test_the_email_and_tax_numbers_are_cut_out_and_the_order_id_is_not() -> None:
    shown = said("H4X9@marketplace.example (mailbox h4x9) is invalid, so is gb123456789 of 113-1234567-7654321")

    assert shown == "… (mailbox …) is invalid, so is … of 113-1234567-7654321"


def test_a_short_name_cuts_no_word_into_pieces() -> None:
    assert said("Also invalid: Al") == "Also invalid: …"


def test_what_is_not_personal_stays() -> None:
    assert said("Phone of B00EXAMPLE in Springfield is invalid") == "Phone of B00EXAMPLE in Springfield is invalid"


def test_an_error_without_code_and_field_is_a_problem_too() -> None:
    assert user_problems([{"message": "No"}], {}) == (("", "", "No"),)
