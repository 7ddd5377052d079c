"""Closing an order by hand: linked to a Shopify order, handled elsewhere, or canceled at Shopify."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orderbridge.events import Command, OrderCreated, OrderProgress, Reason, Reservation, ShopifyOrder
from orderbridge.ids import amazon_order_id_of

from . import reasons
from .aftermath import canceled_at_amazon, flag_cancellation, made_of, took_stock
from .order import CONNECTION_CODES, Change, Ending, Order, Remedy, end_of
from .standing import refusal

GIVE_UP_S = 600.0
"""How long Shopify may take to carry out a cancellation that it took."""
_SHOPIFY_ORDER = re.compile(r"gid://shopify/Order/[0-9]{1,19}")


@dataclass(frozen=True)
class AtShopify:
    """A Shopify order as it was read; ``amazon_order_id`` is the one that it says it came from, if any."""

    shopify: ShopifyOrder
    canceled: bool = False
    amazon_order_id: str | None = None


def ask(order: Order, command: Command) -> Order:
    """Take a ``resolve`` or a ``cancel`` in; it ends once."""
    if command.mode not in ("resolve", "cancel"):
        raise ValueError(f"{command.mode} is not a remedy of the creator's")
    if any(remedy.command_id == command.command_id for remedy in order.remedies):
        return order
    restock = command.restock and took_stock(order)
    remedy = Remedy(command.command_id, command.mode, command.shopify_order_id, restock)
    return replace(order, remedies=(*order.remedies, remedy))


def decide_alone(order: Order, remedy: Remedy, now: datetime) -> Change | None:
    """The end of a remedy that needs no word of Shopify's; None when it does."""
    if remedy.sent_at is not None and order.phase == "created":
        return None
    if (why := refusal(order, remedy.mode)) is not None:
        return reject(order, remedy, why, now)
    if remedy.mode == "cancel":
        return None
    if remedy.shopify_order_id is None:
        return _resolved(order, remedy, now)
    if not _SHOPIFY_ORDER.fullmatch(remedy.shopify_order_id):
        return reject(order, remedy, reasons.no_such_order(remedy.shopify_order_id), now)
    return None


def shopify_order_of(order: Order, remedy: Remedy) -> str:
    """The Shopify order that the remedy is about."""
    linked = order.fact.shopify if order.fact else None
    return (remedy.shopify_order_id if remedy.mode == "resolve" else linked and linked.order_id) or ""


def reject(order: Order, remedy: Remedy, why: Reason, now: datetime) -> Change:
    """It leads to nothing; a cancellation that Amazon asked for is a person's from then on."""
    change = end(order, remedy, Ending("rejected", reason=why), now)
    if remedy.command_id is None and order.phase == "created" and canceled_at_amazon(order):
        return change.then(lambda it: flag_cancellation(it, why.message, now))
    return change


def end(order: Order, remedy: Remedy, ending: Ending, now: datetime) -> Change:
    """It is over, and its command ends with it, if it has not yet."""
    kept = tuple(one for one in order.remedies if one.command_id != remedy.command_id)
    command_id = None if remedy.ended else remedy.command_id
    ended = (end_of(order, command_id, ending, now),) if command_id is not None else ()
    return Change(replace(order, remedies=kept), ended=ended)


def give_up(order: Order, now: datetime, why: Reason) -> Change:
    """End every remedy's command; one that was sent stays, to learn later what came of it.

    So does one that no command waits for: it goes on when the connection works, or the parked work is replayed.
    """
    change = Change(order)
    for remedy in order.remedies:
        if remedy.command_id is not None or why.code not in CONNECTION_CODES:
            change = change.then(lambda it, remedy=remedy: reject(it, remedy, why, now))  # type: ignore[misc]
    kept = tuple(
        replace(one, ended=one.command_id is not None)
        for one in order.remedies
        if one.sent_at is not None or one.command_id is None
    )
    return replace(change, order=replace(change.order, remedies=kept))


def _resolved(order: Order, remedy: Remedy, now: datetime) -> Change:
    fact = OrderProgress(**_of_remedy(order, remedy, now), phase="resolved")
    change = Change(replace(order, fact=fact), facts=(fact,))
    return change.then(lambda it: end(it, remedy, Ending("done", "skipped"), now))


def link(order: Order, remedy: Remedy, found: AtShopify | None, rival: str | None, now: datetime) -> Change:
    """Take the Shopify order for this order's own; ``rival`` is the order of ours that it belongs to already."""
    gid = remedy.shopify_order_id or ""
    if found is None:
        return reject(order, remedy, reasons.no_such_order(gid), now)
    name = found.shopify.name
    ours = amazon_order_id_of(order.order_id)
    if rival is not None:
        return reject(order, remedy, reasons.already_linked(gid, name, amazon_order_id_of(rival)), now)
    if found.amazon_order_id not in (None, ours):
        return reject(order, remedy, reasons.already_linked(gid, name, found.amazon_order_id or ""), now)
    if found.canceled:
        return reject(order, remedy, reasons.canceled_at_shopify(gid, name), now)
    fact = OrderCreated(**_of_remedy(order, remedy, now), shopify=found.shopify, made_of=made_of(order.imported))
    change = Change(replace(order, fact=fact, look_up_first=False), facts=(fact,))
    return change.then(lambda it: end(it, remedy, Ending("done", "created"), now))


def asked_shopify(order: Order, remedy: Remedy, now: datetime) -> Change:
    """Write down, before it is asked for, that the cancellation may take effect."""
    return _noted(order, replace(remedy, sent_at=now, job=None))


def given_job(order: Order, remedy: Remedy, job: str | None) -> Change:
    return _noted(order, replace(remedy, job=job))


def overdue(remedy: Remedy, now: datetime) -> bool:
    return remedy.sent_at is not None and now - remedy.sent_at > timedelta(seconds=GIVE_UP_S)


def under_way(order: Order, now: datetime) -> bool:
    """Whether Shopify was asked to cancel the order, and may still do it."""
    return any(one.mode == "cancel" and one.sent_at is not None and not overdue(one, now) for one in order.remedies)


def canceled(order: Order, remedy: Remedy, now: datetime) -> Change:
    """Shopify says that it is canceled; units that went back with it are released."""
    before = order.newest.reservation
    released = remedy.sent_at is not None and remedy.restock
    reservation = Reservation(state="released", lines=before.lines if before else (), at=now) if released else before
    fact = OrderProgress(
        **_of_remedy(order, remedy, now)
        | {"imported_seq": order.newest.imported_seq, "match_seq": order.newest.match_seq},
        phase="canceled",
        reservation=reservation,
        shopify=order.newest.shopify,
        made_of=order.made_of,
    )
    change = Change(replace(order, fact=fact), facts=(fact,))
    return change.then(lambda it: end(it, remedy, Ending("done", "canceled"), now))


def _noted(order: Order, remedy: Remedy) -> Change:
    return Change(
        replace(
            order,
            remedies=tuple(remedy if one.command_id == remedy.command_id else one for one in order.remedies),
        )
    )


def _of_remedy(order: Order, remedy: Remedy, now: datetime) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "seq": order.seq + 1,
        "at": now,
        "command_id": remedy.command_id,
        "imported_seq": order.imported_seq,
        "match_seq": order.match_seq,
        "attempts": order.attempts,
    }
