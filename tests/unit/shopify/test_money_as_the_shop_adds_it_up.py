"""An order's total as the Shopify stand-in adds it up is Amazon's to the minor unit, or the order is held.

Orders are made from the bottom up, all in minor units: each line draws its amounts, its total is their sum as Amazon's
model adds them (a discount lowers it whatever its sign, tax counts only where it comes on top), and the order's total
is the sum of its lines and of what the order has of its own. So a made order is right, and must never be held.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from graphql import OperationDefinitionNode, parse
from graphql.execution import get_variable_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderbridge.events import Breakdown, ImportedLine, OrderImported, OrderMatched, Target
from orderbridge.money import Money
from orderbridge.shopify.charges import of_minor
from orderbridge.shopify.documents import document
from orderbridge.shopify.order_input import MoneyMismatch, OrderInput, build_order_input
from orderbridge_standins.shopify.clock import SystemClock
from orderbridge_standins.shopify.order_create import create_order
from orderbridge_standins.shopify.orders import Order
from orderbridge_standins.shopify.profile import Profile
from orderbridge_standins.shopify.schema import load_schema
from orderbridge_standins.shopify.shop import Shop

from .orders import PERSONAL, breakdown, line, matched, order

CURRENCIES = ("USD", "EUR", "GBP", "CAD", "MXN", "BRL", "SEK", "JPY", "KRW", "KWD")
EXTRAS = ("SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER")
AMOUNT = st.one_of(st.integers(0, 30), st.integers(0, 500_000))


# --- orders that are right


def sized(kind: str, amount: int, currency: str, **details: int) -> Breakdown:
    shown = {of: f"{of_minor(value, currency).amount:f}" for of, value in details.items()}
    return breakdown(kind, f"{of_minor(amount, currency).amount:f}", currency, **shown)


@st.composite
def lines(draw: st.DrawFn, number: int, currency: str, tax_included: bool) -> tuple[ImportedLine, int]:
    item = draw(AMOUNT)
    extras = {kind: draw(AMOUNT) for kind in draw(st.sets(st.sampled_from(EXTRAS)))}
    gross = item + sum(extras.values())
    discount = draw(st.one_of(st.just(0), st.integers(0, gross)))
    tax = draw(st.one_of(st.just(0), st.integers(0, gross)))
    breakdowns = [sized("ITEM", item, currency), *(sized(kind, amount, currency) for kind, amount in extras.items())]
    if discount:
        sign = draw(st.sampled_from([1, -1]))
        parts = draw(st.sampled_from([{}, {"SHIPPING": sign * draw(st.integers(0, discount))}]))
        breakdowns.append(sized("DISCOUNT", sign * discount, currency, **parts))
    if tax:
        parts = draw(st.sampled_from([{}, {kind: draw(st.integers(0, tax)) for kind in ("SHIPPING", "GIFT_WRAP")}]))
        breakdowns.append(sized("TAX", tax, currency, **parts))
    total = gross - discount + (0 if tax_included else tax)
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
def right_orders(draw: st.DrawFn) -> OrderImported:
    currency, tax_included = draw(st.sampled_from(CURRENCIES)), draw(st.booleans())
    made = [draw(lines(number, currency, tax_included)) for number in range(1, draw(st.integers(1, 4)) + 1)]
    tip = draw(st.one_of(st.just(0), st.integers(0, 2_000)))
    canceled = [line("0", quantity=0, item_id="canceled", currency=currency)] if draw(st.booleans()) else []
    total = of_minor(sum(amount for _, amount in made) + tip, currency)
    return order(
        f"{total.amount:f}",
        *(each for each, _ in made),
        *canceled,
        currency=currency,
        breakdowns=[sized("DELIVERY_TIP", tip, currency)] if tip else [],
    )


@st.composite
def matches(draw: st.DrawFn, imported: OrderImported) -> OrderMatched:
    """Every line to one variant, or to a kit of several."""
    variants = sorted(shop().variants)[:20]
    chosen: dict[str, Sequence[Target]] = {
        each.order_item_id: [
            Target(
                variant_id=f"gid://shopify/ProductVariant/{draw(st.sampled_from(variants))}",
                quantity=each.quantity * draw(st.integers(1, 5)),
            )
            for _ in range(draw(st.integers(1, 3)))
        ]
        for each in imported.lines
    }
    return matched(imported, chosen)


# --- the shop's side


@cache
def shop() -> Shop:
    return Shop(Profile("example.myshopify.com", "client", "secret", variants=30), SystemClock())


@cache
def operation() -> OperationDefinitionNode:
    [found] = parse(document("order_create")).definitions
    assert isinstance(found, OperationDefinitionNode)
    return found


def in_the_shop(made: OrderInput) -> Order:
    """The order that the stand-in makes of it, of which only the stock is not taken."""
    definitions = list(operation().variable_definitions or ())
    given = get_variable_values(load_schema(), definitions, {**made.variables, "lines": 1})
    assert not isinstance(given, list), given
    created = create_order(shop(), given.coerced["order"], {"inventoryBehaviour": "BYPASS"})
    assert isinstance(created, Order), created
    return created


def total_of(created: Order) -> Money:
    return Money(amount=created.total, currency=created.currency_code)


# --- properties


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_order_that_is_right_has_amazons_total_in_the_shop(data: st.DataObject) -> None:
    imported = data.draw(right_orders())

    made = build_order_input(imported, data.draw(matches(imported)), PERSONAL)

    assert isinstance(made, OrderInput), made
    created = in_the_shop(made)
    assert total_of(created) == imported.total
    assert created.display_financial_status == "PAID"
    remitted = {each.order_item_id for each in imported.lines if each.tax_remitted_by_amazon}
    liable = [tax.channel_liable for tax in created.tax_lines]
    assert all(liable) if len(remitted) == len(imported.lines) else True
    assert not any(liable) or remitted


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_order_with_one_figure_spoiled_is_held(data: st.DataObject) -> None:
    """By more than all taxes and discounts together, so that no other reading of these can make up for it."""
    imported = data.draw(right_orders())
    spoiled = data.draw(with_one_figure_spoiled(imported))

    made = build_order_input(spoiled, data.draw(matches(spoiled)), PERSONAL)

    assert isinstance(made, MoneyMismatch)
    assert made.amazon == spoiled.total
    assert made.ours is not None
    assert made.why
    listed = {amount for _, amount in made.addends}
    assert {each.subtotal for one in spoiled.lines if one.quantity for each in one.breakdowns} <= listed


@st.composite
def with_one_figure_spoiled(draw: st.DrawFn, imported: OrderImported) -> OrderImported:
    assert imported.total is not None
    currency = imported.total.currency
    read_both_ways = [
        abs(each.subtotal.amount)
        for one in imported.lines
        for each in one.breakdowns
        if each.type in ("TAX", "DISCOUNT")
    ]
    off = 2 * sum(read_both_ways) + of_minor(draw(st.integers(1, 1_000)), currency).amount

    def more(money: Money) -> Money:
        return Money(amount=money.amount + off, currency=currency)

    number = draw(st.integers(0, len(imported.lines)))
    if number == len(imported.lines) or not imported.lines[number].quantity:
        return imported.model_copy(update={"total": more(imported.total)})
    chosen = imported.lines[number]
    figures = [place for place, each in enumerate(chosen.breakdowns) if each.type not in ("TAX", "DISCOUNT")]
    place = draw(st.sampled_from([-1, *figures]))
    if place < 0:
        assert chosen.total is not None
        wrong = chosen.model_copy(update={"total": more(chosen.total)})
    else:
        parts = list(chosen.breakdowns)
        parts[place] = parts[place].model_copy(update={"subtotal": more(parts[place].subtotal)})
        wrong = chosen.model_copy(update={"breakdowns": tuple(parts)})
    return imported.model_copy(update={"lines": (*imported.lines[:number], wrong, *imported.lines[number + 1 :])})


@st.composite
def any_orders(draw: st.DrawFn) -> OrderImported:
    """Figures that need not fit, of kinds known and unknown, below zero too, missing, in two currencies."""
    currency = draw(st.sampled_from(CURRENCIES))
    amounts = st.integers(-20, 40)
    kinds = st.sampled_from(["ITEM", "ITEM", "TAX", "DISCOUNT", *EXTRAS, "DELIVERY_TIP", "SURPRISE"])

    def money() -> str:
        return f"{of_minor(draw(amounts), currency).amount:f}"

    def parts(most: int) -> list[Breakdown]:
        return [breakdown(draw(kinds), money(), currency) for _ in range(draw(st.integers(0, most)))]

    def line_of(number: int) -> ImportedLine:
        total = draw(st.sampled_from([None, None, None, money()]))
        odd = draw(st.sampled_from([*[currency] * 9, "USD"]))
        return line(total, *parts(4), quantity=draw(st.integers(0, 3)), item_id=str(number), currency=odd)

    made = [line_of(number) for number in range(draw(st.integers(0, 3)))]
    plain = sum(
        (-abs(each.subtotal.amount) if each.type == "DISCOUNT" else each.subtotal.amount)
        for one in made
        for each in one.breakdowns
        if one.quantity
    )
    total = draw(st.sampled_from([None, money(), *3 * [f"{plain:f}"]]))
    return order(total, *made, currency=currency, breakdowns=parts(1))


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_at_all_has_amazons_total_or_is_held(data: st.DataObject) -> None:
    imported = data.draw(any_orders())

    made: Any = build_order_input(imported, data.draw(matches(imported)), PERSONAL)

    if isinstance(made, OrderInput):
        if made.variables["order"]["lineItems"]:
            assert total_of(in_the_shop(made)) == imported.total
        assert all(item["quantity"] > 0 for item in made.variables["order"]["lineItems"])
    else:
        assert isinstance(made, MoneyMismatch)
        assert made.why
