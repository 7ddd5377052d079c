"""A command as the api keeps it, and as it is answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from orderbridge.events import BackfillAsked, BackfillProgress, Command, CommandMode, Event, Reason, Service

from .allowed import OrderMode

CommandState = Literal["open", "done", "rejected"]
_SHOPIFY_ID = re.compile(r"[1-9][0-9]{0,19}")


@dataclass(frozen=True)
class Asked:
    """What an operator asks of orders; ``reason`` is the operator's own."""

    mode: OrderMode
    reason: str | None = None
    shopify_order_id: str | None = None
    """Of ``resolve``: the gid of the Shopify order to link to; None: handled elsewhere."""
    restock: bool | None = None
    """Of ``cancel``: whether the units go back to stock."""


@dataclass(frozen=True)
class CommandRecord:
    command_id: str
    order_id: str | None
    connection_id: str
    mode: CommandMode
    reason: str | None
    actor: str
    created_at: datetime
    parked_id: str | None = None
    shopify_order_id: str | None = None
    restock: bool | None = None
    backfill: BackfillAsked | None = None
    progress: BackfillProgress | None = None
    state: CommandState = "open"
    outcome: str | None = None
    rejection: Reason | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None


class CommandResource(Event):
    """``reason`` says why a command was rejected; ``operator_reason`` is what the operator gave with it.

    ``shopify_order_id`` is of a ``resolve`` (null: handled elsewhere), ``restock`` of a ``cancel``, ``backfill`` with
    its ``progress`` of a back-fill.
    """

    command_id: str
    order_id: str | None
    connection_id: str
    mode: CommandMode
    state: CommandState
    outcome: str | None
    reason: Reason | None
    operator_reason: str | None
    parked_id: str | None
    shopify_order_id: str | None
    restock: bool | None
    backfill: BackfillAsked | None
    progress: BackfillProgress | None
    actor: str
    created_at: datetime
    ended_at: datetime | None


def shown(command: CommandRecord) -> CommandResource:
    return CommandResource(
        command_id=command.command_id,
        order_id=command.order_id,
        connection_id=command.connection_id,
        mode=command.mode,
        state=command.state,
        outcome=command.outcome,
        reason=command.rejection,
        operator_reason=command.reason,
        parked_id=command.parked_id,
        shopify_order_id=command.shopify_order_id,
        restock=command.restock,
        backfill=command.backfill,
        progress=command.progress,
        actor=command.actor,
        created_at=command.created_at,
        ended_at=command.ended_at,
    )


def command_event(command: CommandRecord, service: Service | None = None) -> Command:
    """What goes to the workers."""
    return Command(
        command_id=command.command_id,
        order_id=command.order_id,
        connection_id=command.connection_id,
        mode=command.mode,
        reason=command.reason,
        actor=command.actor,
        at=command.created_at,
        service=service,
        parked_id=command.parked_id,
        shopify_order_id=command.shopify_order_id,
        restock=command.restock is not False,
        backfill=command.backfill,
    )


def shopify_order_gid(said: object) -> str | None:
    """The gid of a Shopify order, given as it is or as the number alone; None for what is neither."""
    if isinstance(said, bool) or not isinstance(said, int | str):
        return None
    number = str(said).strip().removeprefix("gid://shopify/Order/")
    return f"gid://shopify/Order/{number}" if _SHOPIFY_ID.fullmatch(number) else None


def in_words(command: CommandRecord) -> str:
    """What was asked for, as the timeline tells it."""
    if command.mode == "resolve":
        linked = command.shopify_order_id
        return f"resolve, linked to {linked}" if linked else "resolve, handled elsewhere"
    if command.mode == "cancel":
        return f"cancel, {'without restocking' if command.restock is False else 'units back to stock'}"
    return command.mode
