"""How the demo ends: the table by status, the three-way comparison, and one JSON line for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .accounting import Account

FAULTS_SHOWN = 20
JSON_STATUSES = ("created", "skipped", "pending", "unmatched", "failed", "canceled")


def report(account: Account, counts: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a person; every fault is one of them."""
    yield ""
    yield from _table("STATUS", "ORDERS", sorted(account.by_status.items(), key=lambda row: -row[1]))
    yield ""
    yield from _table("REASON", "ORDERS", sorted(counts["by_reason"].items(), key=lambda row: -row[1]))
    yield ""
    created = account.by_status.get("created", 0)
    yield f"Amazon's ledger    {account.at_amazon} orders, {account.importable} of them for the merchant to fulfil now"
    yield f"ours               {account.known} orders, {created} created, {account.with_reason} with a visible reason"
    yield f"Shopify's ledger   {account.at_shopify} orders, {account.forced} of them forced"
    yield f"calls to Amazon    {account.amazon_calls} for {account.polls} polls (one for every 100 orders), and tokens"
    yield f"orderCreate        {account.accepted} accepted, {account.refused} refused, {account.cut_off} cut off"
    yield f"lost {len(account.lost)}, doubled {len(account.doubled)}"
    yield ""
    yield from faults_shown(account.faults)


def faults_shown(faults: Sequence[str]) -> Iterator[str]:
    yield from (f"WRONG: {fault}" for fault in faults[:FAULTS_SHOWN])
    if len(faults) > FAULTS_SHOWN:
        yield f"WRONG: and {len(faults) - FAULTS_SHOWN} more"


def last_line(account: Account, broker: str, seconds: float) -> str:
    """The JSON object of contract section 9. ``amazon_calls`` leaves the tokens out."""
    return json.dumps(
        {
            "broker": broker,
            "imported": account.known,
            **{status: account.by_status.get(status, 0) for status in JSON_STATUSES},
            "forced": account.forced,
            "lost": len(account.lost),
            "doubled": len(account.doubled),
            "amazon_calls": account.amazon_calls,
            "order_creates_accepted": account.accepted,
            "order_creates_refused": account.refused,
            "order_creates_cut_off": account.cut_off,
            "seconds": round(seconds, 1),
        }
    )


def _table(left: str, right: str, rows: Sequence[tuple[str, int]]) -> Iterator[str]:
    width = max([len(left), *(len(name) for name, _ in rows)])
    yield f"{left:<{width}}  {right:>6}"
    yield from (f"{name:<{width}}  {number:>6}" for name, number in rows)
