"""Reading Amazon's orders: tolerant of what is absent or new, strict where an order would become another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orderbridge.shopify.order_input import PersonalData
from orderbridge_ingestor.adapters.reading import load_json, read_order
from orderbridge_ingestor.domain.orders import ReadOrder, UnreadableOrder
from orderbridge_standins.amazon.generator import Profile, generate_orders

CASES = Path(__file__).parents[4] / "shared" / "contracts" / "amazon" / "derived" / "sandbox-static-cases.json"
ID = "113-1234567-7654321"


def minimal(**more: Any) -> dict[str, Any]:
    """With no more than Amazon's model requires."""
    return {
        "orderId": ID,
        "createdTime": "2026-11-20T10:00:00Z",
        "lastUpdatedTime": "2026-11-20T10:30:00.250Z",
        "salesChannel": {"channelName": "AMAZON"},
        "orderItems": [{"orderItemId": "1", "quantityOrdered": 2, "product": {}}],
        **more,
    }


def with_item(**more: Any) -> dict[str, Any]:
    return minimal(orderItems=[minimal()["orderItems"][0] | more])


def read(raw: Any) -> ReadOrder:
    order = read_order(raw)
    assert isinstance(order, ReadOrder), order
    return order


def examples() -> Iterator[Any]:
    if CASES.is_file():
        for case in json.loads(CASES.read_text(encoding="utf-8"))["cases"]:
            answer = case.get("response")
            if case["model"] == "orders_2026-01-01.json" and isinstance(answer, Mapping):
                for order in [*(answer.get("orders") or ()), *([answer["order"]] if "order" in answer else ())]:
                    yield pytest.param(order, id=f"{order['orderId']} {case['kind']}")


def test_an_order_with_no_more_than_the_required_fields_is_read() -> None:
    order = read(minimal())

    assert order.snapshot.last_updated_at == datetime(2026, 11, 20, 10, 30, 0, 250_000, tzinfo=UTC)
    assert (order.snapshot.told.status, order.snapshot.told.fulfilled_by) == (None, "unknown")
    assert order.snapshot.total is None
    [line] = order.snapshot.lines
    assert (line.quantity, line.amazon_sku, line.unit_price) == (2, None, None)


@pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES.name} beside this checkout")
@pytest.mark.parametrize("raw", list(examples()))
def test_every_example_of_amazons_model_is_read_with_its_total(raw: Mapping[str, Any]) -> None:
    order = read(raw)

    assert order.amazon_order_id == raw["orderId"]
    assert len(order.snapshot.lines) == len(raw["orderItems"])
    if "proceeds" in raw:
        assert order.snapshot.total is not None
        assert order.snapshot.total.amount == Decimal(raw["proceeds"]["grandTotal"]["amount"])


