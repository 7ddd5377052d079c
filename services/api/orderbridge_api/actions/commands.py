"""Commands: what was asked for, and how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from orderbridge.events import Service
from orderbridge.topics import COMMANDS

from ..domain.allowed import OrderMode, allowed
from ..domain.commands import Asked, CommandRecord, CommandResource, command_event, shown
from ..domain.problems import Problem, not_found
from ..ports import Answer, OrderHead, Unit
from .desk import Desk, answered


async def get_command(desk: Desk, command_id: str) -> CommandResource:
    async with desk.store.transaction() as unit:
        command = await unit.command(command_id)
    if command is None:
        raise not_found("command", command_id)
    return shown(command)


def new_command_id() -> str:
    return uuid.uuid4().hex


async def ask_orders(
    order_ids: Sequence[str], asked: Asked, actor: str, unit: Unit
) -> dict[str, CommandRecord | Problem]:
    """Ask the same of these orders, in that order: to each its command, or why there can be none.

    A command of that mode that is open is given instead of a second one.
    """
    heads = await unit.order_heads(order_ids)
    already = await unit.open_commands(asked.mode, order_ids)
    outcomes: dict[str, CommandRecord | Problem] = {}
    new: list[CommandRecord] = []
    for order_id in order_ids:
        head = heads.get(order_id)
        if head is None:
            outcomes[order_id] = not_found("order", order_id)
        elif order_id in already:
            outcomes[order_id] = already[order_id]
        elif (refusal := _refusal(head, asked.mode)) is not None:
            outcomes[order_id] = refusal
        else:
            outcomes[order_id] = command = _command(head, asked, actor, unit)
            new.append(command)
    await send(new, unit)
    return outcomes


def _command(order: OrderHead, asked: Asked, actor: str, unit: Unit) -> CommandRecord:
    return CommandRecord(
        new_command_id(),
        order.order_id,
        order.connection_id,
        asked.mode,
        asked.reason,
        actor,
        unit.now,
        shopify_order_id=asked.shopify_order_id,
        restock=asked.restock,
    )


def _refusal(order: OrderHead, mode: OrderMode) -> Problem | None:
    """Where the order's own reason is the cause, its words and details are given: an old and a new SKU, say."""
    reason = order.reason
    verdict = allowed(order.status, reason.code if reason else None, mode, order.link)
    if verdict.allowed:
        return None
    code = verdict.code or "not_applicable"
    why = f" {reason.message}" if reason else ""
    return Problem(
        409,
        code,
        f"The order is {order.status}: {mode} is not possible.{why}",
        remedy=verdict.remedy,
        details=reason.details if reason and reason.code == code else None,
    )


async def send(commands: Sequence[CommandRecord], unit: Unit, service: Service | None = None) -> None:
    """Keep the commands, and send them to the workers."""
    await unit.add_commands(commands)
    for command in commands:
        key = command.order_id or command.connection_id
        event = command_event(command, service)
        unit.publish(COMMANDS, key, command.command_id, event, command_id=command.command_id)


def accepted(command: CommandRecord) -> Answer:
    return answered(202, shown(command), f"/v1/commands/{command.command_id}")
