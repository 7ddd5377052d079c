"""What an order shows: a pure function of the newest fact per source, whatever order they came in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from orderbridge.events import (
    Attention,
    CreationFact,
    Fact,
    ImportedLine,
    LineMatch,
    MatchFact,
    OrderImported,
    Reservation,
    ShopifyOrder,
)
from orderbridge.ids import amazon_order_id_of, connection_of
from orderbridge.status import Standing, Status, standing

from .allowed import OrderMode, allowed
from .own import STUCK, OwnFact, Seqs, open_parked
from .resource import Action, Actions, OrderResource, ShownLine, ShownMatch

OPEN = ("imported", "matched", "creating")
"""Statuses that end by themselves: an outcome is awaited."""
STUCK_AFTER = timedelta(minutes=10)
SLOW = "The order has had no outcome for 10 minutes."


@dataclass(frozen=True, slots=True)
class OrderState:
    """The newest fact per source."""

    order_id: str
    imported: OrderImported | None = None
    match: MatchFact | None = None
    creation: CreationFact | None = None
    own: OwnFact | None = None

    @property
    def facts(self) -> list[Fact]:
        return [fact for fact in (self.imported, self.match, self.creation, self.own) if fact is not None]

    @property
    def seqs(self) -> Seqs:
        return (
            self.imported.seq if self.imported else 0,
            self.match.seq if self.match else 0,
            self.creation.seq if self.creation else 0,
        )


def take(state: OrderState, fact: Fact) -> OrderState:
    """The state with this fact, or as it was when a newer one of its source is known."""
    if isinstance(fact, OrderImported):
        return state if _older(fact, state.imported) else replace(state, imported=fact)
    if isinstance(fact, MatchFact):
        return state if _older(fact, state.match) else replace(state, match=fact)
    if isinstance(fact, CreationFact):
        return state if _older(fact, state.creation) else replace(state, creation=fact)
    if isinstance(fact, OwnFact):
        return state if _older(fact, state.own) else replace(state, own=fact)
    raise TypeError(f"{type(fact).__name__} is no fact of an order's view")


def _older(fact: Fact, than: Fact | None) -> bool:
    return than is not None and fact.seq <= than.seq


def standing_of(state: OrderState) -> Standing:
    parked = open_parked(state.own)
    found = standing(state.imported, state.match, state.creation, parked=bool(parked))
    if found.reason is None:
        return found
    details = {"parked_ids": parked} if found.reason.code == "message_parked" else _sorted(found.reason.details)
    return replace(found, reason=found.reason.model_copy(update={"details": details}))


def resource_of(state: OrderState) -> OrderResource:
    """The order as everybody sees it; needs at least one fact."""
    imported, creation = state.imported, state.creation
    found = standing_of(state)
    shopify = creation.shopify if creation else None
    return OrderResource(
        order_id=state.order_id,
        connection_id=connection_of(state.order_id),
        amazon_order_id=amazon_order_id_of(state.order_id),
        marketplace_id=imported.marketplace_id if imported else None,
        status=found.status,
        reason=found.reason,
        attention=_attention(state, found),
        fulfilled_by=imported.fulfilled_by if imported else None,
        amazon_status=imported.amazon_status if imported else None,
        purchased_at=utc(imported.purchased_at) if imported and imported.purchased_at else None,
        ship_by=utc(imported.ship_by) if imported and imported.ship_by else None,
        total=imported.total if imported else None,
        lines=_lines(imported, _answering(imported, state.match)) if imported else None,
        reservation=_reservation(creation.reservation if creation else None),
        shopify=shopify,
        attempts=creation.attempts if creation else 0 if state.seqs != (0, 0, 0) else None,
        actions=_actions(found.status, found.reason.code if found.reason else None, link_to(shopify)),
        version=sum(fact.seq for fact in state.facts),
        updated_at=max(map(_latest, state.facts)),
    )


def waiting_since(state: OrderState, resource: OrderResource) -> datetime | None:
    """Since when the order awaits an outcome: its newest fact; None when it has one."""
    times = [_latest(fact) for fact in (state.imported, state.match, state.creation) if fact is not None]
    return max(times) if times and resource.status in OPEN else None


def stuck_message(resource: OrderResource) -> str | None:
    """What the attention ``stuck`` says, if it is shown."""
    return next((item.message for item in resource.attention if item.code == STUCK), None)


def due_stuck_message(since: datetime | None, now: datetime, connection_trouble: str | None) -> str | None:
    """What it should say: at once when the connection is blocked, else after 10 minutes."""
    if since is None:
        return None
    if connection_trouble is not None:
        return connection_trouble
    return SLOW if now - since >= STUCK_AFTER else None


def search_text(resource: OrderResource) -> str:
    """What ``q`` looks in: either id, the SKUs, the titles; lower case."""
    words = [resource.order_id]
    if resource.shopify:
        words += [resource.shopify.order_id, resource.shopify.name or ""]
    for line in resource.lines or ():
        words += [line.amazon_sku or "", line.title or ""]
        words += [target.shopify_sku or "" for target in line.match.targets] if line.match else []
    return "\n".join(words).lower()


def utc(moment: datetime) -> datetime:
    """In UTC, so that it is written with ``Z``; a time without a zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _latest(fact: Fact) -> datetime:
    return utc(fact.latest_at if isinstance(fact, OwnFact) else fact.at)