def test_a_generated_order_is_read_whole() -> None:
    made = generate_orders(
        seed=3,
        catalogue_seed=1,
        catalogue_variants=30,
        profile=Profile(unshipped=40),
        marketplace_id="ATVPDKIKX0DER",
        now=datetime(2026, 11, 20, tzinfo=UTC),
    )
    for raw in made.orders:
        order = read(raw)
        lines = order.snapshot.lines
        assert order.snapshot.told.fulfilled_by == "merchant"
        assert order.snapshot.ship_by is not None
        assert all(line.tax_remitted_by_amazon and line.amazon_sku and line.total for line in lines)
        sums = [sum(b.subtotal.amount for b in line.breakdowns) for line in lines]
        assert sums == [line.total.amount for line in lines if line.total]
        assert order.personal.address is not None
        assert order.personal.address.line1 == raw["recipient"]["deliveryAddress"]["addressLine1"]
    assert any(read(raw).personal.gift_messages for raw in made.orders)
    assert any(read(raw).personal.purchase_order for raw in made.orders)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (minimal(createdTime="yesterday"), "createdTime is no time"),
        (minimal(lastUpdatedTime=None), "lastUpdatedTime is missing"),
        (minimal(lastUpdatedTime="2026-11-20T10:30:00"), "lastUpdatedTime has no time zone"),
        (minimal(salesChannel=None), "salesChannel is missing or no object"),
        (minimal(orderItems="none"), "orderItems is missing or no list"),
        (minimal(orderItems=["x"]), "an order item is missing or no object"),
        (with_item(quantityOrdered=-1), "quantityOrdered is no count"),
        (with_item(quantityOrdered="2"), "quantityOrdered is no count"),
        (with_item(orderItemId=""), "orderItemId is missing"),
        (with_item(product={"title": 7}), "title is no text"),
        (
            with_item(product={"price": {"unitPrice": {"amount": "ten", "currencyCode": "USD"}}}),
            "unitPrice is no amount",
        ),
        (with_item(proceeds={"breakdowns": [{"type": "ITEM"}]}), "subtotal is missing"),
        (minimal(proceeds={"grandTotal": {"amount": "1E+999999", "currencyCode": "USD"}}), "grandTotal is no amount"),
        (minimal(proceeds={"grandTotal": {"amount": "NaN", "currencyCode": "USD"}}), "grandTotal is no amount"),
        (minimal(fulfillment="UNSHIPPED"), "fulfillment is missing or no object"),
        (minimal(createdTime="2026-11-20T10:00:00"), "createdTime has no time zone"),
        (minimal(createdTime="9999-12-31T23:59:59-14:00"), "createdTime is no time"),
        (with_item(quantityOrdered=None), "quantityOrdered is no count"),
        (with_item(quantityOrdered=True), "quantityOrdered is no count"),
        (with_item(quantityOrdered=load_json(b"2.0")), "quantityOrdered is no count"),
        (with_item(quantityOrdered=2.5), "quantityOrdered is no count"),
        (with_item(quantityOrdered=10**6 + 1), "quantityOrdered is no count"),
        (with_item(quantityOrdered=load_json(b"9" * 5_000)), "quantityOrdered is no count"),
        (with_item(product={"title": "Mug\0"}), "title holds a character that cannot be stored"),
        (with_item(product={"sellerSku": "MUG\ud800"}), "sellerSku holds a character that cannot be stored"),
        (minimal(programs=["PRIME\0"]), "programs holds a character that cannot be stored"),
        (
            minimal(recipient={"deliveryAddress": {"name": "Ada \udfff"}}),
            "address.name holds half a surrogate pair, which cannot be stored",
        ),
        (minimal(buyer={"buyerPurchaseOrderNumber": "\ud800"}), "purchase_order holds half a surrogate pair"),
        (
            minimal(tax={"taxRegistrations": [{"taxRegistrationNumber": "\ud800"}]}),
            "tax_registrations holds half a surrogate pair",
        ),
        (
            with_item(proceeds={"proceedsTotal": {"amount": "1", "currencyCode": "dollars"}}),
            "proceedsTotal is no amount",
        ),
        (with_item(proceeds={"breakdowns": [{"subtotal": {}}]}), "type is missing"),
    ],
)
def test_what_would_make_another_order_of_it_makes_it_unreadable(raw: Any, why: str) -> None:
    order = read_order(raw)

    assert isinstance(order, UnreadableOrder)
    assert order.amazon_order_id == ID
    assert order.why.startswith(why)


@pytest.mark.parametrize("raw", [None, [], {}, {"orderId": 7}, minimal(orderId="113 1234567")])
def test_an_order_without_an_id_is_unreadable_and_nobodys(raw: Any) -> None:
    order = read_order(raw)

    assert isinstance(order, UnreadableOrder)
    assert order.amazon_order_id is None


def test_why_an_order_is_unreadable_says_nothing_of_what_it_holds() -> None:
    order = read_order(minimal(createdTime="the birthday of Ada Invented"))

    assert isinstance(order, UnreadableOrder)
    assert "Ada" not in order.why


