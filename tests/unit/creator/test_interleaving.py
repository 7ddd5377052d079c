"""Whatever order things happen in: every command ends once, no force is lost, and a closed order stays closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.errors import Blocked
from orderbridge.events import CommandEnded, CommandMode, CreationFact, Mode, OrderUnmatched, Reason
from orderbridge_creator.domain import phases, reasons
from orderbridge_creator.domain.aftermath import CANCELED, OnCancel, aftermath
from orderbridge_creator.domain.intake import block, compare, plan, take_import, take_match
from orderbridge_creator.domain.order import Change, Order, Remedy
from orderbridge_creator.domain.remedies import (
    AtShopify,
    ask,
    asked_shopify,
    canceled,
    decide_alone,
    give_up,
    link,
    reject,
)
from orderbridge_creator.domain.waiting import needs_of
from tests.support.facts import ORDER, at, imported, matched, unmatched
from tests.unit.creator.building import CLAIMED, SHOPIFY, command

UNAUTHORIZED = reasons.of_connection(Blocked("unauthorized", "the shop refused the secret"))
MODES: tuple[Mode, ...] = ("retry", "rematch", "force", "refetch")
UNMATCHED = ("sku_not_found", "ambiguous_title", "sku_changed_after_import", "variant_missing")
REASONS = {
    "import": None,
    "wait": "awaiting_payment",
    "skip": "already_shipped",
    "cancel": "canceled_by_buyer",
}
Choose = Callable[[int], int]


class Creator:
    """One order, and all that can happen to it; ``choose(n)`` picks one of n."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.order = Order(ORDER, "main")
        settings: tuple[OnCancel, ...] = ("flag", "cancel_and_restock")
        self.on_cancel = settings[choose(2)]
        self.blocked = False
        self.numbers = Counter[str]()
        self.given: dict[str, CommandMode] = {}
        self.facts: list[CreationFact] = []
        self.ended: list[CommandEnded] = []
        self.carried: set[str] = set()

    def record(self, change: Change) -> None:
        self.order = change.order
        self.facts += change.facts
        self.ended += change.ended

    def happen(self) -> None:
        events = (self.import_, self.match, self.match, self.work, self.work, self.remedy, self.answer, self.trouble)
        events[self.choose(len(events))]()

    def name(self, mode: CommandMode) -> str:
        name = f"c{len(self.given) + 1}"
        self.given[name] = mode
        return name

    @property
    def why(self) -> Reason | None:
        return UNAUTHORIZED if self.blocked else None

    # --- what arrives

    def import_(self, kind: str | None = None) -> None:
        kind = kind or ("import", "import", *REASONS)[self.choose(6)]
        self.numbers["import"] += 1
        asked = self.name("refetch") if self.choose(2) else None
        event = imported(self.numbers["import"], kind, REASONS[kind], command_id=asked)
        self.record(self.after(compare(take_import(self.order, event), at(), self.why)))

    def after(self, change: Change) -> Change:
        return change.then(lambda it: aftermath(it, self.on_cancel, at()))

    def match(self, kind: str | None = None) -> None:
        """Of the newest import, or of one before, with a command or without."""
        seq = max(1, self.numbers["import"] - (self.choose(4) == 0))
        kind = kind or ("matched", "matched", *UNMATCHED)[self.choose(6)]
        mode = MODES[self.choose(4)] if self.choose(2) else None
        self.take_match(kind, seq, mode)

    def take_match(self, kind: str, imported_seq: int, mode: Mode | None) -> None:
        self.numbers["match"] += 1
        asked = self.name(mode) if mode else None
        n = self.numbers["match"]
        event = (
            matched(n, imported_seq, command_id=asked, mode=mode)
            if kind == "matched"
            else unmatched(n, imported_seq, kind, command_id=asked, mode=mode)
        )
        self.record(compare(take_match(self.order, event), at(), self.why))

    # --- the walk

    def work(self) -> None:
        clock = at() + timedelta(hours=1)
        match phases.next_step(self.order, clock, 1.0, parked=False):
            case phases.Send() if self.blocked:
                self.record(block(self.order, at(), UNAUTHORIZED))
            case phases.Send():
                self.record(phases.sending(self.order, at()))
                self.carried = {one.command_id for one in self.order.asked if one.state == "carried"}
                assert self.facts[-1].mode == "force" or not phases.forced(self.order)
            case phases.TakeOver():
                self.conclude()
            case phases.LookUp() if self.order.phase == "unknown":
                found = self.after(phases.created(self.order, at(), SHOPIFY, CLAIMED))
                vain = phases.looked_up_in_vain(self.order, at()).then(lambda it: compare(it, at(), self.why))
                self.record(found if self.choose(2) else vain)
            case _:
                if needs_of(self.order) and not self.blocked:
                    self.record(plan(self.order, at()))

    def conclude(self) -> None:
        """The call ends, one way or another."""
        order, now = self.order, at()
        out_of_stock = reasons.of_stock((), None)
        outcomes = (
            lambda: self.after(phases.created(order, now, SHOPIFY, CLAIMED)),
            lambda: phases.failed(order, now, out_of_stock).then(lambda it: compare(it, now, self.why)),
            lambda: phases.not_created(order, now).then(lambda it: compare(it, now, self.why)),
            lambda: phases.unknown(order, now, now),
            lambda: phases.disconnected(order, now, UNAUTHORIZED),
        )
        self.record(outcomes[self.choose(len(outcomes))]())

    # --- remedies

    def remedy(self) -> None:
        mode: CommandMode = "cancel" if self.choose(2) else "resolve"
        gid = f"gid://shopify/Order/{self.choose(3)}" if self.choose(2) else None
        order = ask(self.order, command(self.name(mode), mode, shopify_order_id=gid))
        change = decide_alone(order, order.remedies[-1], at())
        if change is None and self.blocked:
            change = reject(order, order.remedies[-1], UNAUTHORIZED, at())
        self.record(self.closed(change or Change(order)))

    def answer(self) -> None:
        """Shopify says something of the oldest remedy."""
        for remedy in self.order.remedies[:1]:
            if not self.blocked:
                self.record(self.closed(decide_alone(self.order, remedy, at()) or self.word_of(remedy)))

    def word_of(self, remedy: Remedy) -> Change:
        if remedy.mode == "resolve":
            found = (None, AtShopify(SHOPIFY), AtShopify(SHOPIFY, canceled=True))[self.choose(3)]
            return link(self.order, remedy, found, None, at())
        if remedy.sent_at is None and not remedy.ended:
            return asked_shopify(self.order, remedy, at())
        if self.choose(2):
            return canceled(self.order, remedy, at())
        return reject(self.order, remedy, reasons.not_canceled(), at())

    def closed(self, change: Change) -> Change:
        return change.then(lambda it: compare(it, at(), None)) if change.facts else change

    # --- trouble

    def trouble(self) -> None:
        troubles = (self.block, self.unblock, self.park_message, self.park_work)
        troubles[self.choose(4)]()

    def block(self) -> None:
        self.blocked = True
        self.record(block(self.order, at(), UNAUTHORIZED))

    def unblock(self) -> None:
        self.blocked = False

    def park_message(self) -> None:
        self.record(phases.held_back(self.order, at()))

    def park_work(self) -> None:
        if self.order.remedies and self.choose(2):
            self.record(give_up(self.order, at(), reasons.MESSAGE_PARKED))
        else:
            self.record(phases.held(self.order, at()))

    # --- and in the end

    def come_to_rest(self) -> None:
        """All that is owed arrives: the connection works, the newest import has its match, all work is done."""
        self.unblock()
        for _ in range(50):
            if self.numbers["import"] == 0:
                self.import_()
            newest = self.numbers["import"]
            answered = self.order.match is not None and self.order.match.imported_seq == newest
            if not answered:
                self.take_match("matched", newest, None)
            self.work()
            self.answer()
            if not (self.order.open_outcome or self.order.due or self.order.awaited or self.order.remedies):
                return
        raise AssertionError(f"never came to rest: {self.order}")


