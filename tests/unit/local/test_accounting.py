"""The three-way comparison finds each way in which the books can disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from deploy.local.accounting import Books, is_importable, is_whole, pages_needed, polls_of, settle

Order = dict[str, Any]
REASON = {"code": "sku_not_found", "message": "No variant has the SKU MUG.", "details": {}}


def at_amazon(order_id: str, status: str = "UNSHIPPED", by: str = "MERCHANT") -> Order:
    return {"orderId": order_id, "fulfillment": {"fulfillmentStatus": status, "fulfilledBy": by}}


def ours(
    order_id: str, status: str, *, gid: str | None = None, reason: Mapping[str, Any] | None = None, attempts: int = 0
) -> Order:
    shopify = {"order_id": gid, "name": "#1"} if gid else None
    return {
        "amazon_order_id": order_id,
        "status": status,
        "reason": reason,
        "shopify": shopify,
        "attempts": attempts,
    }


def in_shopify(order_id: str, gid: str, tags: tuple[str, ...] = (), *, cancelled: bool = False) -> Order:
    return {"gid": gid, "amazon_order_id": order_id, "tags": list(tags), "cancelled": cancelled}


def create(order_id: str, outcome: str) -> Order:
    return {"amazon_order_id": order_id, "outcome": outcome}


def attempt(order_id: str, number: int, outcome: str | None) -> Order:
    return {"amazon_order_id": order_id, "attempt": number, "outcome": outcome}


def search(n: int, *, first: bool, orders: int | None, status: int | None = 200) -> Order:
    return {"n": n, "operation": "searchOrders", "first_page": first, "window_orders": orders, "status": status}


def token(n: int) -> Order:
    return {"n": n, "operation": "token", "first_page": None, "window_orders": None, "status": 200}


CREATED = ours("A", "created", gid="gid/1", attempts=1)
UNMATCHED = ours("B", "unmatched", reason=REASON)
SKIPPED = ours("C", "skipped", reason={"code": "fulfilled_by_amazon", "message": "Amazon ships it.", "details": {}})
BOOKS = Books(
    amazon=[at_amazon("A"), at_amazon("B"), at_amazon("C", by="AMAZON")],
    calls=[token(1), search(2, first=True, orders=3)],
    ours=[CREATED, UNMATCHED, SKIPPED],
    attempts=[attempt("A", 1, "accepted")],
    shopify=[in_shopify("A", "gid/1")],
    creates=[create("A", "accepted")],
    expected={"A": ("created", None), "B": ("unmatched", "sku_not_found")},
)


def faults(**changed: Any) -> str:
    return "\n".join(settle(replace(BOOKS, **changed)).faults)


def test_books_that_agree_have_no_fault() -> None:
    account = settle(BOOKS)
    assert account.faults == ()
    assert account.holds
    assert dict(account.by_status) == {"created": 1, "unmatched": 1, "skipped": 1}
    assert (account.at_amazon, account.importable, account.known, account.at_shopify) == (3, 2, 3, 1)
    assert account.with_reason == 2
    assert (account.accepted, account.refused, account.cut_off, account.amazon_calls) == (1, 0, 0, 1)


def test_an_importable_order_that_nobody_lists_is_lost() -> None:
    account = settle(replace(BOOKS, ours=[CREATED, SKIPPED]))
    assert account.lost == ("B",)
    assert account.faults == ("B is lost: importable at Amazon, no Shopify order and no reason",)


@pytest.mark.parametrize("status", ["imported", "matched", "creating"])
def test_an_order_that_is_still_on_its_way_at_the_end_is_lost(status: str) -> None:
    account = settle(replace(BOOKS, ours=[CREATED, ours("B", status), SKIPPED], expected={}))
    assert account.lost == ("B",)


@pytest.mark.parametrize("reason", [None, {"code": "", "message": "Why."}, {"code": "why", "message": ""}])
def test_a_failure_without_code_or_sentence_is_no_visible_reason(reason: Mapping[str, Any] | None) -> None:
    account = settle(replace(BOOKS, ours=[CREATED, ours("B", "failed", reason=reason), SKIPPED], expected={}))
    assert account.lost == ("B",)


def test_an_order_that_is_not_the_merchants_to_fulfil_cannot_be_lost_but_must_be_listed() -> None:
    account = settle(replace(BOOKS, ours=[CREATED, UNMATCHED]))
    assert account.lost == ()
    assert account.faults == ("C of Amazon is not listed by us",)


def test_two_shopify_orders_of_one_amazon_order_are_doubled() -> None:
    account = settle(
        replace(
            BOOKS,
            shopify=[in_shopify("A", "gid/1"), in_shopify("A", "gid/2")],
            creates=[create("A", "accepted"), create("A", "accepted")],
            attempts=[attempt("A", 1, "accepted"), attempt("A", 2, "accepted")],
        )
    )
    assert account.doubled == ("A",)
    assert "A is doubled: gid/1 and gid/2" in account.faults


def test_a_shopify_order_without_an_amazon_order_is_a_stranger() -> None:
    found = faults(shopify=[in_shopify("A", "gid/1"), in_shopify("Z", "gid/9")])
    assert "gid/9 in Shopify has no Amazon order (Z)" in found


def test_an_order_of_ours_without_an_amazon_order_is_a_stranger() -> None:
    assert "Z is listed by us but is no Amazon order" in faults(ours=[*BOOKS.ours, ours("Z", "failed", reason=REASON)])


def test_an_order_that_the_list_shows_on_two_pages_is_found() -> None:
    assert "B is listed 2 times by us" in faults(ours=[*BOOKS.ours, UNMATCHED])


def test_a_created_order_that_shopify_does_not_have_is_found() -> None:
    assert "A is created by our word (gid/1), but Shopify has no such order" in faults(shopify=[])


def test_a_created_order_that_points_to_another_shopify_order_is_found() -> None:
    assert "A is gid/7 in Shopify, but gid/1 by our word" in faults(shopify=[in_shopify("A", "gid/7")])


def test_an_order_with_a_reason_and_a_shopify_order_is_found() -> None:
    shopify = [in_shopify("A", "gid/1"), in_shopify("B", "gid/2")]
    assert "B is unmatched by our word, but gid/2 is in Shopify" in faults(shopify=shopify)


CANCELED = ours("A", "canceled", gid="gid/1", reason=REASON, attempts=1)


def test_an_order_that_was_canceled_after_its_creation_is_canceled_in_shopify_too() -> None:
    canceled = {"ours": [CANCELED, UNMATCHED, SKIPPED], "expected": {}}
    assert faults(shopify=[in_shopify("A", "gid/1", cancelled=True)], **canceled) == ""
    live = faults(shopify=[in_shopify("A", "gid/1")], **canceled)
    assert "A is canceled by our word, but gid/1 is in Shopify" in live


def test_an_order_that_was_canceled_in_shopify_must_say_so() -> None:
    shopify = [in_shopify("A", "gid/1", cancelled=True)]
    assert "A is created by our word, but gid/1 is canceled in Shopify, and nobody says so" in faults(shopify=shopify)
    flagged = {**CREATED, "attention": [{"code": "canceled_in_shopify"}]}
    assert faults(shopify=shopify, ours=[flagged, UNMATCHED, SKIPPED]) == ""


def test_a_created_order_that_kept_its_reason_is_found() -> None:
    kept = {**CREATED, "reason": REASON}
    assert "A is created and still has the reason sku_not_found" in faults(ours=[kept, UNMATCHED, SKIPPED])


def test_an_outcome_that_the_story_does_not_give_is_found() -> None:
    found = faults(expected={"B": ("failed", "unable_to_reserve_inventory")})
    assert found == "B is unmatched (sku_not_found), by its story failed (unable_to_reserve_inventory)"


@pytest.mark.parametrize(("orders", "pages"), [(0, 1), (1, 1), (100, 1), (101, 2), (400, 4), (401, 5)])
def test_a_poll_needs_one_call_for_every_hundred_orders(orders: int, pages: int) -> None:
    assert pages_needed(orders) == pages
    poll = [search(n + 1, first=n == 0, orders=orders) for n in range(pages)]
    assert is_whole(poll)
    assert faults(calls=poll) == ""
    assert f"made {pages + 1} calls for {orders} orders" in faults(calls=[*poll, search(9, first=False, orders=orders)])


def test_a_poll_that_left_a_page_out_is_found() -> None:
    calls = [search(1, first=True, orders=150), search(2, first=True, orders=0)]
    assert not is_whole(calls[:1])
    assert "the poll of call 1 made 1 calls for 150 orders, not 2" in faults(calls=calls)


def test_calls_are_grouped_into_polls_by_their_first_page() -> None:
    calls = [token(1), search(2, first=True, orders=150), search(3, first=False, orders=150), token(4)]
    polls = polls_of([*calls, search(5, first=True, orders=0)])
    assert [[call["n"] for call in poll] for poll in polls] == [[2, 3], [5]]


def test_a_refused_search_is_found() -> None:
    calls = [search(1, first=True, orders=None, status=429)]
    assert is_whole(calls)
    assert "searchOrders number 1 was answered 429" in faults(calls=calls)


def test_any_other_operation_at_amazon_is_found() -> None:
    calls = [*BOOKS.calls, {**token(3), "operation": "getOrder"}]
    assert "Amazon was called 1 times for getOrder" in faults(calls=calls)


def test_an_amazon_that_was_never_polled_is_found() -> None:
    assert "Amazon was never polled" in faults(calls=[token(1)])


def test_an_order_create_that_we_did_not_write_down_is_found() -> None:
    found = faults(creates=[create("A", "accepted"), create("B", "refused")])
    assert found == "B: Shopify saw refused, written down were nothing"


def test_an_attempt_that_ended_otherwise_than_shopify_says_is_found() -> None:
    assert "A: Shopify saw accepted, written down were refused" in faults(attempts=[attempt("A", 1, "refused")])


def test_an_attempt_whose_end_was_never_written_down_is_found() -> None:
    assert "A: Shopify saw accepted, written down were None" in faults(attempts=[attempt("A", 1, None)])


def test_attempts_shown_and_written_down_must_be_equally_many() -> None:
    shown = {**CREATED, "attempts": 2}
    assert "A shows 2 attempts, 1 were written down" in faults(ours=[shown, UNMATCHED, SKIPPED])


def test_an_attempt_that_was_killed_before_its_call_left_is_no_fault() -> None:
    attempts = [attempt("A", 1, "not_found"), attempt("A", 2, "accepted")]
    assert faults(ours=[{**CREATED, "attempts": 2}, UNMATCHED, SKIPPED], attempts=attempts) == ""


def test_an_order_that_was_created_before_the_kill_and_found_after_it_is_no_fault() -> None:
    assert faults(attempts=[attempt("A", 1, "found")]) == ""


def test_accepted_calls_must_be_created_orders_exactly() -> None:
    found = faults(creates=[create("A", "accepted"), create("A", "accepted")])
    assert "2 orderCreates were accepted, 1 orders are created by our word, 1 are in Shopify" in found


@pytest.mark.parametrize(
    ("status", "by", "importable"),
    [
        ("UNSHIPPED", "MERCHANT", True),
        ("PARTIALLY_SHIPPED", "MERCHANT", True),
        ("UNSHIPPED", "AMAZON", False),
        ("PENDING", "MERCHANT", False),
        ("SHIPPED", "MERCHANT", False),
        ("CANCELLED", "MERCHANT", False),
    ],
)
def test_only_what_the_merchant_has_to_fulfil_now_is_importable(status: str, by: str, importable: bool) -> None:
    assert is_importable(at_amazon("A", status, by)) is importable
