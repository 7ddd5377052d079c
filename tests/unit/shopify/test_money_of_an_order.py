"""Amazon's amounts and Shopify's are the same to the last minor unit, or the order is held."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbridge.connections import TaxMode
from orderbridge.events import Breakdown, ImportedLine, OrderImported, Target
from orderbridge.money import minor_unit
from orderbridge.shopify.charges import KNOWN, allocate, of_minor, unit_prices
from orderbridge.shopify.order_input import (
    MoneyMismatch,
    OrderInput,
    OrderPolicy,
    build_order_input,
    shopify_total,
)

from .orders import PERSONAL, VARIANT, breakdown, built, line, matched, money, order, prices, shipping, taxes


def held(imported: OrderImported) -> MoneyMismatch:
    made = build_order_input(imported, matched(imported), PERSONAL)
    assert isinstance(made, MoneyMismatch), made
    return made


PRICES: dict[str, tuple[OrderImported, list[tuple[int, str]]]] = {
    "a line is its units": (
        order("25.00", line("25.00", breakdown("ITEM", "25.00"), quantity=2)),
        [(2, "12.50")],
    ),
    "a line that does not divide is two": (
        order("10.00", line("10.00", breakdown("ITEM", "10.00"), quantity=3)),
        [(2, "3.33"), (1, "3.34")],
    ),
    "a discount sent positive lowers the price": (
        order("15.00", line("15.00", breakdown("ITEM", "20.00"), breakdown("DISCOUNT", "5.00"), quantity=2)),
        [(2, "7.50")],
    ),
    "a discount sent negative lowers the price": (
        order("15.00", line("15.00", breakdown("ITEM", "20.00"), breakdown("DISCOUNT", "-5.00"), quantity=2)),
        [(2, "7.50")],
    ),
    "a discount whose sum only fits when added is added": (
        order("25.00", line("25.00", breakdown("ITEM", "20.00"), breakdown("DISCOUNT", "5.00"))),
        [(1, "25.00")],
    ),
    "a canceled line is left out": (
        order("5.00", line("5.00", breakdown("ITEM", "5.00")), line("0.00", quantity=0, item_id="2")),
        [(1, "5.00")],
    ),
    "a line without breakdowns is its total": (order("7.00", line("7.00", quantity=2)), [(2, "3.50")]),
    "a line without a total is its unit price": (
        order("7.00", line(None, quantity=2, unit_price=money("3.50"))),
        [(2, "3.50")],
    ),
    "a replacement costs nothing": (
        order("0.00", line("0.00", unit_price=money("25.00"), quantity=2)),
        [(2, "0.00")],
    ),
    "yen have no decimals": (
        order("19940", line("19940", breakdown("ITEM", "19940", "JPY"), quantity=3, currency="JPY"), currency="JPY"),
        [(1, "6646"), (2, "6647")],
    ),
    "dinars have three": (
        order("1.000", line("1.000", breakdown("ITEM", "1.000", "KWD"), quantity=3, currency="KWD"), currency="KWD"),
        [(2, "0.333"), (1, "0.334")],
    ),
    "a fully discounted line is free": (
        order("0.00", line("0.00", breakdown("ITEM", "9.99"), breakdown("DISCOUNT", "9.99"))),
        [(1, "0.00")],
    ),
}


@pytest.mark.parametrize(("imported", "expected"), PRICES.values(), ids=PRICES)
def test_prices_are_amazons_to_the_minor_unit(imported: OrderImported, expected: list[tuple[int, str]]) -> None:
    fields = built(imported)

    assert prices(fields) == expected
    assert shopify_total(fields) == imported.total


def test_a_shipping_discount_lowers_the_shipping_and_not_the_product() -> None:
    discount = breakdown("DISCOUNT", "3.00", SHIPPING="3.00")
    fields = built(order("21.00", line("21.00", breakdown("ITEM", "20.00"), breakdown("SHIPPING", "4.00"), discount)))

    assert prices(fields) == [(1, "20.00")]
    assert shipping(fields) == {"Amazon Standard": "1.00"}


def test_a_discount_larger_than_its_product_goes_on_to_the_shipping() -> None:
    discount = breakdown("DISCOUNT", "22.00")
    fields = built(order("2.00", line("2.00", breakdown("ITEM", "20.00"), breakdown("SHIPPING", "4.00"), discount)))

    assert prices(fields) == [(1, "0.00")]
    assert shipping(fields) == {"Amazon Standard": "2.00"}


def test_shipping_of_all_lines_is_one_shipping_line() -> None:
    lines = [
        line("12.00", breakdown("ITEM", "10.00"), breakdown("SHIPPING", "2.00"), item_id="1"),
        line("23.00", breakdown("ITEM", "20.00"), breakdown("SHIPPING", "3.00"), item_id="2"),
    ]

    assert shipping(built(order("35.00", *lines))) == {"Amazon Standard": "5.00"}


def test_free_shipping_is_a_shipping_line_too() -> None:
    assert shipping(built(order("5.00", line("5.00")))) == {"Amazon Standard": "0.00"}


def test_charges_that_are_no_products_are_lines_beside_the_shipping() -> None:
    each = [breakdown("GIFT_WRAP", "1.50"), breakdown("COD_FEE", "2.00"), breakdown("OTHER", "0.25")]
    imported = order(
        "18.75",
        line("13.75", breakdown("ITEM", "10.00"), *each),
        breakdowns=[breakdown("ITEM", "10.00"), breakdown("DELIVERY_TIP", "5.00")],
    )

    assert shipping(built(imported)) == {
        "Amazon Standard": "0.00",
        "Gift wrap": "1.50",
        "Cash on delivery fee": "2.00",
        "Delivery tip": "5.00",
        "Other charges": "0.25",
    }


def test_tax_on_top_is_on_what_it_is_of() -> None:
    tax = breakdown("TAX", "2.40", ITEM="2.00", SHIPPING="0.40")
    fields = built(order("32.40", line("32.40", breakdown("ITEM", "25.00"), breakdown("SHIPPING", "5.00"), tax)))

    assert fields["taxesIncluded"] is False
    assert taxes(fields["lineItems"][0]) == [("2.00", False)]
    assert fields["lineItems"][0]["taxLines"][0]["rate"] == "0.0800"
    assert taxes(fields["shippingLines"][0]) == [("0.40", False)]


def test_tax_in_the_price_is_told_from_tax_on_top_by_the_sum() -> None:
    fields = built(order("24.00", line("24.00", breakdown("ITEM", "24.00"), breakdown("TAX", "4.00"), quantity=2)))

    assert fields["taxesIncluded"] is True
    assert prices(fields) == [(2, "12.00")]
    assert taxes(fields["lineItems"][0]) == [("4.00", False)]
    assert fields["lineItems"][0]["taxLines"][0]["rate"] == "0.2000"


def test_tax_that_amazon_remits_is_marked_so_line_by_line() -> None:
    shipped = breakdown("SHIPPING", "1.00")
    remitted = line(
        "12.00",
        breakdown("ITEM", "10.00"),
        shipped,
        breakdown("TAX", "1.00", SHIPPING="0.20"),
        item_id="1",
        tax_remitted_by_amazon=True,
    )
    ours = line("12.00", breakdown("ITEM", "10.00"), shipped, breakdown("TAX", "1.00", SHIPPING="0.10"), item_id="2")
    fields = built(order("24.00", remitted, ours))

    assert [taxes(each) for each in fields["lineItems"]] == [[("0.80", True)], [("0.90", False)]]
    assert sorted(taxes(fields["shippingLines"][0])) == [("0.10", False), ("0.20", True)]


def test_tax_of_a_line_that_became_two_is_divided_exactly() -> None:
    fields = built(order("10.55", line("10.55", breakdown("ITEM", "10.00"), breakdown("TAX", "0.55"), quantity=3)))

    assert prices(fields) == [(2, "3.33"), (1, "3.34")]
    assert [taxes(each) for each in fields["lineItems"]] == [[("0.37", False)], [("0.18", False)]]


def test_several_targets_divide_a_line_to_the_cent() -> None:
    imported = order("10.00", line("10.00", breakdown("ITEM", "10.00")))
    kit = [Target(variant_id=VARIANT.format(7), quantity=2), Target(variant_id=VARIANT.format(8), quantity=1)]
    made = build_order_input(imported, matched(imported, {"1": kit}), PERSONAL)

    assert isinstance(made, OrderInput)
    fields = made.variables["order"]
    variants = [each["variantId"][-1] for each in fields["lineItems"]]
    assert list(zip(variants, prices(fields), strict=True)) == [
        ("7", (1, "3.33")),
        ("7", (1, "3.34")),
        ("8", (1, "3.33")),
    ]
    assert made.total == money("10.00")


HELD: dict[str, tuple[OrderImported, str | None, str]] = {
    "a kind that we do not know": (
        order("11.00", line("11.00", breakdown("ITEM", "10.00"), breakdown("SURPRISE", "1.00"))),
        "10.00",
        "SURPRISE",
    ),
    "a kind that we do not know beside a sum that fits without it": (
        order("10.00", line("10.00", breakdown("ITEM", "10.00"), breakdown("SURPRISE", "1.00"))),
        "11.00",
        "SURPRISE",
    ),
    "a kind of the whole order that we do not know": (
        order("11.00", line("10.00", breakdown("ITEM", "10.00")), breakdowns=[breakdown("SURPRISE", "1.00")]),
        "10.00",
        "SURPRISE",
    ),
    "a total that is a cent off": (order("10.01", line("10.00", breakdown("ITEM", "10.00"))), "10.00", "reading"),
    "a line that does not add up": (order("9.00", line("9.00", breakdown("ITEM", "10.00"))), "10.00", "reading"),
    "no total": (order(None, line("10.00", breakdown("ITEM", "10.00"))), None, "no total"),
    "two currencies": (order("10.00", line("10.00", breakdown("ITEM", "10.00", "CAD"))), None, "CAD"),
    "half a cent": (order("10.005", line("10.005", breakdown("ITEM", "10.005"))), None, "minor unit"),
    "a total below zero": (order("-1.00", line("-1.00", breakdown("ITEM", "-1.00"))), "-1.00", "negative"),
    "a tax of the whole order only": (
        order("11.00", line("10.00", breakdown("ITEM", "10.00")), breakdowns=[breakdown("TAX", "1.00")]),
        "11.00",
        "TAX",
    ),
    "a discount of the whole order only": (
        order("9.00", line("10.00", breakdown("ITEM", "10.00")), breakdowns=[breakdown("DISCOUNT", "-1.00")]),
        "9.00",
        "DISCOUNT",
    ),
    "one line with tax on top and one with tax in the price": (
        order(
            "22.00",
            line("11.00", breakdown("ITEM", "10.00"), breakdown("TAX", "1.00"), item_id="1"),
            line("11.00", breakdown("ITEM", "11.00"), breakdown("TAX", "1.00"), item_id="2"),
        ),
        "23.00",
        "reading",
    ),
}


@pytest.mark.parametrize(("imported", "ours", "why"), HELD.values(), ids=HELD)
def test_what_cannot_be_exact_is_held_with_both_figures(imported: OrderImported, ours: str | None, why: str) -> None:
    mismatch = held(imported)

    assert mismatch.amazon == imported.total
    assert mismatch.ours == (None if ours is None else money(ours))
    assert why in mismatch.why
    listed = [b.subtotal for each in imported.lines for b in each.breakdowns]
    assert set(listed) <= {amount for _, amount in mismatch.addends}


ON_TOP = order("12.00", line("12.00", breakdown("ITEM", "10.00"), breakdown("TAX", "2.00"), quantity=2))
IN_THE_PRICE = order("10.00", line("10.00", breakdown("ITEM", "10.00"), breakdown("TAX", "2.00"), quantity=2))
UNTAXED = order("10.00", line("10.00", breakdown("ITEM", "10.00"), quantity=2))


@pytest.mark.parametrize(
    ("imported", "tax_mode", "included"),
    [
        (ON_TOP, "excluded", False),
        (IN_THE_PRICE, "included", True),
        (UNTAXED, "excluded", False),
        (UNTAXED, "included", True),
        (UNTAXED, "auto", False),
    ],
)
def test_a_tax_mode_accepts_the_orders_that_are_read_so(
    imported: OrderImported, tax_mode: TaxMode, included: bool
) -> None:
    fields = built(imported, tax_mode=tax_mode)

    assert fields["taxesIncluded"] is included
    assert shopify_total(fields) == imported.total


@pytest.mark.parametrize(
    ("imported", "tax_mode", "ours", "why"),
    [
        (ON_TOP, "included", "10.00", "tax on top of the prices, and the setting tax_mode is included"),
        (IN_THE_PRICE, "excluded", "12.00", "tax in the prices, and the setting tax_mode is excluded"),
    ],
)
def test_a_tax_mode_holds_the_others_and_says_so(
    imported: OrderImported, tax_mode: TaxMode, ours: str, why: str
) -> None:
    mismatch = build_order_input(imported, matched(imported), PERSONAL, OrderPolicy(tax_mode=tax_mode))

    assert isinstance(mismatch, MoneyMismatch)
    assert (mismatch.amazon, mismatch.ours) == (imported.total, money(ours))
    assert why in mismatch.why
    assert len(mismatch.addends) == 2


def test_a_tax_mode_makes_no_discount_an_addition() -> None:
    """With the discount added and the tax left out, the sum would fit too."""
    parts = breakdown("ITEM", "20.00"), breakdown("DISCOUNT", "5.00"), breakdown("TAX", "10.00")
    imported = order("25.00", line("25.00", *parts))

    assert prices(built(imported)) == [(1, "15.00")]
    mismatch = build_order_input(imported, matched(imported), PERSONAL, OrderPolicy(tax_mode="included"))
    assert isinstance(mismatch, MoneyMismatch)


@pytest.mark.parametrize(
    ("currency", "amount", "cent"),
    [("JPY", "19940", "19940"), ("KRW", "19940", "19940"), ("KWD", "19.945", "19.945"), ("QQQ", "19.94", "19.94")],
)
def test_amounts_have_the_digits_of_their_currency(currency: str, amount: str, cent: str) -> None:
    imported = order(amount, line(amount, breakdown("ITEM", amount, currency), currency=currency), currency=currency)

    assert prices(built(imported)) == [(1, cent)]


def test_half_a_yen_holds_the_order() -> None:
    odd = line("10.50", breakdown("ITEM", "10.50", "JPY"), currency="JPY")

    assert "minor unit" in held(order("10.50", odd, currency="JPY")).why


def test_amounts_below_zero_are_taken_from_the_others() -> None:
    parts = breakdown("ITEM", "10.00"), breakdown("OTHER", "-1.50"), breakdown("SHIPPING", "3.00")
    fields = built(order("11.50", line("11.50", *parts)))

    assert shopify_total(fields) == money("11.50")
    assert all(not price.startswith("-") for price in [*shipping(fields).values(), *(p for _, p in prices(fields))])


def test_a_tax_below_zero_holds_the_order() -> None:
    assert "negative" in held(order("9.00", line("9.00", breakdown("ITEM", "10.00"), breakdown("TAX", "-1.00")))).why


def test_ten_thousand_lines_are_one_order() -> None:
    many = [
        line("1.10", breakdown("ITEM", "1.00"), breakdown("TAX", "0.10"), quantity=3, item_id=str(number))
        for number in range(10_000)
    ]
    fields = built(order("11000.00", *many))

    assert shopify_total(fields) == money("11000.00")
    assert sum(each["quantity"] for each in fields["lineItems"]) == 30_000


@pytest.mark.parametrize(("total", "tip"), [("12.00", "2.00"), ("10.00", None)], ids=["in the total", "not in it"])
def test_a_tip_that_is_pending_counts_where_amazons_total_has_it(total: str, tip: str | None) -> None:
    pending = breakdown("DELIVERY_TIP", "2.00").model_copy(update={"pending": True})
    imported = order(total, line("10.00", breakdown("ITEM", "10.00")), breakdowns=[pending])

    assert shipping(built(imported)).get("Delivery tip") == tip


def test_a_tip_that_is_final_must_be_in_amazons_total() -> None:
    final = breakdown("DELIVERY_TIP", "2.00")

    assert held(order("10.00", line("10.00", breakdown("ITEM", "10.00")), breakdowns=[final])).ours == money("12.00")


def test_the_sums_that_the_whole_order_repeats_are_not_added_again() -> None:
    repeated = [breakdown("ITEM", "10.00"), breakdown("TAX", "1.00"), breakdown("DELIVERY_TIP", "2.00")]
    imported = order("13.00", line("11.00", breakdown("ITEM", "10.00"), breakdown("TAX", "1.00")), breakdowns=repeated)

    assert shipping(built(imported))["Delivery tip"] == "2.00"


def test_shipping_that_only_the_whole_order_has_is_charged() -> None:
    imported = order("14.00", line("10.00", breakdown("ITEM", "10.00")), breakdowns=[breakdown("SHIPPING", "4.00")])

    assert shipping(built(imported)) == {"Amazon Standard": "4.00"}


def test_an_unknown_kind_of_nothing_holds_nobody() -> None:
    imported = order("10.00", line("10.00", breakdown("ITEM", "10.00"), breakdown("SURPRISE", "0.00")))

    assert prices(built(imported)) == [(1, "10.00")]


def test_the_addends_name_their_order_items() -> None:
    mismatch = held(order("1.00", line("10.00", breakdown("ITEM", "10.00"), item_id="77")))

    assert mismatch.addends == (("ITEM of 77", money("10.00")),)


# --- properties

AMOUNT = st.integers(0, 500_000)
CURRENCY = st.sampled_from(["USD", "EUR", "JPY", "KWD"])


@st.composite
def lines_and_sum(draw: st.DrawFn, number: int, currency: str, tax_included: bool) -> tuple[ImportedLine, int]:
    """A line as Amazon's model makes them: its total is the sum of its breakdowns, and never below zero."""
    item, discount, tax = draw(AMOUNT), 0, draw(st.integers(0, 20_000))
    extras = {
        kind: draw(AMOUNT) for kind in draw(st.sets(st.sampled_from(["SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER"])))
    }
    if draw(st.booleans()):
        discount = draw(st.integers(0, item + sum(extras.values())))

    def sized(kind: str, amount: int, **details: int) -> Breakdown:
        shown = {of: f"{of_minor(value, currency).amount:f}" for of, value in details.items()}
        return breakdown(kind, f"{of_minor(amount, currency).amount:f}", currency, **shown)

    of_shipping = draw(st.integers(0, discount))
    tax_of_shipping = draw(st.integers(0, tax))
    breakdowns = [sized("ITEM", item), *(sized(kind, amount) for kind, amount in extras.items())]
    if discount:
        sign = draw(st.sampled_from([1, -1]))
        details = draw(st.sampled_from([{}, {"SHIPPING": sign * of_shipping}]))
        breakdowns.append(sized("DISCOUNT", sign * discount, **details))
    if tax:
        breakdowns.append(sized("TAX", tax, **draw(st.sampled_from([{}, {"SHIPPING": tax_of_shipping}]))))
    total = item + sum(extras.values()) - discount + (0 if tax_included else tax)
    made = line(
        f"{of_minor(total, currency).amount:f}",
        *breakdowns,
        quantity=draw(st.integers(1, 12)),
        item_id=str(number),
        currency=currency,
        tax_remitted_by_amazon=draw(st.booleans()),
    )
    return made, total