def check(creator: Creator) -> None:
    assert Counter(ended.command_id for ended in creator.ended) == Counter(list(creator.given))
    assert [fact.seq for fact in creator.facts] == list(range(1, len(creator.facts) + 1))
    for ended in creator.ended:
        assert (ended.state == "done") is (ended.outcome is not None)
        assert ended.state == "done" or ended.reason is not None
    closed = [n for n, fact in enumerate(creator.facts) if fact.phase in ("created", "resolved", "canceled")]
    for n in closed:
        following = [fact.phase for fact in creator.facts[n + 1 :]]
        if creator.facts[n].phase == "created":
            following = [phase for phase in following if phase != "created"]
        assert following in ([[], ["canceled"]] if creator.facts[n].phase == "created" else [[]])
    check_aftermath(creator.order)


def check_aftermath(order: Order) -> None:
    """A cancellation at Amazon has taken effect or stands in plain sight; nothing else is said to be one."""
    if order.phase == "created" and order.imported is not None:
        flagged = any(one.code == CANCELED for one in order.newest.attention)
        assert flagged is (order.imported.disposition.kind == "cancel")


def check_forces(creator: Creator) -> None:
    """A force that is done was tried; one that was answered by a match alone was rejected."""
    for ended in creator.ended:
        if creator.given[ended.command_id] == "force" and ended.state == "done":
            assert ended.outcome in ("created", "failed")


