"""What an order shows does not depend on the order, or the number of times, its facts come in."""

from __future__ import annotations

import itertools
import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbridge.events import Attention, Event, Fact, MessageParked, Reservation
from orderbridge_api.domain.own import heard, open_parked, with_stuck
from orderbridge_api.domain.projection import (
    OrderState,
    due_stuck_message,
    resource_of,
    search_text,
    stuck_message,
    take,
    waiting_since,
)
from tests.support.facts import ORDER, at, created, failed, imported, matched, progress, unmatched


def word(state: str, parked_id: str = "p1", minute: float = 5) -> MessageParked:
    return MessageParked.model_validate(
        {
            "parked_id": parked_id,
            "service": "creator",
            "state": state,
            "order_id": ORDER,
            "origin": "orders.imported.v1",
            "reason": "not of the form promised",
            "at": at(minute),
        }
    )


def state_of(*events: Event) -> OrderState:
    state = OrderState(ORDER)
    for event in events:
        if isinstance(event, MessageParked):
            own = heard(state.own, event)
            state = take(state, own) if own is not None else state
        else:
            assert isinstance(event, Fact)
            state = take(state, event)
    return state


def shown(*events: Event) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(resource_of(state_of(*events)).model_dump_json())
    return answer


CHANGED = Attention(code="changed_at_amazon_after_creation", message="It changed.", since=at(2))
IMPORTS = st.builds(
    lambda seq, kind, hour, asked: imported(seq, kind[0], kind[1], at=at(60 * hour), cancel_requested_at=asked),
    st.integers(1, 4),
    st.sampled_from(
        [
            ("import", None),
            ("wait", "awaiting_payment"),
            ("skip", "import_disabled"),
            ("cancel", "canceled_by_buyer"),
        ]
    ),
    st.integers(-3, 3),
    st.sampled_from([None, at(5)]),
)
MATCHES = st.builds(
    lambda seq, of, found: (matched if found else unmatched)(seq, of),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)
CREATIONS = st.one_of(
    st.builds(
        progress, st.sampled_from(["planned", "sending", "unknown"]), st.integers(1, 3), match_seq=st.integers(1, 4)
    ),
    st.builds(created, st.just(4)),
    st.builds(lambda seq: created(seq, attention=(CHANGED,)), st.just(6)),
    st.builds(failed, st.just(5), st.integers(1, 4)),
)
WORDS = st.builds(
    word, st.sampled_from(["parked", "replayed", "superseded"]), st.sampled_from(["p1", "p2"]), st.just(7)
)


def unlike(events: list[Event]) -> list[Event]:
    """One fact per source and number, one word per parked message and state, as the outside promises."""
    kept: dict[tuple[Any, ...], Event] = {}
    for event in events:
        if isinstance(event, MessageParked):
            kept.setdefault(("parked", event.parked_id, event.state), event)
        elif isinstance(event, Fact):
            kept.setdefault((event.source, event.seq), event)
    return list(kept.values())


ANYTHING: st.SearchStrategy[Event] = st.one_of(IMPORTS, MATCHES, CREATIONS, WORDS)
HISTORIES = st.lists(ANYTHING, min_size=1, max_size=9).map(unlike)


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.integers(0, 2**32))
def test_any_order_and_any_doubling_of_a_history_shows_the_same_bytes(events: list[Event], seed: int) -> None:
    wanted = resource_of(state_of(*events)).model_dump_json()
    dice = random.Random(seed)
    if len(events) <= 5:
        orders = [list(order) for order in itertools.permutations(events)]
    else:
        orders = [dice.sample(events, len(events)) for _ in range(12)]
    for order in orders:
        doubled = [*order, *dice.choices(order, k=2)]
        dice.shuffle(doubled)
        assert resource_of(state_of(*order)).model_dump_json() == wanted
        assert resource_of(state_of(*doubled)).model_dump_json() == wanted


def test_all_orders_of_a_whole_road_show_the_same() -> None:
    road: list[Event] = [imported(), matched(), progress("planned"), progress("sending", 2), created(3), word("parked")]
    wanted = shown(*road)
    assert wanted["status"] == "created"
    assert all(shown(*order) == wanted for order in itertools.permutations(road))


def test_a_created_order_shows_its_whole_road() -> None:
    order = shown(imported(), matched(), created(3, reservation=Reservation(state="claimed", at=at(3))))
    assert order["status"] == "created"
    assert order["version"] == 5
    assert order["updated_at"] == "2026-11-20T12:03:00Z"
    assert order["purchased_at"] == "2026-11-20T11:00:00Z"
    assert order["total"] == {"amount": "10.00", "currency": "USD"}
    assert order["lines"] == [
        {
            "amazon_sku": "MUG",
            "asin": "B000000001",
            "title": "Mug",
            "quantity": 1,
            "unit_price": {"amount": "10.00", "currency": "USD"},
            "match": {
                "rule": "sku",
                "targets": [{"variant_id": "gid://shopify/ProductVariant/1", "shopify_sku": "MUG", "quantity": 1}],
                "candidates": [],
                "path": [],
            },
            "reason": None,
        }
    ]
    assert order["reservation"] == {"state": "claimed", "lines": [], "at": "2026-11-20T12:03:00Z"}
    assert order["shopify"]["name"] == "#1001"
    assert order["attempts"] == 1
    assert order["actions"]["retry"]["code"] == "already_created"
    assert "gid://shopify/Order/1" in order["actions"]["retry"]["remedy"]