@st.composite
def orders(draw: st.DrawFn) -> OrderImported:
    currency, tax_included = draw(CURRENCY), draw(st.booleans())
    count = draw(st.integers(1, 5))
    made = [draw(lines_and_sum(number, currency, tax_included)) for number in range(1, count + 1)]
    tip = draw(st.integers(0, 1000))
    total = of_minor(sum(amount for _, amount in made) + tip, currency)
    tips = [breakdown("DELIVERY_TIP", f"{of_minor(tip, currency).amount:f}", currency)] if tip else []
    return order(f"{total.amount:f}", *(each for each, _ in made), currency=currency, breakdowns=tips)


@settings(deadline=None)
@given(orders())
def test_any_order_that_adds_up_is_created_with_amazons_total(imported: OrderImported) -> None:
    fields = built(imported)

    assert shopify_total(fields) == imported.total
    units = {each.order_item_id: each.quantity for each in imported.lines}
    sent = dict.fromkeys(units, 0)
    unit = minor_unit(fields["currency"])
    for item in fields["lineItems"]:
        sent[item["properties"][0]["value"]] += item["quantity"]
        assert item["quantity"] > 0
    for carrier in (*fields["lineItems"], *fields["shippingLines"]):
        amounts = [carrier["priceSet"], *(tax["priceSet"] for tax in carrier.get("taxLines", ()))]
        for amount in amounts:
            value = money(amount["shopMoney"]["amount"]).amount
            assert value >= 0
            assert value % unit == 0
    assert sent == units


