"""The demo's story: an Amazon order becomes exactly one Shopify order, or says exactly why not."""

from __future__ import annotations

import json

import pytest

from deploy.local.demo_report import last_line, report

from .conftest import SCALE, Played

pytestmark = pytest.mark.timeout(180)
PLACED = sum(SCALE.first.values()) + sum(SCALE.out_of_stock) + sum(SCALE.relisted) + 1 + 2 * sum(SCALE.later.values())


def test_after_restock_force_and_a_kill_the_three_ledgers_agree(played: Played) -> None:
    assert played.account.faults == ()
    assert (played.account.at_amazon, played.account.known) == (PLACED, PLACED)


def test_every_order_ends_as_its_story_says(played: Played) -> None:
    assert len(played.story.expected) == PLACED
    assert dict(played.account.by_status) == {
        "created": 26 + 2 * 12 + 2 + 1 + 2 + 1 + 1 - 1,
        "canceled": 1,
        "skipped": 3 + 1 + 1,
        "pending": 2 + 2 * 1 - 1,
        "unmatched": 2 + 2 * 1,
        "failed": 2 + 1 - 2,
    }
    assert played.account.forced == 1


async def test_what_the_demo_prints_at_the_end_is_what_the_ledgers_say(played: Played) -> None:
    said = json.loads(last_line(played.account, "Apache Kafka", 12.34))
    ledger = await played.world.shopify_ledger()
    assert said["created"] + said["canceled"] == said["order_creates_accepted"] == len(ledger["orders"])
    assert (said["lost"], said["doubled"], said["imported"]) == (0, 0, PLACED)
    text = "\n".join(report(played.account, await played.world.counts()))
    assert "WRONG" not in text
    assert "lost 0, doubled 0" in text


async def test_the_timeline_of_a_forced_order_tells_of_the_refusal_and_the_force(played: Played) -> None:
    forced = next(
        order for order in (await played.world.shopify_ledger())["orders"] if "amazon-forced" in order["tags"]
    )
    order_id = played.world.order_id(forced["amazon_order_id"])
    timeline = await played.world.api.get(f"/v1/orders/{order_id}/timeline")
    codes = [item["reason"]["code"] for item in timeline["items"] if item["reason"]]
    assert "unable_to_reserve_inventory" in codes
    assert any(item["actor"] and "force" in item["summary"] for item in timeline["items"])
