"""One order as the creator sees it: the newest import and match, the commands that wait, and its own newest fact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from orderbridge.events import (
    CommandEnded,
    CreationFact,
    MadeOf,
    MatchFact,
    Mode,
    OrderFailed,
    OrderImported,
    OrderMatched,
    Reason,
    Reservation,
)

from .hold import Hold

CONNECTION_CODES = ("connection_unauthorized", "connection_misconfigured")
"""Reasons of a failure that passes by itself once the connection works: the order stays due."""


@dataclass(frozen=True)
class Asked:
    """A command that reached us with a match, or a refetch with its import.

    It waits for the order's next attempt, is carried by the one that was sent, and ends once.
    """

    command_id: str
    mode: Mode
    state: Literal["waiting", "carried", "ended"] = "waiting"


@dataclass(frozen=True)
class Remedy:
    """A ``resolve`` or a ``cancel`` that is under way."""

    command_id: str | None
    """None: nobody asked for it but Amazon, and no command ends with it."""
    mode: Literal["resolve", "cancel"]
    shopify_order_id: str | None = None
    """Of a resolve: the order that it is linked to; None: it was handled elsewhere."""
    restock: bool = True
    sent_at: datetime | None = None
    """Of a cancel: when Shopify was asked for it."""
    job: str | None = None
    """Of a cancel: Shopify's job that carries it out."""
    ended: bool = False
    """Its command is answered; it stays until it is known what came of what was sent."""


@dataclass(frozen=True)
class Order:
    """``fact`` is the newest that we published; phase, number, attempts and what it answers are read from it."""

    order_id: str
    connection_id: str
    imported: OrderImported | None = None
    match: MatchFact | None = None
    asked: tuple[Asked, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    fact: CreationFact | None = None
    fence: int = 0
    """Counted up by each worker that takes the order: who holds an older number has been overtaken."""
    unknown_since: datetime | None = None
    """The database's time from which on nobody can have sent anything more."""
    look_up_first: bool = False
    """Shopify asked us to slow down: nothing promises that a throttled call did nothing."""
    identity_taken: bool = False
    """Shopify said of the newest attempt that the Amazon order id is taken."""
    hold: Hold | None = None
    """Units that are held for the order at the shop, or on their way; None: nothing is."""
    hold_intents: int = 0
    """Counted up by each change of what is held, so that no two of them are one to Shopify."""

    @property
    def phase(self) -> str | None:
        return self.fact.phase if self.fact else None

    @property
    def seq(self) -> int:
        return self.fact.seq if self.fact else 0

    @property
    def attempts(self) -> int:
        return self.fact.attempts if self.fact else 0

    @property
    def made_of(self) -> MadeOf | None:
        return self.fact.made_of if self.fact else None

    @property
    def newest(self) -> CreationFact:
        """The newest fact of an order that has one."""
        if self.fact is None:
            raise LookupError(f"nothing was published of {self.order_id}")
        return self.fact

    @property
    def imported_seq(self) -> int | None:
        return self.imported.seq if self.imported else None

    @property
    def match_seq(self) -> int | None:
        return self.match.seq if self.match else None

    @property
    def waiting(self) -> tuple[Asked, ...]:
        return tuple(asked for asked in self.asked if asked.state == "waiting")

    @property
    def carried(self) -> tuple[Asked, ...]:
        return tuple(asked for asked in self.asked if asked.state == "carried")

    @property
    def open_commands(self) -> tuple[Asked, ...]:
        return tuple(asked for asked in self.asked if asked.state != "ended")

    @property
    def awaited(self) -> bool:
        """Whether a command of the order has not ended."""
        return bool(self.open_commands) or any(one.command_id and not one.ended for one in self.remedies)

    @property
    def own_cancel(self) -> Remedy | None:
        """The cancellation that follows one at Amazon, if it is under way."""
        return next((one for one in self.remedies if one.command_id is None), None)

    @property
    def open_outcome(self) -> bool:
        """Whether an attempt was sent whose outcome is not known yet."""
        return self.phase in ("sending", "unknown")

    @property
    def held(self) -> Reservation | None:
        """The units that are held, as the order's facts show them."""
        if self.hold is None or self.hold.held_at is None:
            return None
        return self.hold.reservation("held", self.hold.held_at)

    @property
    def wanted(self) -> OrderMatched | None:
        """The match to create from: the newest, if it answers the newest import, and that is to be imported."""
        if self.imported is None or self.imported.disposition.kind != "import":
            return None
        if not isinstance(self.match, OrderMatched) or self.match.imported_seq != self.imported.seq:
            return None
        return self.match

    @property
    def due(self) -> bool:
        """Whether an attempt was promised that has not been sent yet."""
        if self.wanted is None or self.fact is None or self.fact.match_seq != self.wanted.seq:
            return False
        if isinstance(self.fact, OrderFailed):
            return self.fact.reason.code in CONNECTION_CODES
        return self.fact.phase == "planned"


@dataclass(frozen=True)
class Change:
    """What a decision leaves behind: the order, new facts and ends of commands to publish, and whether work is due."""

    order: Order
    facts: tuple[CreationFact, ...] = ()
    ended: tuple[CommandEnded, ...] = ()
    due: bool = False

    def then(self, decide: Callable[[Order], Change]) -> Change:
        """Both, one after the other."""
        after = decide(self.order)
        return Change(after.order, self.facts + after.facts, self.ended + after.ended, self.due or after.due)


@dataclass(frozen=True)
class Ending:
    """How commands end."""

    state: Literal["done", "rejected"]
    outcome: str | None = None
    reason: Reason | None = None


def end_of(order: Order, command_id: str, ending: Ending, now: datetime) -> CommandEnded:
    return CommandEnded(
        command_id=command_id,
        order_id=order.order_id,
        connection_id=order.connection_id,
        service="creator",
        state=ending.state,
        outcome=ending.outcome,
        reason=ending.reason,
        at=now,
    )


def end_commands(order: Order, asked: tuple[Asked, ...], ending: Ending, now: datetime) -> Change:
    """End these commands of the order."""
    ids = {one.command_id for one in asked}
    kept = tuple(replace(one, state="ended") if one.command_id in ids else one for one in order.asked)
    ended = tuple(end_of(order, one.command_id, ending, now) for one in asked)
    return Change(replace(order, asked=kept), ended=ended)


def end_apart(order: Order, asked: tuple[Asked, ...], refetched: Ending, others: Ending, now: datetime) -> Change:
    """End these commands: whoever asked only to see the order anew has an answer where the others have none."""
    refetches = tuple(one for one in asked if one.mode == "refetch")
    rest = tuple(one for one in asked if one.mode != "refetch")
    return end_commands(order, refetches, refetched, now).then(lambda it: end_commands(it, rest, others, now))


@dataclass(frozen=True)
class Cause:
    """What a fact answers: one of the commands (a force before all, else the newest), or none."""

    command_id: str | None = None
    mode: Mode | None = None

    @classmethod
    def of(cls, asked: tuple[Asked, ...]) -> Cause:
        forced = [one for one in asked if one.mode == "force"]
        chosen = (forced or list(asked))[-1:]
        return cls(chosen[0].command_id, chosen[0].mode) if chosen else cls()


def same_view(old: CreationFact | None, new: CreationFact) -> bool:
    """Whether the new fact says nothing new: such a one is not published."""
    number = {"seq", "at"}
    if old is None or type(old) is not type(new):
        return False
    return old.model_dump(exclude=number) == new.model_dump(exclude=number)