def test_new_words_and_fields_are_taken_as_they_are() -> None:
    order = read(
        minimal(
            fulfillment={"fulfillmentStatus": "ON_THE_MOON", "fulfilledBy": "ROBOTS", "promise": {"a": 1}},
            programs=["PRIME", 7, "SPACE"],
            somethingNew=[{}],
        )
    )

    assert (order.snapshot.told.status, order.snapshot.told.fulfilled_by) == ("ON_THE_MOON", "unknown")
    assert order.snapshot.programs == ("PRIME", "SPACE")


@pytest.mark.parametrize("quantity", [0, 1, 1_000_000])
def test_a_count_is_kept_as_it_is(quantity: int) -> None:
    [line] = read(with_item(quantityOrdered=quantity)).snapshot.lines

    assert line.quantity == quantity


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "红茶 ☕ शर्ट القميص Тоник",
        "a\u202eb",
        "\u0301" * 1_000,
        "\U0001f375",
        "line\nbreak\ttab",
        " ' \" \\ %s",
    ],
    ids=["long", "scripts", "direction", "accents", "beyond the basic plane", "control", "quotes"],
)
def test_text_of_any_script_and_length_is_kept_as_sent(text: str) -> None:
    raw = with_item(product={"title": text, "sellerSku": text, "asin": text}, orderItemId=text) | {
        "fulfillment": {"fulfillmentStatus": text, "fulfillmentServiceLevel": text},
        "recipient": {"deliveryAddress": {"name": text, "addressLine1": text}},
        "programs": [text],
    }
    order = read(load_json(json.dumps(raw).encode()))

    [line] = order.snapshot.lines
    assert {line.title, line.amazon_sku, line.asin, line.order_item_id} == {text}
    assert {order.snapshot.told.status, order.snapshot.service_level, *order.snapshot.programs} == {text}
    assert order.personal.address is not None
    assert (order.personal.address.name, order.personal.address.line1) == (text, text)
    assert PersonalData.from_bytes(order.personal.to_bytes()) == order.personal


def test_a_nul_in_an_address_is_kept_for_the_vault_takes_any_text() -> None:
    order = read(minimal(recipient={"deliveryAddress": {"addressLine1": "1 Example\0Street"}}))

    assert order.personal.address is not None
    assert order.personal.address.line1 == "1 Example\0Street"


def test_ten_thousand_lines_are_read() -> None:
    items = [minimal()["orderItems"][0] | {"orderItemId": str(number)} for number in range(10_000)]

    assert len(read(minimal(orderItems=items)).snapshot.lines) == 10_000


def test_a_currency_that_nobody_saw_is_kept() -> None:
    total = read(minimal(proceeds={"grandTotal": {"amount": "1.25", "currencyCode": "QQQ"}})).snapshot.total

    assert str(total) == "1.25 QQQ"


def test_what_a_line_says_beside_its_amounts_is_read() -> None:
    order = read(
        with_item(
            expense={"pointsCost": {"pointsGranted": {"pointsNumber": 42}}},
            fulfillment={
                "packing": {"giftOption": {"giftWrapLevel": "RIBBON", "giftMessage": "Hush"}},
                "shipping": {"internationalShipping": {"iossNumber": "IM1234567890"}},
            },
        )
    )

    [line] = order.snapshot.lines
    assert (line.points_granted, line.ioss_number, line.gift_wrap) == (42, "IM1234567890", "RIBBON")
    assert order.personal.gift_messages == {"1": "Hush"}


@pytest.mark.parametrize(
    ("lines", "read_as"),
    [
        ({}, ("Rua Inventada, 12", "Sala 3")),
        ({"addressLine1": "Rua Inventada 12", "addressLine2": "S. 3"}, ("Rua Inventada 12", "S. 3")),
    ],
)
def test_a_brazilian_street_stands_in_for_lines_that_are_missing(
    lines: dict[str, str], read_as: tuple[str, str]
) -> None:
    extended = {"streetName": "Rua Inventada", "streetNumber": "12", "complement": "Sala 3", "neighborhood": "Bela"}
    order = read(minimal(recipient={"deliveryAddress": lines | {"extendedFields": extended}}))

    assert order.personal.address is not None
    assert (order.personal.address.line1, order.personal.address.line2) == read_as


