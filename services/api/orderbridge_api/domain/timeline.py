"""The story of one order: every fact and command with time and who said it, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orderbridge.events import Event, Reason
from orderbridge.status import MESSAGES

from .commands import CommandRecord, in_words
from .projection import utc


@dataclass(frozen=True)
class KeptFact:
    """A fact as it is stored."""

    source: str
    seq: int
    topic: str
    at: datetime
    payload: dict[str, Any]


class TimelineItem(Event):
    """One thing that happened; ``actor`` is who asked, where somebody did."""

    at: datetime
    kind: str
    source: str
    seq: int | None = None
    summary: str
    reason: Reason | None = None
    command_id: str | None = None
    actor: str | None = None


class Timeline(Event):
    items: tuple[TimelineItem, ...]


_LINES_SHOWN = 5


def timeline_of(facts: Sequence[KeptFact], commands: Sequence[CommandRecord]) -> Timeline:
    resolving = {command.command_id for command in commands if command.mode == "resolve"}
    before = {(fact.source, fact.seq + 1): fact.payload for fact in facts}
    items = [
        _of_fact(fact, before.get((fact.source, fact.seq)), resolved=fact.payload.get("command_id") in resolving)
        for fact in facts
    ]
    for command in commands:
        items += _of_command(command)
    # A tie goes along the road of an order.
    road = ("api", "ingestor", "matcher", "creator")
    items.sort(key=lambda item: (item.at, road.index(item.source) if item.source in road else 4, item.seq or 0))
    return Timeline(items=tuple(items))


def _of_fact(fact: KeptFact, before: Mapping[str, Any] | None, *, resolved: bool) -> TimelineItem:
    """``before``: what its source said last; ``resolved``: an operator's ``resolve`` caused it."""
    said = fact.payload
    reason = Reason.model_validate(said["reason"]) if said.get("reason") else None
    kind, summary = _attention_in_words(before, said) or _told(fact, said, resolved)
    return TimelineItem(
        at=utc(fact.at),
        kind=kind,
        source=fact.source,
        seq=fact.seq,
        summary=summary,
        reason=reason,
        command_id=said.get("command_id"),
    )


def _told(fact: KeptFact, said: dict[str, Any], resolved: bool) -> tuple[str, str]:
    if fact.source == "ingestor":
        return "imported", _import_in_words(said)
    if fact.source == "matcher":
        if said.get("reason"):
            return "unmatched", str(said["reason"]["message"])
        return "matched", _match_in_words(said)
    if fact.source == "creator":
        return _creation_in_words(said, resolved)
    return str(said["kind"]), _own_in_words(said)


def _import_in_words(said: dict[str, Any]) -> str:
    disposition = said["disposition"]
    reason = disposition.get("reason")
    words = {
        "import": "The order is to be imported.",
        "wait": "The order waits.",
        "skip": "The order is skipped.",
        "cancel": "The order is canceled at Amazon.",
    }
    status = said.get("amazon_status")
    amazon = f"Amazon says {status}. " if status else ""
    return f"{amazon}{MESSAGES.get(reason or '') or words.get(disposition['kind'], disposition['kind'])}"


def _match_in_words(said: dict[str, Any]) -> str:
    """By which rule each line found its variant; of many lines the first."""
    lines = said.get("lines") or ()
    found = [_rule_in_words(line) for line in lines[:_LINES_SHOWN]]
    more = [f"{len(lines) - _LINES_SHOWN} more"] if len(lines) > _LINES_SHOWN else []
    asked = f", asked for by {said['mode']}" if said.get("mode") else ""
    details = f": {', '.join([*found, *more])}" if found else ""
    return f"A variant was found for every line of import {said.get('imported_seq')}{asked}{details}."


def _rule_in_words(line: Mapping[str, Any]) -> str:
    name = line.get("amazon_sku") or f"line {line.get('order_item_id')}"
    revision = line.get("mapping_rev")
    return f"{name} by {line.get('rule')}{f' (revision {revision})' if revision is not None else ''}"


def _attention_in_words(before: Mapping[str, Any] | None, said: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of an order that stays created, what a person should see of it, or need not any more."""
    if before is None or (before.get("phase"), said.get("phase")) != ("created", "created"):
        return None
    old, new = ([str(one["message"]) for one in each.get("attention") or ()] for each in (before, said))
    told = [f"Attention: {message}" for message in new if message not in old]
    told += [f"Attention cleared: {message}" for message in old if message not in new]
    return "attention_set" if new else "attention_cleared", " ".join(told)


def _creation_in_words(said: dict[str, Any], resolved: bool) -> tuple[str, str]:
    phase = str(said["phase"])
    shopify = said.get("shopify") or {}
    name = shopify.get("name") or shopify.get("order_id")
    if phase == "created":
        return "created", f"The order was linked to {name}." if resolved else f"Shopify order {name} was created."
    if phase == "failed":
        return "failed", str(said["reason"]["message"])
    forced = ", whatever the stock" if said.get("mode") == "force" else ""
    words = {
        "planned": f"The order is about to be created in Shopify{forced}.",
        "sending": f"Attempt {said.get('attempts')} was sent to Shopify{forced}.",
        "unknown": MESSAGES["outcome_unknown"],
        "holding": _held_in_words(said),
        "resolved": MESSAGES["resolved_by_operator"],
        "canceled": _canceled_in_words(said, name),
    }
    return phase, words.get(phase, f"The creation is {phase}.")


def _held_in_words(said: Mapping[str, Any]) -> str:
    if (said.get("reservation") or {}).get("state") == "released":
        return "The stock that was held for the order was released."
    return "Stock is held for the order until it can be created."


def _canceled_in_words(said: Mapping[str, Any], name: str | None) -> str:
    if name is None:
        return "The order was canceled before it was created in Shopify."
    restocked = (said.get("reservation") or {}).get("state") == "released"
    return f"Shopify order {name} was canceled{', its units are back in stock' if restocked else ''}."


def _own_in_words(said: dict[str, Any]) -> str:
    words = {
        "parked": "A message was parked",
        "replayed": "A parked message was replayed",
        "superseded": "A parked message was superseded by a newer one",
        "attention_set": "Attention",
        "attention_cleared": "Attention cleared",
    }
    return f"{words[said['kind']]}: {said.get('note') or said.get('parked_id')}"


def _of_command(command: CommandRecord) -> list[TimelineItem]:
    why = f": {command.reason}" if command.reason else ""
    items = [
        TimelineItem(
            at=utc(command.created_at),
            kind="command",
            source="api",
            summary=f"{command.actor} asked for {in_words(command)}{why}",
            command_id=command.command_id,
            actor=command.actor,
        )
    ]
    if command.ended_at is not None:
        ended = f"done, {command.outcome}" if command.state == "done" else "rejected"
        items.append(
            TimelineItem(
                at=utc(command.ended_at),
                kind="command_ended",
                source=command.ended_by or "api",
                summary=f"The {command.mode} is {ended}.",
                reason=command.rejection,
                command_id=command.command_id,
                actor=command.actor,
            )
        )
    return items
