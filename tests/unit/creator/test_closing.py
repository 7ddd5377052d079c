"""Canceling at a shop that says no, takes its time, or takes it and does nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from orderbridge.errors import Transient
from orderbridge.events import ConnectionChanged
from orderbridge.step.unit import DueRow
from orderbridge_creator.domain import phases
from orderbridge_creator.domain.outcomes import CancelAccepted, CancelRefused
from orderbridge_creator.domain.remedies import AtShopify, ask
from orderbridge_creator.steps.closing import Closing
from tests.support.facts import ORDER, at
from tests.unit.creator.building import CLAIMED, SHOPIFY, command, order_with, sent
from tests.unit.creator.simulation import Database, Locks, Process, Row, Store

JOB = "gid://shopify/Job/1"
NO = CancelRefused((("INVALID", "orderId", "Cannot cancel a fulfilled order"),))


@dataclass
class Shop:
    """Answers a cancellation with the next of ``answers``; the job takes ``job_takes`` looks, the order ``after``."""

    answers: list[CancelAccepted | CancelRefused | Exception]
    job_takes: int = 0
    canceled_after: int | None = None
    """Looks at the order after which it is canceled; None: never."""
    asked: list[bool] = field(default_factory=list)
    looks: int = 0

    async def order(self, connection: ConnectionChanged, gid: str) -> AtShopify | None:
        self.looks += 1
        return AtShopify(SHOPIFY, self.canceled_after is not None and self.looks > self.canceled_after)

    async def cancel(self, connection: ConnectionChanged, gid: str, *, restock: bool) -> CancelAccepted | CancelRefused:
        assert gid == SHOPIFY.order_id
        self.asked.append(restock)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def job_done(self, connection: ConnectionChanged, job: str) -> bool:
        assert job == JOB
        self.job_takes -= 1
        return self.job_takes < 0


def run(shop: Shop) -> tuple[Database, str]:
    """Work until nothing is due; how the command ended."""
    database = Database()
    order = phases.created(sent(order_with()), database.clock, SHOPIFY, CLAIMED).order
    database.orders[ORDER] = ask(order, command("c1", "cancel"))
    database.due[ORDER] = Row(database.clock)
    process = Process(lambda _: False)
    closing = Closing(Store(database, process), Locks(database, process), shop)
    for _ in range(500):
        if ORDER not in database.due:
            [ended] = database.ended
            return database, ended.outcome or (ended.reason.code if ended.reason else "")
        row = database.due[ORDER]
        database.clock = max(database.clock, row.run_at)
        taken = DueRow(1, row.version, "cancel", ORDER, "main", {}, None, "matcher", 1, None, 0, row.waits)
        asyncio.run(closing.cancel(taken))
    raise AssertionError("the command never ended")


def test_the_job_is_asked_after_until_it_is_done() -> None:
    shop = Shop([CancelAccepted(JOB)], job_takes=3, canceled_after=4)

    database, how = run(shop)

    assert (how, shop.asked) == ("canceled", [True])
    assert database.orders[ORDER].phase == "canceled"
    assert database.orders[ORDER].remedies == ()


def test_a_refusal_is_told_in_shopifys_words() -> None:
    database, how = run(Shop([NO]))

    [ended] = database.ended
    assert (how, database.orders[ORDER].phase) == ("shopify_refused", "created")
    assert ended.reason is not None
    assert "Cannot cancel a fulfilled order" in ended.reason.message
    assert ended.reason.details["problems"] == [
        {"code": "INVALID", "field": "orderId", "message": "Cannot cancel a fulfilled order"}
    ]


def test_a_refusal_because_it_is_canceled_by_now_is_no_refusal() -> None:
    assert run(Shop([NO], canceled_after=1))[1] == "canceled"


def test_a_cancellation_whose_answer_never_came_is_found_and_not_sent_again() -> None:
    shop = Shop([Transient("no answer")], canceled_after=1)

    assert (run(shop)[1], shop.asked) == ("canceled", [True])


def test_a_cancellation_that_never_took_effect_is_sent_again() -> None:
    shop = Shop([Transient("no answer"), Transient("slow down", retry_after_s=7.0), CancelAccepted(JOB)])
    shop.canceled_after = 3

    assert (run(shop)[1], shop.asked) == ("canceled", [True, True, True])


def test_a_job_without_a_name_is_followed_by_its_order() -> None:
    shop = Shop([CancelAccepted(None)], canceled_after=1)

    assert (run(shop)[1], shop.asked) == ("canceled", [True])


def test_a_job_that_ends_without_canceling_is_said() -> None:
    assert run(Shop([CancelAccepted(JOB)]))[1] == "shopify_refused"


def test_a_job_that_never_ends_is_given_up() -> None:
    database, how = run(Shop([CancelAccepted(JOB)], job_takes=10**6))

    assert how == "outcome_unknown"
    assert timedelta(minutes=10) < database.clock - at() < timedelta(minutes=12)


@pytest.mark.parametrize("held", [True, False])
def test_an_order_that_another_worker_holds_is_left_alone(held: bool) -> None:
    shop = Shop([CancelAccepted(JOB)], canceled_after=1)
    database = Database()
    order = phases.created(sent(order_with()), database.clock, SHOPIFY, CLAIMED).order
    database.orders[ORDER] = ask(order, command("c1", "cancel"))
    database.due[ORDER] = Row(database.clock)
    process, other = Process(lambda _: False), Process(lambda _: False)
    if held:
        database.locks[f"order:{ORDER}"] = other
    row = DueRow(1, 1, "cancel", ORDER, "main", {}, None, "matcher", 1, None, 0, 0)

    asyncio.run(Closing(Store(database, process), Locks(database, process), shop).cancel(row))

    assert bool(shop.looks) is not held
    assert ORDER in database.due
