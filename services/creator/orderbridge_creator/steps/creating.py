"""Walking one order through its phases: each its own transaction, the calls to Shopify between them.

While a worker walks, it holds the order's lock on the process's one lock session; who loses that session ends at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from orderbridge.errors import Blocked, Permanent, Transient
from orderbridge.events import ConnectionChanged, OrderMatched, Reason, Reservation, ShopifyOrder
from orderbridge.ids import amazon_order_id_of
from orderbridge.shopify.order_input import (
    MoneyMismatch,
    OrderInput,
    OrderPolicy,
    PersonalData,
    build_order_input,
    order_policy,
)
from orderbridge.step.unit import DueRow

from ..domain import phases, reasons
from ..domain.intake import block, compare
from ..domain.order import Change, Order
from ..domain.outcomes import (
    Accepted,
    Closed,
    IdentityTaken,
    NotSent,
    OrderRefused,
    Outcome,
    Slowed,
    Stock,
    StockRefused,
    Unanswered,
)
from ..domain.waiting import explained, waits_of
from ..ports import Intent, Locks, Shopify, Transactions, Unit
from .connections import REMOVED_S, settings_for, why_blocked
from .inspecting import inspect_work
from .intake import create_work, look_after
from .locking import alone
from .moving import schedule_move

log = structlog.get_logger(__name__)

UNCHECKED_S = 0.5
"""How soon to look again whether the shop was tried: without its metafield definition nothing may be sent."""
RESERVING_S = 0.3
"""How soon to look again, at first, whether the units of the order are settled; who settles them makes it due."""
LONGEST_WAIT_S = 60.0
EMAIL_REFUSED = "email_refused"
"""How an attempt ended whose e-mail address Shopify did not take: the next ones go without it."""


@dataclass(frozen=True)
class _Look:
    """Claimed: ask Shopify whether the order exists."""

    fence: int
    connection: ConnectionChanged


@dataclass(frozen=True)
class _Write:
    """Claimed: create the order."""

    fence: int
    connection: ConnectionChanged
    match: OrderMatched
    built: OrderInput
    forced: bool


class Creating:
    """Due work of kind ``create``."""

    def __init__(self, store: Transactions, locks: Locks, shopify: Shopify, settle_s: float, reread_s: float) -> None:
        self._store = store
        self._locks = locks
        self._shopify = shopify
        self._settle_s = settle_s
        self._reread_s = reread_s

    async def create(self, row: DueRow) -> None:
        """Walk until the order is created or failed, or has to wait."""
        await alone(self._store, self._locks, row, lambda: self._walk(row))

    async def _walk(self, row: DueRow) -> None:
        claim = await self._claim(row, None)
        while claim is not None:
            goes_on = await (self._look_up(row, claim) if isinstance(claim, _Look) else self._send(row, claim))
            claim = await self._claim(row, claim.fence) if goes_on else None

    # --- claiming

    async def _claim(self, row: DueRow, fence: int | None) -> _Look | _Write | None:
        """Decide what is next, and write it down before it is done; None when there is nothing to do now."""
        async with self._store.transaction() as unit:
            blocked = (await unit.why_blocked([row.connection_id])).get(row.connection_id)
            order = (await unit.lock_orders([row.key]))[row.key]
            if fence is None:
                order = replace(order, fence=order.fence + 1)
                unit.record(Change(order))
            elif order.fence != fence:
                log.warning("another worker took the order over", order_id=row.key, attempt=order.attempts)
                return None
            clock = await unit.database_time()
            step = phases.next_step(order, clock, self._settle_s, parked=bool(await unit.parked([row.key])))
            match step:
                case phases.Nothing():
                    await unit.finish(row)
                case phases.Held():
                    unit.record(phases.held(order, unit.now))
                    await unit.finish(row)
                    log.warning("order is held, a message of it is parked", order_id=row.key)
                case phases.TakeOver():
                    unit.record(phases.unknown(order, unit.now, clock))
                    await unit.end_attempt(order, "unknown")
                    await unit.postpone(row, self._settle_s)
                    log.warning("took over an order that was being sent", order_id=row.key, attempt=order.attempts)
                case phases.Settle(seconds):
                    await unit.postpone(row, seconds)
                case phases.LookUp() | phases.Send() if blocked is not None and blocked.state == reasons.REMOVED:
                    await (unit.postpone(row, REMOVED_S) if order.open_outcome else unit.finish(row))
                case phases.LookUp():
                    return _Look(order.fence, await settings_for(unit, row))
                case phases.Reserving():
                    await unit.postpone(row, RESERVING_S * 2.0 ** min(row.waits, 6))
                case phases.Send() if blocked is not None:
                    unit.record(block(order, unit.now, reasons.of_connection(blocked)))
                    await unit.postpone(row, 0.0)
                case phases.Send() if not await unit.checked(row.connection_id):
                    await unit.postpone(row, UNCHECKED_S)
                case phases.Send(match):
                    return await self._prepare(unit, row, order, match)
                case _:
                    assert_never(step)
        return None

    async def _prepare(self, unit: Unit, row: DueRow, order: Order, match: OrderMatched) -> _Write | None:
        connection = await settings_for(unit, row)
        forced = phases.forced(order)
        if order.imported is None:
            raise Permanent(f"{row.key} is due without an import")
        stored = await unit.personal_data(order.order_id)
        personal = PersonalData.from_bytes(stored) if stored is not None else None
        policy = await self._policy(unit, order, connection)
        held = order.hold is not None
        built = build_order_input(order.imported, match, personal, policy, forced=forced, held=held)
        if not isinstance(built, OrderInput):
            why = reasons.of_money(built) if isinstance(built, MoneyMismatch) else reasons.of_address(built)
            await self._fail(unit, row, order, why)
            return None
        return _Write(order.fence, connection, match, built, forced)

    async def _policy(self, unit: Unit, order: Order, connection: ConnectionChanged) -> OrderPolicy:
        """The connection's, without an e-mail that Shopify refused: the order matters more."""
        policy = order_policy(connection.settings)
        if policy.customer_email != "none" and await unit.ended_as(order.order_id, EMAIL_REFUSED):
            return replace(policy, customer_email="none")
        return policy

    # --- looking up

    async def _look_up(self, row: DueRow, claim: _Look) -> bool:
        """Whether the walk goes on afterwards."""
        found = await self._shopify.find(claim.connection, amazon_order_id_of(row.key))
        async with self._store.transaction() as unit:
            blocked = await why_blocked(unit, row)
            order = (await unit.lock_orders([row.key]))[row.key]
            if found is not None:
                log.info("order found in Shopify", order_id=row.key, shopify_order_id=found.order_id)
                await self._created(unit, row, order, found, "found", None)
                # While nobody here knew whose it is, words of it went unheard.
                unit.schedule(inspect_work(row.key))
                return False
            if order.fence != claim.fence:
                return True
            if order.phase != "unknown":
                unit.record(Change(replace(order, look_up_first=False)))
                return True
            await unit.end_attempt(order, "not_found")
            change = phases.looked_up_in_vain(order, unit.now).then(lambda it: compare(it, unit.now, blocked))
            unit.record(change)
            if change.order.phase != "failed":
                return True
            log.warning("order failed", order_id=row.key, reason="duplicate_suspected")
            await self._end(unit, row, change)
            return False

    # --- sending

    async def _send(self, row: DueRow, claim: _Write) -> bool:
        """Whether the walk goes on afterwards; raises ``Blocked`` when the connection does not work."""
        await self._shopify.admit(claim.connection, claim.built.variables)
        async with self._store.transaction() as unit:
            if not await self._write_down(unit, row, claim):
                return True
        # A worker that lost its locks must not send: the order may be another's already.
        await self._locks.check()
        outcome = await self._shopify.create(claim.connection, claim.built.variables)
        stock = None
        if isinstance(outcome, StockRefused):
            stock = await self._stock(claim)
        elif isinstance(outcome, IdentityTaken):
            outcome = await self._taken(row, claim) or outcome
        async with self._store.transaction() as unit:
            await self._conclude(unit, row, claim, outcome, stock)
        if isinstance(outcome, Closed):
            raise outcome.why
        return False

    async def _write_down(self, unit: Unit, row: DueRow, claim: _Write) -> bool:
        """The intent, before the call: from here on the order may have been sent. False: decide anew."""
        blocked = await why_blocked(unit, row)
        order = (await unit.lock_orders([row.key]))[row.key]
        clock = await unit.database_time()
        step = phases.next_step(order, clock, self._settle_s, parked=bool(await unit.parked([row.key])))
        unchanged = step == phases.Send(claim.match) and phases.forced(order) == claim.forced
        if order.fence != claim.fence or not unchanged or blocked is not None:
            return False
        change = phases.sending(order, unit.now)
        unit.record(change)
        cause = change.facts[-1]
        intent = Intent(
            attempt=change.order.attempts,
            request_hash=_hash(claim.built.variables),
            imported_seq=claim.match.imported_seq,
            match_seq=claim.match.seq,
            command_id=cause.command_id,
            mode=cause.mode,
        )
        await unit.begin_attempt(change.order, intent)
        return True

    async def _stock(self, claim: _Write) -> Mapping[str, Stock] | None:
        """One read of the stock, to say what is missing; without it the refusal still stands."""
        wanted = {line.variant_id for line in reasons.reserved_lines(claim.match)}
        try:
            return await self._shopify.stock(claim.connection, sorted(wanted))
        except (Transient, Blocked):
            return None

    async def _taken(self, row: DueRow, claim: _Write) -> Accepted | None:
        try:
            found = await self._shopify.find(claim.connection, amazon_order_id_of(row.key))
        except (Transient, Blocked):
            return None
        return Accepted(found) if found else None

    async def _conclude(
        self, unit: Unit, row: DueRow, claim: _Write, outcome: Outcome, stock: Mapping[str, Stock] | None
    ) -> None:
        blocked = await why_blocked(unit, row)
        order = (await unit.lock_orders([row.key]))[row.key]
        if isinstance(outcome, Accepted):
            await self._accepted(unit, row, claim, order, outcome)
            return
        if order.fence != claim.fence:
            log.warning("another worker took the order over", order_id=row.key, attempt=order.attempts)
            return
        match outcome:
            case StockRefused():
                lines = reasons.reserved_lines(claim.match, stock)
                refused = Reservation(state="refused", lines=lines, at=unit.now)
                await unit.end_attempt(order, "refused")
                await unit.book(order, refused)
                await self._fail(unit, row, order, reasons.of_stock(lines, stock), refused, blocked, stock)
            case OrderRefused(problems) if reasons.about_email(problems) and "email" in claim.built.variables["order"]:
                await unit.end_attempt(order, EMAIL_REFUSED)
                await self._again(unit, row, order, 0.0, blocked, look_up_first=False)
            case OrderRefused(problems):
                await unit.end_attempt(order, "refused")
                await self._fail(unit, row, order, reasons.of_refusal(problems), None, blocked)
            case NotSent(retry_after_s):
                await unit.end_attempt(order, "not_sent")
                await self._again(unit, row, order, retry_after_s, blocked, look_up_first=False)
            case Slowed(retry_after_s):
                await unit.end_attempt(order, "throttled")
                await self._again(unit, row, order, retry_after_s, blocked, look_up_first=True)
            case Unanswered() | IdentityTaken():
                taken = isinstance(outcome, IdentityTaken)
                await unit.end_attempt(order, "identity_taken" if taken else "unknown")
                clock = await unit.database_time()
                unit.record(phases.unknown(order, unit.now, clock, identity_taken=taken))
                await unit.postpone(row, self._settle_s)
                log.warning("outcome unknown", order_id=row.key, attempt=order.attempts, identity_taken=taken)
            case Closed(why):
                await unit.end_attempt(order, "blocked")
                unit.record(phases.disconnected(order, unit.now, reasons.of_connection(why)))
                log.warning("order failed", order_id=row.key, reason=reasons.of_connection(why).code)
            case _:
                assert_never(outcome)

    async def _accepted(self, unit: Unit, row: DueRow, claim: _Write, order: Order, outcome: Accepted) -> None:
        wrong = phases.differences(outcome, claim.match, claim.built.total)
        if wrong:
            log.error(
                "Shopify made the order otherwise than asked",
                order_id=row.key,
                shopify_order_id=outcome.shopify.order_id,
                differences=wrong,
            )
        note = {"differences": list(wrong)} if wrong else None
        await self._created(unit, row, order, outcome.shopify, "accepted", note)

    async def _created(
        self,
        unit: Unit,
        row: DueRow,
        order: Order,
        shopify: ShopifyOrder,
        outcome: str,
        note: Mapping[str, object] | None,
    ) -> None:
        if order.phase in ("created", "canceled"):
            log.error("order was created by another worker too", order_id=row.key, shopify_order_id=shopify.order_id)
            await unit.finish(row)
            return
        reservation = phases.claimed(order, unit.now)
        change = phases.created(order, unit.now, shopify, reservation)
        if order.imported_seq != order.newest.imported_seq:
            change = await look_after(unit, change)
        unit.record(change)
        await unit.end_attempt(order, outcome, note)
        if reservation is not None:
            await unit.book(order, reservation)
        await schedule_move(unit, change.order)
        await unit.finish(row)
        log.info("order created", order_id=row.key, shopify_order_id=shopify.order_id, attempt=order.attempts)

    async def _fail(
        self,
        unit: Unit,
        row: DueRow,
        order: Order,
        reason: Reason,
        reservation: Reservation | None = None,
        blocked: Reason | None = None,
        stock: Mapping[str, Stock] | None = None,
    ) -> None:
        log.warning("order failed", order_id=row.key, reason=reason.code, attempt=order.attempts)
        change = phases.failed(order, unit.now, reason, reservation)
        change = change.then(lambda it: compare(it, unit.now, blocked))
        unit.record(change)
        if waits := waits_of(change.order, stock):
            known = explained(change.order, stock)
            await unit.await_stock(change.order, waits, explained=known, reread_s=self._reread_s)
        await self._end(unit, row, change)

    async def _end(self, unit: Unit, row: DueRow, change: Change) -> None:
        """The work is done; what arrived meanwhile may ask for more."""
        await unit.finish(row)
        if change.due:
            unit.schedule(create_work(change.order))

    async def _again(
        self,
        unit: Unit,
        row: DueRow,
        order: Order,
        retry_after_s: float | None,
        blocked: Reason | None,
        *,
        look_up_first: bool,
    ) -> None:
        change = phases.not_created(order, unit.now, look_up_first=look_up_first)
        change = change.then(lambda it: compare(it, unit.now, blocked))
        unit.record(change)
        wait_s = min(LONGEST_WAIT_S, 0.5 * 2.0 ** min(row.waits, 7)) if retry_after_s is None else retry_after_s
        await unit.postpone(row, wait_s)
        log.info("order is sent again later", order_id=row.key, attempt=order.attempts, seconds=wait_s)


def _hash(variables: Mapping[str, object]) -> str:
    """Tells requests apart without keeping what is in them."""
    text = json.dumps(variables, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
