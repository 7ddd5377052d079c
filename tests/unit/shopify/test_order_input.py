"""What else an order carries: identity, address, notes, and how it is created."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.events import Target
from orderbridge.shopify.addresses import mailing_address, missing_fields, phone_number, split_name
from orderbridge.shopify.order_input import (
    AddressMissing,
    DeliveryAddress,
    OrderInput,
    PersonalData,
    build_order_input,
)

from .orders import ADDRESS, AMAZON_ID, PERSONAL, breakdown, built, line, matched, money, order

ORDER = order("25.00", line("25.00", breakdown("ITEM", "25.00"), quantity=2))


def changed(**fields: str | None) -> DeliveryAddress:
    return ADDRESS.model_copy(update=fields)


def test_the_order_is_found_again_by_its_amazon_order_id() -> None:
    fields = built(ORDER)

    assert fields["sourceIdentifier"] == AMAZON_ID
    assert fields["metafields"] == [{"namespace": "$app", "key": "amazon_order_id", "type": "id", "value": AMAZON_ID}]
    assert fields["processedAt"] == "2026-11-20T10:00:00Z"
    assert {"key": "amazon_ship_by", "value": "2026-11-24T07:59:59Z"} in fields["customAttributes"]


def test_nobody_is_written_to_and_no_customer_is_made() -> None:
    made = build_order_input(ORDER, matched(ORDER), PersonalData(address=ADDRESS, buyer_email="buyer@mail.example"))

    assert isinstance(made, OrderInput)
    assert made.variables["options"] == {
        "inventoryBehaviour": "DECREMENT_OBEYING_POLICY",
        "sendReceipt": False,
        "sendFulfillmentReceipt": False,
    }
    assert not {"email", "phone", "customer", "customerId"} & made.variables["order"].keys()


def test_force_skips_the_stock_policy_and_is_tagged() -> None:
    made = build_order_input(ORDER, matched(ORDER), PERSONAL, forced=True)

    assert isinstance(made, OrderInput)
    assert made.variables["options"]["inventoryBehaviour"] == "DECREMENT_IGNORING_POLICY"
    assert made.variables["order"]["tags"] == ["amazon", "amazon-forced"]
    assert built(ORDER)["tags"] == ["amazon"]


def test_what_amazon_fulfils_leaves_the_shops_stock_alone() -> None:
    imported = ORDER.model_copy(update={"fulfilled_by": "amazon"})
    made = build_order_input(imported, matched(imported), PERSONAL)

    assert isinstance(made, OrderInput)
    assert made.variables["options"]["inventoryBehaviour"] == "BYPASS"
    assert made.variables["order"]["fulfillmentStatus"] == "FULFILLED"


def test_the_order_is_paid_in_full_by_one_sale() -> None:
    fields = built(ORDER)

    [transaction] = fields["transactions"]
    assert fields["financialStatus"] == "PAID"
    assert (transaction["kind"], transaction["status"], transaction["gateway"]) == ("SALE", "SUCCESS", "amazon")
    assert transaction["amountSet"]["shopMoney"] == {"amount": "25.00", "currencyCode": "USD"}


def test_an_order_that_costs_nothing_is_paid_without_a_transaction() -> None:
    fields = built(order("0.00", line("0.00")))

    assert fields["financialStatus"] == "PAID"
    assert "transactions" not in fields


def test_a_line_ships_and_says_where_it_comes_from() -> None:
    [item] = built(ORDER)["lineItems"]

    assert item["requiresShipping"] is True
    assert item["variantId"] == "gid://shopify/ProductVariant/1"
    assert "title" not in item
    assert item["properties"] == [
        {"name": "_amazon_order_item_id", "value": "1"},
        {"name": "_amazon_asin", "value": "B00EXAMPLE"},
        {"name": "_amazon_seller_sku", "value": "SKU-1"},
    ]


def test_gift_message_instructions_and_purchase_order_go_along() -> None:
    personal = PersonalData(
        address=ADDRESS,
        purchase_order="PO-7",
        delivery_instructions="Ring twice",
        gift_messages={"1": "Many happy returns"},
    )
    fields = built(ORDER, personal)

    assert fields["poNumber"] == "PO-7"
    assert fields["note"] == "Gift message: Many happy returns\nDelivery instructions: Ring twice"
    assert {"name": "Gift message", "value": "Many happy returns"} in fields["lineItems"][0]["properties"]
    assert not {"poNumber", "note"} & built(ORDER).keys()


def test_a_line_without_a_target_is_a_bug_and_not_an_order_in_part() -> None:
    imported = order("3.00", line("1.00", item_id="1"), line("2.00", item_id="2"))

    with pytest.raises(ValueError, match="line 2 of"):
        build_order_input(imported, matched(imported, {"2": ()}), PERSONAL)


def test_a_canceled_line_needs_no_target() -> None:
    imported = order("1.00", line("1.00", item_id="1"), line("0.00", item_id="2", quantity=0))
    made = build_order_input(imported, matched(imported, {"2": [Target(variant_id="gone", quantity=0)]}), PERSONAL)

    assert isinstance(made, OrderInput)
    assert made.total == money("1.00")


# --- addresses


def test_an_address_is_shopifys() -> None:
    assert built(ORDER)["shippingAddress"] == {
        "firstName": "Paula",
        "lastName": "Beispiel",
        "address1": "12 Invented Street",
        "address2": "Flat 3",
        "city": "Springfield",
        "provinceCode": "WA",
        "zip": "98101",
        "countryCode": "US",
        "phone": "+12065550123",
    }


MISSING: dict[str, tuple[DeliveryAddress | None, tuple[str, ...]]] = {
    "no address": (None, ("name", "line1", "city", "postal_code", "country")),
    "no name": (changed(name=" "), ("name",)),
    "no line": (changed(line1="", line2=None), ("line1",)),
    "no city": (changed(city=None), ("city",)),
    "no country": (changed(country=None), ("country",)),
    "a country that is none": (changed(country="ZZ"), ("country",)),
    "no postal code": (changed(postal_code=""), ("postal_code",)),
    "no postal code where there are none": (changed(postal_code=None, country="HK"), ()),
    "the second line alone": (changed(line1=None), ()),
    "complete": (ADDRESS, ()),
}


@pytest.mark.parametrize(("address", "missing"), MISSING.values(), ids=MISSING)
def test_an_incomplete_address_is_missing(address: DeliveryAddress | None, missing: tuple[str, ...]) -> None:
    assert missing_fields(address) == missing
    made = build_order_input(ORDER, matched(ORDER), PersonalData(address=address))
    assert made == AddressMissing(missing) if missing else isinstance(made, OrderInput)


def test_without_personal_data_the_address_is_missing() -> None:
    assert isinstance(build_order_input(ORDER, matched(ORDER), None), AddressMissing)


PLACES: dict[str, tuple[DeliveryAddress, dict[str, Any]]] = {
    "an American county is left out": (changed(district="King County"), {"address2": "Flat 3"}),
    "a state by its name": (changed(state="washington"), {"provinceCode": "WA", "address2": "Flat 3"}),
    "a state that is no code goes to the second line": (
        changed(state="England", country="GB", district="Greater London"),
        {"provinceCode": None, "address2": "Flat 3, Greater London, England", "countryCode": "GB"},
    ),
    "an American state is none in Australia": (
        changed(state="CA", country="AU"),
        {"provinceCode": None, "address2": "Flat 3, CA"},
    ),
    "a state that repeats the city is said once": (
        changed(state="springfield", country="TR"),
        {"provinceCode": None, "address2": "Flat 3"},
    ),
    "three lines are two": (
        changed(line3="Backyard"),
        {"address1": "12 Invented Street", "address2": "Flat 3, Backyard"},
    ),
    "the second line moves up": (changed(line1=None), {"address1": "Flat 3", "address2": None}),
    "the United Kingdom": (changed(country="uk"), {"countryCode": "GB"}),
    "a company": (changed(company="Beispiel Ltd"), {"company": "Beispiel Ltd"}),
}


@pytest.mark.parametrize(("address", "expected"), PLACES.values(), ids=PLACES)
def test_places_are_said_in_shopifys_fields(address: DeliveryAddress, expected: dict[str, Any]) -> None:
    made = mailing_address(address)

    assert {field: made.get(field) for field in expected} == expected


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Paula Beispiel", ("Paula", "Beispiel")),
        ("Anna Maria  Muster", ("Anna Maria", "Muster")),
        ("Muster", ("", "Muster")),
    ],
)
def test_a_name_is_split_at_its_last_space(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("text", "country", "phone"),
    [
        ("+1 206-555-0123", "US", "+12065550123"),
        ("(206) 555-0123", "US", "+12065550123"),
        ("1 206 555 0123", "CA", "+12065550123"),
        ("555-0123", "US", None),
        ("+1 206-555-0123 ext. 01234", "US", None),
        ("0044 20 5550 0101", "GB", "+442055500101"),
        ("020 5550 0101", "GB", None),
        ("call me", "US", None),
        ("", "US", None),
    ],
)
def test_a_phone_is_e164_or_left_out(text: str, country: str, phone: str | None) -> None:
    assert phone_number(text, country) == phone


# --- what is personal stays hidden


def test_personal_data_shows_nothing_of_itself() -> None:
    personal = PersonalData(address=ADDRESS, buyer_name="Paula Beispiel", gift_messages={"1": "Hush"})
    made = build_order_input(ORDER, matched(ORDER), personal)

    for shown in (repr(personal), str(personal), f"{personal.address!r}", repr(made)):
        assert not any(secret in shown for secret in ("Paula", "Invented", "Hush", "98101"))


def test_personal_data_that_cannot_be_read_shows_nothing_either() -> None:
    with pytest.raises(ValueError) as caught:
        PersonalData.from_bytes(b'{"buyer_name": ["Paula Beispiel"], "address": {"line1": 12}}')

    assert "Paula" not in str(caught.value)


def test_personal_data_comes_back_from_its_bytes() -> None:
    personal = PersonalData(
        address=ADDRESS, gift_messages={"1": "Hush"}, tax_registrations=({"taxRegistrationType": "VAT"},)
    )

    assert PersonalData.from_bytes(personal.to_bytes()) == personal