@settings(deadline=None)
@given(orders(), st.integers(1, 9))
def test_an_order_that_is_off_is_never_created(imported: OrderImported, off: int) -> None:
    assert imported.total is not None
    unit = minor_unit(imported.total.currency)
    wrong = imported.model_copy(
        update={"total": money(str(imported.total.amount + off * unit), imported.total.currency)}
    )

    assert held(wrong).amazon == wrong.total


@settings(deadline=None)
@given(orders(), st.integers(1, 100), st.text(min_size=1).filter(lambda kind: kind not in KNOWN))
def test_an_amount_of_an_unknown_kind_is_never_lost(imported: OrderImported, amount: int, kind: str) -> None:
    assert imported.total is not None
    currency = imported.total.currency
    odd = breakdown(kind, f"{of_minor(amount, currency).amount:f}", currency)
    first, *rest = imported.lines
    changed = first.model_copy(update={"breakdowns": (*first.breakdowns, odd)})

    mismatch = held(imported.model_copy(update={"lines": (changed, *rest)}))

    assert (f"{kind} of 1", odd.subtotal) in mismatch.addends


@given(st.integers(-10_000, 10_000_000), st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_an_allocation_never_drifts(amount: int, weights: list[int]) -> None:
    assert sum(allocate(amount, weights)) == amount


@given(st.integers(0, 10_000_000), st.integers(1, 999))
def test_unit_prices_never_drift(amount: int, quantity: int) -> None:
    priced = unit_prices(amount, quantity)

    assert sum(units * price for units, price in priced) == amount
    assert sum(units for units, _ in priced) == quantity
    assert max(price for _, price in priced) - min(price for _, price in priced) <= 1