def _answering(imported: OrderImported | None, match: MatchFact | None) -> MatchFact | None:
    return match if imported and match and match.imported_seq == imported.seq else None


def _attention(state: OrderState, found: Standing) -> tuple[Attention, ...]:
    """What the creator says, what the buyer asked for, and what the api's own clock says, in this order."""
    said = [*(state.creation.attention if state.creation else ())]
    if state.imported and state.imported.cancel_requested_at and found.status != "canceled":
        said.append(_buyer_requested_cancel(state.imported.cancel_requested_at))
    if state.own and found.status in OPEN:
        said += [item.attention for item in state.own.attention if item.seqs == state.seqs]
    return tuple(one.model_copy(update={"since": utc(one.since)}) for one in said)


def _buyer_requested_cancel(asked_at: datetime) -> Attention:
    message = f"The buyer asked on {utc(asked_at):%Y-%m-%d at %H:%M} UTC to cancel the order."
    return Attention(code="buyer_requested_cancel", message=message, since=asked_at)


def _lines(imported: OrderImported, match: MatchFact | None) -> tuple[ShownLine, ...]:
    matches = {line.order_item_id: line for line in match.lines} if match else {}
    return tuple(_line(line, matches.get(line.order_item_id)) for line in imported.lines)


def _line(line: ImportedLine, match: LineMatch | None) -> ShownLine:
    return ShownLine(
        amazon_sku=line.amazon_sku,
        asin=line.asin,
        title=line.title,
        quantity=line.quantity,
        unit_price=line.unit_price,
        match=_match(match) if match else None,
        reason=match.reason.model_copy(update={"details": _sorted(match.reason.details)})
        if match and match.reason
        else None,
    )


def _match(match: LineMatch) -> ShownMatch:
    return ShownMatch(rule=match.rule, targets=match.targets, candidates=match.candidates, path=match.path)


def _reservation(reservation: Reservation | None) -> Reservation | None:
    return reservation.model_copy(update={"at": utc(reservation.at)}) if reservation else None


@lru_cache(maxsize=256)
def _actions(status: Status, code: str | None, link: str | None) -> Actions:
    return Actions(
        retry=_action(status, code, "retry", link),
        force=_action(status, code, "force", link),
        rematch=_action(status, code, "rematch", link),
        refetch=_action(status, code, "refetch", link),
    )


def _action(status: Status, code: str | None, mode: OrderMode, link: str | None) -> Action:
    verdict = allowed(status, code, mode, link)
    return Action(allowed=verdict.allowed, code=verdict.code, remedy=verdict.remedy)


def link_to(shopify: ShopifyOrder | None) -> str | None:
    """Where a person finds the Shopify order; its gid where no address is known."""
    return (shopify.admin_url or shopify.order_id) if shopify else None


def _sorted(value: Any) -> Any:
    """The same value with the keys of every object in order: a stored fact gives the same bytes as a fresh one."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
