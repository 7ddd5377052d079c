"""Versions of an order: which counts, what it changes, and what it must not take away."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orderbridge.shopify.order_input import PersonalData
from orderbridge_ingestor.domain.disposition import Policy
from orderbridge_ingestor.domain.orders import Change, Known, Snapshot
from orderbridge_ingestor.domain.versions import decide_anew, is_older, take_version
from tests.support.facts import at, usd
from tests.unit.ingestor.orders import BUYER, HOME, LINE, known, policy, snapshot


def take(
    before: Known,
    version: Snapshot,
    personal: PersonalData = BUYER,
    vaulted: PersonalData | None = None,
    settings: Policy | None = None,
) -> Change | None:
    return take_version(before, version, personal, vaulted, settings or policy(), at(5))


def taken(*args: Any, **more: Any) -> Change:
    change = take(*args, **more)
    assert change is not None
    return change


def imported() -> Known:
    return taken(known(), snapshot()).known


def test_the_first_version_is_published_as_number_one() -> None:
    change = taken(known(), snapshot())

    assert change.fact is not None
    assert (change.fact.seq, change.fact.disposition.kind, change.fact.personal_data_rev) == (1, "import", 1)
    assert change.personal == BUYER
    assert change.known.ever_open


def test_the_same_version_again_changes_nothing() -> None:
    assert take(imported(), snapshot(), vaulted=BUYER) is None


def test_other_content_at_the_same_time_counts() -> None:
    change = taken(imported(), snapshot(lines=(LINE.model_copy(update={"quantity": 2}),)), vaulted=BUYER)

    assert change.fact is not None
    assert (change.fact.seq, change.fact.lines[0].quantity) == (2, 2)
    assert change.personal is None


def test_an_older_version_is_known_by_its_time() -> None:
    before = imported()

    assert is_older(snapshot(at(-1)), before)
    assert not is_older(snapshot(at()), before)
    assert not is_older(snapshot(at(1)), before)
    assert not is_older(snapshot(at(-1)), known())


def test_a_changed_address_is_published_without_being_told() -> None:
    moved = BUYER.model_copy(update={"address": HOME.model_copy(update={"line1": "2 Example Street"})})

    change = taken(imported(), snapshot(), personal=moved, vaulted=BUYER)

    assert change.fact is not None
    assert (change.fact.seq, change.fact.personal_data_rev) == (2, 2)
    assert change.personal == moved


def test_an_answer_without_buyer_and_address_takes_none_away() -> None:
    assert take(imported(), snapshot(), personal=PersonalData(), vaulted=BUYER) is None


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ({"fulfilled_by": "amazon"}, {}),
        ({"status": "SHIPPED"}, {}),
        ({}, {"import_enabled": False}),
        ({"status": "PENDING", "fulfilled_by": "unknown"}, {}),
        ({"status": "CANCELLED"}, {}),
    ],
)
def test_personal_data_of_an_order_that_is_not_to_be_created_are_not_stored(
    told: dict[str, Any], settings: dict[str, Any]
) -> None:
    change = taken(known(), snapshot(**told), settings=policy(**settings))

    assert change.personal is None
    assert change.known.personal_until is None
    assert change.fact is not None
    assert change.fact.personal_data_rev == 0


def test_a_waiting_order_of_the_merchant_keeps_its_personal_data() -> None:
    assert taken(known(), snapshot(status="PENDING")).personal == BUYER


def test_a_cancellation_takes_nothing_away_that_was_known() -> None:
    before = imported()
    bare = Snapshot(
        told=snapshot(status="CANCELLED", canceled_by="buyer").told,
        last_updated_at=at(1),
        lines=(LINE.model_copy(update={"quantity": 0, "unit_price": None, "total": None, "title": None}),),
    )

    change = taken(before, bare, personal=PersonalData(), vaulted=BUYER)

    assert change.fact is not None
    assert change.fact.disposition.reason == "canceled_by_buyer"
    assert (change.fact.total, change.fact.ship_by, change.fact.personal_data_rev) == (usd("10.00"), at(2880), 1)
    [line] = change.fact.lines
    assert (line.quantity, line.title, line.total) == (0, "Mug", usd("10.00"))
    assert change.personal is None


def test_a_cancellation_keeps_what_a_line_said_beside_its_amounts() -> None:
    said = {"points_granted": 42, "ioss_number": "IM1234567890", "gift_wrap": "RIBBON"}
    before = taken(known(), replace(snapshot(), lines=(LINE.model_copy(update=said),))).known
    bare = Snapshot(told=snapshot(status="CANCELLED").told, last_updated_at=at(1), lines=(LINE,))

    change = taken(before, bare)

    assert change.fact is not None
    [line] = change.fact.lines

    assert line.model_dump(include=set(said)) == said


def test_the_buyers_request_has_the_time_of_the_first_version_that_says_so() -> None:
    def asking(minute: float, **more: Any) -> Snapshot:
        return replace(snapshot(at(minute), **more), cancel_requested=True)

    def requested_at(change: Change) -> datetime | None:
        assert change.fact is not None
        return change.fact.cancel_requested_at

    before = imported()
    assert before.fact is not None
    assert before.fact.cancel_requested_at is None
    first = taken(before, asking(1), vaulted=BUYER)
    later = taken(first.known, asking(2, status="SHIPPED"), vaulted=BUYER)
    withdrawn = taken(later.known, snapshot(at(3)), vaulted=BUYER)
    again = taken(withdrawn.known, asking(4), vaulted=BUYER)
    assert [requested_at(each) for each in (first, later, withdrawn, again)] == [at(1), at(1), None, at(4)]


def test_personal_data_are_kept_for_thirty_days_after_the_promised_delivery() -> None:
    assert taken(known(), snapshot()).known.personal_until == at(5760) + timedelta(days=30)


def test_a_later_promise_keeps_personal_data_longer_and_is_no_change_of_them() -> None:
    later = Snapshot(
        told=snapshot().told,
        last_updated_at=at(),
        service_level="STANDARD",
        ship_by=at(2880),
        deliver_by=at(7200),
        total=usd("10.00"),
        lines=(LINE,),
    )

    change = taken(imported(), later, vaulted=BUYER)

    assert change.known.personal_until == at(7200) + timedelta(days=30)
    assert change.personal == BUYER
    assert change.fact is None


def test_an_order_skipped_by_the_switch_stays_skipped_when_import_is_on_again() -> None:
    off = taken(known(), snapshot(), settings=policy(import_enabled=False)).known

    again = taken(off, snapshot(at(1)))

    assert again.fact is not None
    assert again.fact.disposition.reason == "import_disabled"


def test_an_order_that_amazon_ships_is_not_skipped_by_the_switch_for_ever() -> None:
    off = taken(known(), snapshot(fulfilled_by="amazon"), settings=policy(import_enabled=False)).known

    assert taken(off, snapshot(at(1))).known.fact is not None
    assert not off.switched_off


def test_switching_import_off_decides_an_open_order_anew() -> None:
    change = decide_anew(imported(), policy(import_enabled=False), at(6))

    assert change is not None
    assert change.fact is not None
    assert (change.fact.seq, change.fact.at, change.fact.disposition.reason) == (2, at(6), "import_disabled")
    assert change.known.switched_off


def test_settings_that_say_the_same_of_an_order_change_nothing() -> None:
    assert decide_anew(imported(), policy(import_fulfilled_by_amazon=True), at(6)) is None