def test_a_tip_says_whether_it_may_change_still() -> None:
    def tip(**status: Any) -> dict[str, Any]:
        return {"type": "DELIVERY_TIP", "subtotal": {"amount": "2.00", "currencyCode": "USD"}} | status

    given = [tip(status="PENDING"), tip(status="FINALIZED"), tip(status="ON_THE_MOON"), tip()]
    order = read(minimal(proceeds={"breakdowns": given}))

    assert [each.pending for each in order.snapshot.breakdowns] == [True, False, False, False]


@pytest.mark.parametrize("points", [-1, "many", 4.5, True, None, [], {}])
def test_points_that_are_no_count_are_left_out(points: Any) -> None:
    [line] = read(with_item(expense={"pointsCost": {"pointsGranted": {"pointsNumber": points}}})).snapshot.lines

    assert line.points_granted is None


@pytest.mark.parametrize(
    ("given", "replaced"),
    [
        ([{"orderId": "113-0000000-0000001", "associationType": "REPLACEMENT_ORIGINAL_ID"}], "113-0000000-0000001"),
        ([{"orderId": "113-0000000-0000001", "associationType": "EXCHANGE_ORIGINAL_ID"}], "113-0000000-0000001"),
        ([{"orderId": "113-0000000-0000001", "associationType": "WARRANTY"}], None),
        ([{"orderId": "no id", "associationType": "REPLACEMENT_ORIGINAL_ID"}, "what", None], None),
        ("none", None),
    ],
)
def test_a_replacement_names_the_order_that_it_stands_for(given: Any, replaced: str | None) -> None:
    assert read(minimal(associatedOrders=given)).snapshot.replaces == replaced


def test_empty_strings_are_absent() -> None:
    address = {"name": "Ada Invented", "addressLine2": "", "municipality": "", "phone": ""}
    order = read(minimal(recipient={"deliveryAddress": address}, buyer={"buyerName": ""}))

    assert order.personal.address is not None
    assert (order.personal.address.line2, order.personal.address.phone) == (None, None)
    assert order.personal.buyer_name is None


def test_who_canceled_is_read_from_the_items() -> None:
    def of(who: str) -> str | None:
        return read(with_item(cancellation={"cancellationExecution": {"cancelledBy": who}})).snapshot.told.canceled_by

    assert [of(who) for who in ("BUYER", "MERCHANT", "AMAZON", "NOBODY")] == ["buyer", "merchant", "amazon", None]


@pytest.mark.parametrize(
    ("cancellation", "asked"),
    [
        ({"cancellationRequest": {"requester": "BUYER", "cancelReason": "My cat Ada says no"}}, True),
        ({"cancellationRequest": {"requester": "BUYER"}, "cancellationExecution": {"cancelledBy": "BUYER"}}, True),
        ({"cancellationRequest": {"requester": "SOMEBODY"}}, False),
        ({"cancellationRequest": {}}, False),
        ({"cancellationRequest": "BUYER"}, False),
        ({}, False),
    ],
)
def test_that_the_buyer_asks_to_cancel_is_read_from_the_items_and_not_why(cancellation: Any, asked: bool) -> None:
    found = read(with_item(cancellation=cancellation)).snapshot

    assert found.cancel_requested is asked
    assert "Ada says" not in repr(found)


def test_an_amount_that_came_as_a_number_keeps_its_digits() -> None:
    raw = load_json(json.dumps(minimal()).encode().replace(b'"AMAZON"', b'"AMAZON", "x": 1.10'))
    raw["proceeds"] = load_json(b'{"grandTotal": {"amount": 1.10, "currencyCode": "USD"}}')

    total = read(raw).snapshot.total

    assert total is not None
    assert str(total) == "1.10 USD"


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        load_json(body)
