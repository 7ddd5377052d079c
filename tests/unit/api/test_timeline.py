"""The story of an order in words: each fact and command says what a person wants to know of it."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.events import Attention, Fact, LineMatch, Reservation, ShopifyOrder, Target
from orderbridge_api.domain.commands import CommandRecord
from orderbridge_api.domain.timeline import KeptFact, timeline_of
from tests.support.facts import ORDER, at, created, failed, matched, progress

SHOPIFY = ShopifyOrder(order_id="gid://shopify/Order/1", name="#1001")


def kept(fact: Fact) -> KeptFact:
    return KeptFact(fact.source, fact.seq, "", fact.at, fact.model_dump(mode="json"))


def summary(fact: Fact, *commands: CommandRecord) -> str:
    [said] = [item.summary for item in timeline_of([kept(fact)], commands).items if item.seq is not None]
    return said


def command(mode: Any, **more: Any) -> CommandRecord:
    return CommandRecord("c1", ORDER, "main", mode, more.pop("reason", None), "ann", at(), **more)


def line(number: int, rule: Any, **more: Any) -> LineMatch:
    target = Target(variant_id="gid://shopify/ProductVariant/1", quantity=1)
    return LineMatch(order_item_id=str(number), amazon_sku=f"SKU-{number}", rule=rule, targets=(target,), **more)


def test_a_match_tells_by_which_rule_each_line_was_found() -> None:
    fact = matched(lines=(line(1, "sku"), line(2, "title"), line(3, "mapping", mapping_rev=4)))
    assert summary(fact) == (
        "A variant was found for every line of import 1: SKU-1 by sku, SKU-2 by title, SKU-3 by mapping (revision 4)."
    )


def test_a_line_without_a_sku_is_told_by_its_number() -> None:
    fact = matched(lines=(LineMatch(order_item_id="77", rule="title"),))
    assert summary(fact).endswith(": line 77 by title.")


def test_of_many_lines_the_first_are_told() -> None:
    fact = matched(lines=tuple(line(number, "sku") for number in range(8)))
    assert summary(fact).endswith("SKU-4 by sku, 3 more.")


def test_a_match_that_was_asked_for_says_so() -> None:
    assert "import 1, asked for by rematch: " in summary(matched(mode="rematch", command_id="c1"))


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (progress("planned"), "The order is about to be created in Shopify."),
        (progress("planned", mode="force"), "The order is about to be created in Shopify, whatever the stock."),
        (progress("sending", attempts=2), "Attempt 2 was sent to Shopify."),
        (progress("holding"), "Stock is held for the order until it can be created."),
        (
            progress("holding", reservation=Reservation(state="released", at=at())),
            "The stock that was held for the order was released.",
        ),
        (progress("resolved"), "An operator closed the order as handled elsewhere."),
        (created(), "Shopify order #1001 was created."),
        (failed(), "Unable to reserve inventory: MUG needs 1, 0 are available."),
        (progress("canceled"), "The order was canceled before it was created in Shopify."),
        (progress("canceled", shopify=SHOPIFY), "Shopify order #1001 was canceled."),
        (
            progress("canceled", shopify=SHOPIFY, reservation=Reservation(state="released", at=at())),
            "Shopify order #1001 was canceled, its units are back in stock.",
        ),
    ],
)
def test_a_phase_is_told_in_a_sentence(fact: Fact, words: str) -> None:
    assert summary(fact) == words


def test_an_order_that_an_operator_linked_was_not_created_by_us() -> None:
    fact = created(command_id="c1")
    assert summary(fact, command("resolve", shopify_order_id=SHOPIFY.order_id)) == "The order was linked to #1001."
    assert summary(fact, command("force", reason="back order")) == "Shopify order #1001 was created."


def test_what_is_to_be_seen_of_a_created_order_is_told_and_not_that_it_was_created_again() -> None:
    changed, canceled = (Attention(code=code, message=f"It {code}.", since=at()) for code in ("changed", "canceled"))
    facts = (
        created(3, command_id="c1"),
        created(4, attention=(changed,)),
        created(5, attention=(canceled,)),
        created(6),
    )
    items = timeline_of([kept(fact) for fact in facts], [command("resolve", shopify_order_id=SHOPIFY.order_id)]).items
    assert [(item.kind, item.summary) for item in items if item.seq is not None] == [
        ("created", "The order was linked to #1001."),
        ("attention_set", "Attention: It changed."),
        ("attention_set", "Attention: It canceled. Attention cleared: It changed."),
        ("attention_cleared", "Attention cleared: It canceled."),
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (command("rematch"), "ann asked for rematch"),
        (command("force", reason="back order"), "ann asked for force: back order"),
        (command("resolve", reason="by phone"), "ann asked for resolve, handled elsewhere: by phone"),
        (
            command("resolve", reason="made by hand", shopify_order_id=SHOPIFY.order_id),
            "ann asked for resolve, linked to gid://shopify/Order/1: made by hand",
        ),
        (command("cancel", restock=True), "ann asked for cancel, units back to stock"),
        (command("cancel", restock=False), "ann asked for cancel, without restocking"),
    ],
)
def test_a_command_tells_who_asked_for_what_and_why(asked: CommandRecord, words: str) -> None:
    [item] = timeline_of([], [asked]).items
    assert (item.summary, item.actor) == (words, "ann")
