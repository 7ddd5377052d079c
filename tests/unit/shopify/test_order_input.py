"""What else an order carries: identity, address, notes, and how it is created."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.connections import ConnectionSettings
from orderbridge.events import Target
from orderbridge.shopify.addresses import mailing_address, missing_fields, phone_number, split_name
from orderbridge.shopify.order_input import (
    AddressMissing,
    DeliveryAddress,
    OrderInput,
    OrderPolicy,
    PersonalData,
    build_order_input,
    order_policy,
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


def test_an_order_whose_units_are_held_takes_them_whatever_the_stock_and_is_not_forced() -> None:
    made = build_order_input(ORDER, matched(ORDER), PERSONAL, held=True)

    assert isinstance(made, OrderInput)
    assert made.variables["options"]["inventoryBehaviour"] == "DECREMENT_IGNORING_POLICY"
    assert made.variables["order"]["tags"] == ["amazon"]


def test_what_amazon_fulfils_leaves_the_shops_stock_alone() -> None:
    imported = ORDER.model_copy(update={"fulfilled_by": "amazon"})
    made = build_order_input(imported, matched(imported), PERSONAL)

    assert isinstance(made, OrderInput)
    assert made.variables["options"]["inventoryBehaviour"] == "BYPASS"
    assert made.variables["order"]["fulfillmentStatus"] == "FULFILLED"


PLACE = DeliveryAddress(city="Springfield", state="WA", country="US")


@pytest.mark.parametrize(
    ("personal", "address"),
    [
        (
            PersonalData(address=PLACE),
            {"city": "Springfield", "provinceCode": "WA", "countryCode": "US"},
        ),
        (PersonalData(address=DeliveryAddress(city="Springfield")), None),
        (PersonalData(), None),
        (None, None),
    ],
    ids=["its place", "a place without a country", "no address", "nothing personal"],
)
def test_what_amazon_fulfils_needs_no_address(personal: PersonalData | None, address: dict[str, str] | None) -> None:
    fields = built(ORDER.model_copy(update={"fulfilled_by": "amazon"}), personal)

    assert fields.get("shippingAddress") == address
    assert fields["tags"] == ["amazon", "amazon-fulfilled"]
    assert fields["lineItems"][0]["requiresShipping"] is True


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


def test_programs_are_tags() -> None:
    fields = built(ORDER.model_copy(update={"programs": ("AMAZON_BUSINESS", "PREORDER", "PRIME")}), forced=True)

    assert fields["tags"] == ["amazon", "amazon-prime", "amazon-business", "amazon-forced"]


def test_what_amazon_says_of_the_order_is_in_its_note_attributes() -> None:
    lines = (
        line("5.00", item_id="1", points_granted=30, ioss_number="IM1234567890"),
        line("5.00", item_id="2", points_granted=12, ioss_number="IM1234567890"),
    )
    imported = order("10.00", *lines).model_copy(update={"replaces": "113-0000000-0000001"})

    assert attributes(built(imported)) == {
        "amazon_order_id": AMAZON_ID,
        "amazon_marketplace_id": "ATVPDKIKX0DER",
        "amazon_ship_by": "2026-11-24T07:59:59Z",
        "amazon_service_level": "STANDARD",
        "amazon_replaced_order_id": "113-0000000-0000001",
        "amazon_ioss_number": "IM1234567890",
        "amazon_points_granted": "42",
    }


def test_what_amazon_does_not_say_is_not_said() -> None:
    silent = {"marketplace_id": None, "ship_by": None, "service_level": None, "purchased_at": None}
    fields = built(ORDER.model_copy(update=silent))

    assert attributes(fields) == {"amazon_order_id": AMAZON_ID}
    assert "processedAt" not in fields


def test_tax_numbers_are_note_attributes_by_whose_they_are() -> None:
    def registered(number: Any, **more: Any) -> dict[str, Any]:
        return {"entityType": "BUYER", "taxRegistrationType": "VAT", "taxRegistrationNumber": number} | more

    personal = PersonalData(
        address=ADDRESS,
        tax_registrations=(
            registered("GB-1"),
            registered("GB-2"),
            registered("77", entityType="MERCHANT", taxRegistrationType="CNPJ"),
            registered("88", entityType=None, taxRegistrationType=None),
            registered(" "),
            registered(7),
            {"legalName": "Beispiel Ltd"},
        ),
    )

    assert {key: value for key, value in attributes(built(ORDER, personal)).items() if "tax" in key} == {
        "amazon_tax_number_buyer_vat": "GB-1",
        "amazon_tax_number_buyer_vat_2": "GB-2",
        "amazon_tax_number_merchant_cnpj": "77",
        "amazon_tax_number": "88",
    }


def test_a_gift_is_wrapped_as_the_buyer_chose() -> None:
    wrapped = line("12.00", breakdown("ITEM", "10.00"), breakdown("GIFT_WRAP", "2.00"), gift_wrap="RIBBON")
    fields = built(order("12.00", wrapped))

    assert {"name": "Gift wrap", "value": "RIBBON"} in fields["lineItems"][0]["properties"]
    assert "Gift wrap" in [each["title"] for each in fields["shippingLines"]]


def attributes(fields: dict[str, Any]) -> dict[str, str]:
    found = {each["key"]: each["value"] for each in fields["customAttributes"]}
    assert len(found) == len(fields["customAttributes"])
    return found


# --- what the settings change


def test_the_policy_of_a_new_connection_is_the_default() -> None:
    assert order_policy(ConnectionSettings()) == OrderPolicy()


def test_the_orders_name_is_shopifys_unless_a_prefix_is_set() -> None:
    assert "name" not in built(ORDER)
    assert built(ORDER, order_name="AMZ-")["name"] == f"AMZ-{AMAZON_ID}"


@pytest.mark.parametrize(
    ("email", "sent"),
    [
        ("h4x9@marketplace.amazon.example", "h4x9@marketplace.amazon.example"),
        (" h4x9@marketplace.amazon.example ", "h4x9@marketplace.amazon.example"),
        ("not an address", None),
        ("two@marketplace.example, three@marketplace.example", None),
        ("h4x9@localhost", None),
        (f"{'x' * 65}@marketplace.example", None),
        (f"x@{'y' * 250}.example", None),
        (None, None),
    ],
)
def test_amazons_relay_address_goes_along_only_when_asked_for(email: str | None, sent: str | None) -> None:
    personal = PersonalData(address=ADDRESS, buyer_email=email)

    assert built(ORDER, personal, customer_email="amazon").get("email") == sent
    assert "email" not in built(ORDER, personal)


def test_an_order_with_the_buyers_email_mails_nobody_either() -> None:
    personal = PersonalData(address=ADDRESS, buyer_email="h4x9@marketplace.amazon.example")
    made = build_order_input(ORDER, matched(ORDER), personal, OrderPolicy(customer_email="amazon"))

    assert isinstance(made, OrderInput)
    assert made.variables["options"]["sendReceipt"] is False
    assert "customer" not in made.variables["order"]


def test_a_service_level_has_the_title_that_the_map_gives_it() -> None:
    [mapped] = built(ORDER, shipping_map={"STANDARD": "Letter post"})["shippingLines"]
    [other] = built(ORDER, shipping_map={"EXPEDITED": "Courier"})["shippingLines"]

    assert (mapped["title"], mapped["code"]) == ("Letter post", "STANDARD")
    assert (other["title"], other["code"]) == ("Amazon Standard", "STANDARD")


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
    "Japan, in its script": (
        changed(
            name="見本 太郎", line1="架空町1-2-3", line2=None, city="千代田区", state="東京都", country="JP", phone=None
        ),
        {"provinceCode": "JP-13", "address1": "架空町1-2-3", "address2": None, "firstName": "見本", "city": "千代田区"},
    ),
    "Japan, in ours": (changed(state="Kyōto-fu", country="JP"), {"provinceCode": "JP-26"}),
    "Brazil": (
        changed(state="SP", country="BR", neighborhood="Bairro Inventado"),
        {"provinceCode": "SP", "address2": "Flat 3, Bairro Inventado"},
    ),
    "Turkey has no provinces at Shopify": (
        changed(state="Ankara", district="Cankaya", city="Ankara", country="TR"),
        {"provinceCode": None, "address2": "Flat 3, Cankaya"},
    ),
    "the Emirates, without a postal code": (
        changed(state="Ras Al Khaimah", country="AE", postal_code=None),
        {"provinceCode": "RK", "zip": None},
    ),
    "South Africa": (changed(state="KwaZulu Natal", country="ZA"), {"provinceCode": "NL"}),
    "Mexico, by Shopify's own code": (changed(state="QUINTANA ROO", country="MX"), {"provinceCode": "Q ROO"}),
    "Mexico, without accents": (changed(state="Nuevo Leon", country="MX"), {"provinceCode": "NL"}),
    "Italy, by its plate": (changed(state="mi", country="IT"), {"provinceCode": "MI"}),
    "an Italian region is no province": (
        changed(state="Lombardia", country="IT"),
        {"provinceCode": None, "address2": "Flat 3, Lombardia"},
    ),
    "Spain": (changed(state="La Coruña", country="ES"), {"provinceCode": "C"}),
    "India, in capitals": (changed(state="JAMMU & KASHMIR", country="IN"), {"provinceCode": "JK"}),
    "an Irish county": (changed(state="Co. Dublin", country="IE"), {"provinceCode": "D"}),
    "Québec": (changed(state="Québec", country="CA"), {"provinceCode": "QC"}),
    "line breaks and other control characters": (
        changed(line1="12 Invented\r\nStreet\x00", city="Spring\tfield", name="Paula\u2028Beispiel"),
        {"address1": "12 Invented Street", "city": "Spring field", "firstName": "Paula", "lastName": "Beispiel"},
    ),
    "a text of any length": (changed(line1="x" * 100_000), {"address1": "x" * 100_000}),
}


@pytest.mark.parametrize(("address", "expected"), PLACES.values(), ids=PLACES)
def test_places_are_said_in_shopifys_fields(address: DeliveryAddress, expected: dict[str, Any]) -> None:
    made = mailing_address(address)

    assert {field: made.get(field) for field in expected} == expected


def test_the_buyers_company_stands_in_for_the_recipients() -> None:
    theirs = changed(company="Beispiel Ltd")

    assert mailing_address(ADDRESS, "Muster Ltd")["company"] == "Muster Ltd"
    assert mailing_address(theirs, "Muster Ltd")["company"] == "Beispiel Ltd"
    assert built(ORDER, PersonalData(address=ADDRESS, company="Muster Ltd"))["shippingAddress"]["company"]


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


WORDS = st.none() | st.text(max_size=30)


@given(st.builds(DeliveryAddress, **dict.fromkeys(DeliveryAddress.model_fields, WORDS)), WORDS)
def test_any_text_at_all_is_said_on_one_line_or_not_at_all(address: DeliveryAddress, company: str | None) -> None:
    made = mailing_address(address, company)

    assert all(value and value == value.strip() for value in made.values())
    assert not any(unicodedata.category(letter) == "Cc" for value in made.values() for letter in value)
    assert set(missing_fields(address)) <= {"name", "line1", "city", "postal_code", "country"}


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