@given(data=st.data())
def test_every_command_ends_once_whatever_it_meets(data: st.DataObject) -> None:
    creator = Creator(lambda n: data.draw(st.integers(0, n - 1)))
    for _ in range(data.draw(st.integers(1, 25))):
        creator.happen()
    creator.come_to_rest()

    check(creator)
    check_forces(creator)


COMMANDS: tuple[CommandMode, ...] = (*MODES, "resolve", "cancel")
MEETS = ("revision", "skip", "cancel", "withdrawn", "parked", "blocked", "in flight", "created")


@pytest.mark.parametrize("mode", COMMANDS)
@pytest.mark.parametrize("meets", MEETS)
@pytest.mark.parametrize("first", [True, False], ids=["command first", "command last"])
def test_each_command_ends_whatever_comes_between(mode: CommandMode, meets: str, first: bool) -> None:
    creator = Creator(lambda n: 0)
    creator.import_("import")
    creator.take_match("matched", 1, None)
    if first:
        _give(creator, mode)
    _meet(creator, meets)
    if not first:
        _give(creator, mode)
    creator.come_to_rest()

    check(creator)
    check_forces(creator)
    assert len(creator.given) == 1


def _give(creator: Creator, mode: CommandMode) -> None:
    if mode == "refetch":
        creator.numbers["import"] += 1
        event = imported(creator.numbers["import"], command_id=creator.name(mode))
        creator.record(compare(take_import(creator.order, event), at(), creator.why))
    elif mode in MODES:
        creator.take_match("matched", creator.numbers["import"], mode)
    else:
        order = ask(creator.order, command(creator.name(mode), mode, shopify_order_id=None))
        creator.record(creator.closed(decide_alone(order, order.remedies[-1], at()) or Change(order)))


def _meet(creator: Creator, what: str) -> None:
    match what:
        case "revision":
            creator.import_("import")
        case "skip" | "cancel":
            creator.import_(what)
        case "withdrawn":
            creator.take_match("sku_changed_after_import", creator.numbers["import"], None)
            assert isinstance(creator.order.match, OrderUnmatched)
        case "parked":
            creator.park_message()
        case "blocked":
            creator.block()
        case "in flight":
            creator.work()
        case "created":
            creator.work()
            creator.work()
