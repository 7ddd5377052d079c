"""Which created orders are moved to the connection's location, and which of their fulfillment orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orderbridge_creator.domain import phases, remedies
from orderbridge_creator.domain.moving import elsewhere, movable
from orderbridge_creator.domain.order import Order
from orderbridge_creator.domain.outcomes import FulfillmentOrder
from orderbridge_creator.domain.remedies import ask
from tests.support.facts import at, imported
from tests.unit.creator.building import CLAIMED, SHOPIFY, command, order_with, sent

HERE, THERE = "gid://shopify/Location/1", "gid://shopify/Location/2"


def created() -> Order:
    return phases.created(sent(order_with()), at(), SHOPIFY, CLAIMED).order


def canceled() -> Order:
    asked = ask(created(), command("c1", "cancel"))
    return remedies.canceled(asked, asked.remedies[0], at()).order


def test_a_created_order_is_moved_by_its_shopify_order() -> None:
    assert movable(created()) == SHOPIFY.order_id


@pytest.mark.parametrize(
    "order",
    [
        order_with(),
        sent(order_with()),
        canceled(),
        replace(created(), imported=imported(fulfilled_by="amazon")),
        replace(created(), imported=imported(2, kind="cancel", reason="canceled_by_buyer")),
    ],
    ids=["planned", "sending", "canceled", "fulfilled by Amazon", "canceled at Amazon"],
)
def test_any_other_order_is_not_moved(order: Order) -> None:
    assert movable(order) is None


def test_an_order_of_unknown_fulfilment_is_the_merchants_to_send() -> None:
    assert movable(replace(created(), imported=imported(fulfilled_by="unknown"))) == SHOPIFY.order_id


def test_only_what_is_not_at_the_location_is_elsewhere() -> None:
    here, there = FulfillmentOrder("a", HERE), FulfillmentOrder("b", THERE)
    nowhere = FulfillmentOrder("c", None)

    assert elsewhere([here, there, nowhere], HERE) == (there, nowhere)
    assert elsewhere([], HERE) == ()