def test_a_match_of_an_older_import_is_not_shown_on_the_lines() -> None:
    order = shown(imported(2), matched(1, imported_seq=1))
    assert order["status"] == "imported"
    assert order["lines"][0]["match"] is None


def test_an_unreadable_order_is_listed_with_nothing_invented() -> None:
    order = shown(word("parked"))
    assert (order["status"], order["reason"]["code"]) == ("failed", "message_parked")
    assert order["reason"]["details"] == {"parked_ids": ["p1"]}
    assert (order["order_id"], order["connection_id"]) == (ORDER, "main")
    unknown = "marketplace_id fulfilled_by amazon_status purchased_at ship_by total lines reservation shopify attempts"
    assert {name: order[name] for name in unknown.split()} == dict.fromkeys(unknown.split())


@pytest.mark.parametrize("state", ["replayed", "superseded"])
def test_the_end_of_a_parked_message_frees_the_order_also_when_it_comes_first(state: str) -> None:
    for words in ([word("parked"), word(state, minute=6)], [word(state, minute=6), word("parked")]):
        order = shown(imported(), *words)
        assert order["status"] == "imported"
        assert order["version"] == 3
        assert order["updated_at"] == "2026-11-20T12:06:00Z"


def test_one_of_two_parked_messages_still_holds_the_order() -> None:
    state = state_of(imported(), word("parked", "p1"), word("parked", "p2"), word("replayed", "p1"))
    assert open_parked(state.own) == ["p2"]
    assert resource_of(state).status == "failed"


def test_stuck_is_shown_until_a_newer_fact_comes() -> None:
    state = state_of(imported(), matched())
    since = waiting_since(state, resource_of(state))
    assert since == at(1)
    assert due_stuck_message(since, at(10.9), None) is None
    message = due_stuck_message(since, at(11), None)
    assert message is not None
    assert due_stuck_message(since, at(2), "The connection is unauthorized.") == "The connection is unauthorized."

    state = take(state, with_stuck(state.own, ORDER, state.seqs, message, at(11)))
    order = resource_of(state)
    assert stuck_message(order) == message
    assert order.attention[0].since == at(11)
    assert order.version == 3

    assert resource_of(take(state, progress("planned"))).attention == ()
    assert resource_of(take(state, created())).attention == ()


def test_what_the_creator_says_the_buyer_asked_and_the_clock_found_is_shown_in_this_order() -> None:
    elsewhere = datetime(2026, 11, 20, 13, 5, tzinfo=timezone(timedelta(hours=1)))
    asked = imported(cancel_requested_at=elsewhere)
    order = shown(asked, matched(), created(3, attention=(CHANGED,)))
    assert order["attention"] == [
        {"code": "changed_at_amazon_after_creation", "message": "It changed.", "since": "2026-11-20T12:02:00Z"},
        {
            "code": "buyer_requested_cancel",
            "message": "The buyer asked on 2026-11-20 at 12:05 UTC to cancel the order.",
            "since": "2026-11-20T12:05:00Z",
        },
    ]
    state = state_of(asked, matched(), progress("planned"))
    state = take(state, with_stuck(state.own, ORDER, state.seqs, "No outcome.", at(11)))
    assert [one.code for one in resource_of(state).attention] == ["buyer_requested_cancel", "stuck"]


@pytest.mark.parametrize(
    "canceled",
    [
        (imported(kind="cancel", reason="canceled_by_buyer", cancel_requested_at=at(5)),),
        (imported(cancel_requested_at=at(5)), progress("canceled", 4)),
    ],
    ids=["at Amazon", "by an operator"],
)
def test_the_buyers_request_is_over_once_the_order_is_canceled(canceled: tuple[Event, ...]) -> None:
    assert shown(*canceled)["status"] == "canceled"
    assert shown(*canceled)["attention"] == []


def test_details_have_their_keys_in_order() -> None:
    def keys(details: dict[str, Any]) -> list[str]:
        order = failed(2, details=None, reason={"code": "money_mismatch", "message": "No.", "details": details})
        reason = resource_of(state_of(imported(), matched(), order)).reason
        assert reason is not None
        return list(reason.details)

    assert keys({"b": 1, "a": 2}) == keys({"a": 2, "b": 1}) == ["a", "b"]


def test_search_finds_ids_skus_and_titles_in_any_case() -> None:
    text = search_text(resource_of(state_of(imported(), matched(), created(3))))
    for part in ("113-1234567-7654321", "mug", "#1001", "gid://shopify/order/1"):
        assert part in text
