"""Every way out of an order that is held, and what is bound to what it was matched to."""

from __future__ import annotations

from typing import Any

import pytest

from orderbridge.events import OrderImported
from orderbridge.topics import MATCHED, SHOP_CHANGES, UNMATCHED
from orderbridge_matcher.steps import looking
from tests.integration.matcher.world import World, command, day, mapped, numbered, ordered
from tests.support.facts import created
from tests.support.shopify_standin import MUG, MUG_SKU, TEE, TEE_SKU
from tests.support.step import published, rows, until


def titled(title: str, sku: str | None = None, **more: Any) -> OrderImported:
    """An import with one line of this title."""
    event = ordered(sku, **more)
    return event.model_copy(update={"lines": (event.lines[0].model_copy(update={"title": title}),)})


def targets(fact: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["variant_id"], one["quantity"]) for line in fact["lines"] for one in line["targets"]]


# --- mappings


async def test_a_mapping_frees_exactly_the_orders_that_wait_for_it_nearest_ship_by_first(world: World) -> None:
    waiting = [numbered(n) for n in range(5)]
    for n, order_id in enumerate(waiting):
        await world.deliver(ordered("OLD-NAME", order_id=order_id, ship_by=day(9 - n)))
    await world.deliver(ordered("OTHER", order_id=numbered(7)), ordered(order_id=numbered(8)))
    async with world.working():
        await world.comes_to(UNMATCHED, order_id=numbered(7))
        await world.quiet()
        await world.deliver(mapped("OLD-NAME", (TEE_SKU, 2)))
        facts = [await world.comes_to(MATCHED, order_id=order_id, seq=2) for order_id in waiting]
        await world.quiet("decide")

    assert [targets(fact) for fact in facts] == [[(TEE, 2)]] * 5
    assert {fact["lines"][0]["rule"] for fact in facts} == {"mapping"}
    freed = await rows(
        world.matcher.store,
        "select key from outbox where topic = :topic and key <> :own order by id",
        topic=MATCHED,
        own=numbered(8),
    )
    assert [row["key"] for row in freed] == waiting[::-1]
    assert [len(await world.facts(numbered(n))) for n in (7, 8)] == [1, 1]


async def test_an_older_mapping_that_comes_late_changes_nothing(world: World) -> None:
    await world.deliver(mapped("A", (MUG_SKU, 1), rev=2))
    await world.deliver(mapped("A", (TEE_SKU, 1), rev=1), ordered("A"))
    assert targets(await world.comes_to(MATCHED)) == [(MUG, 1)]


async def test_a_new_mapping_matches_an_order_anew_that_had_matched_otherwise_unless_it_was_created(
    world: World,
) -> None:
    done = numbered(1)
    await world.deliver(ordered(), ordered(order_id=done))
    await world.deliver(created(order_id=done))
    async with world.working():
        await world.deliver(mapped(TEE_SKU, (MUG_SKU, 1)))
        fact = await world.comes_to(MATCHED, seq=2)
        await world.quiet("decide")

    assert targets(fact) == [(MUG, 1)]
    assert len(await world.facts(done)) == 1


async def test_a_deleted_mapping_leaves_held_orders_to_the_other_rules(world: World) -> None:
    await world.deliver(mapped(TEE_SKU, (MUG_SKU, 1)))
    await world.deliver(ordered())
    assert targets(await world.comes_to(MATCHED)) == [(MUG, 1)]
    async with world.working():
        await world.unmap(TEE_SKU, rev=2)
        assert targets(await world.comes_to(MATCHED, seq=2)) == [(TEE, 1)]


async def test_a_mapping_to_a_sku_that_appears_later_frees_the_order_then(world: World) -> None:
    await world.deliver(mapped("SET", ("COMING", 1)))
    await world.deliver(ordered("SET"))
    async with world.working():
        held = await world.comes_to(UNMATCHED)
        await world.quiet()
    assert held["reason"]["code"] == "mapping_target_missing"

    await world.add_variant("COMING")
    await world.poll()

    assert (await world.comes_to(MATCHED, seq=2))["lines"][0]["rule"] == "mapping"


# --- titles


async def test_a_line_whose_sku_nobody_has_is_found_by_its_title_after_shopify_was_asked(world: World) -> None:
    shirt = await world.control(
        "POST",
        "products",
        title="Harbour Shirt",
        variants=[{"sku": f"HS-{size}", "title": size, "options": {"Size": size}} for size in ("X", "XL", "XXL")],
    )
    await world.poll()
    async with world.working():
        await world.deliver(titled("Harbour Shirt: Size XL", "AMZ-1"))
        fact = await world.comes_to(MATCHED)

    assert targets(fact) == [(shirt["variants"][1]["variant_id"], 1)]
    [line] = fact["lines"]
    assert line["rule"] == "title"
    assert [(step["rule"], step["won"]) for step in line["path"]] == [
        ("mapping", False),
        ("sku", False),
        ("title", True),
    ]
    assert await world.calls("productVariants") == 1


async def test_a_product_that_comes_with_the_title_frees_who_waits_for_it(world: World) -> None:
    await world.deliver(titled("Harbour Lamp"))
    held = await world.comes_to(UNMATCHED)
    assert held["reason"]["code"] == "sku_not_found"

    lamp = await world.add_variant("HL-1", "Harbour lamp")
    await world.poll()

    assert targets(await world.comes_to(MATCHED, seq=2)) == [(lamp, 1)]


async def test_what_looks_alike_is_suggested_and_never_matched(world: World) -> None:
    await world.add_variant("HL-2", "Harbour Lamp Deluxe")
    await world.poll()
    async with world.working():
        await world.deliver(titled("Harbour Lamp", "HL-3"))
        held = await world.comes_to(UNMATCHED)

    assert [one["shopify_sku"] for one in held["lines"][0]["candidates"]] == ["HL-2"]


# --- a SKU that changed after the import


async def test_a_renamed_sku_withdraws_the_match_and_renaming_back_lifts_that_by_itself(world: World) -> None:
    await world.deliver(ordered())
    await world.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED")
    await world.poll()
    held = await world.comes_to(UNMATCHED, seq=2)
    assert held["reason"]["code"] == "sku_changed_after_import"

    await world.deliver(ordered(seq=2))
    again = await world.comes_to(UNMATCHED, seq=3)
    assert (again["imported_seq"], again["reason"]["code"]) == (2, "sku_changed_after_import")

    await world.control("PATCH", "variants/RENAMED", sku=TEE_SKU)
    await world.poll()
    lifted = await world.comes_to(MATCHED, seq=4)
    assert (targets(lifted), lifted["command_id"]) == ([(TEE, 1)], None)


async def test_rematch_binds_the_order_to_what_the_rules_find_today(world: World) -> None:
    await world.deliver(ordered())
    await world.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED")
    other = await world.add_variant(TEE_SKU, "Another tee")
    await world.poll()
    await world.comes_to(UNMATCHED, seq=2)
    async with world.working():
        await world.deliver(command("c1", "retry"))
        retried = await world.comes_to(UNMATCHED, seq=3)
        await world.deliver(command("c2", "rematch"))
        fact = await world.comes_to(MATCHED, seq=4)

    assert (retried["command_id"], retried["reason"]["code"]) == ("c1", "sku_changed_after_import")
    assert (fact["command_id"], fact["mode"], targets(fact)) == ("c2", "rematch", [(other, 1)])

    await world.deliver(ordered(seq=2))
    assert targets(await world.comes_to(MATCHED, seq=5)) == [(other, 1)]


async def test_a_variant_that_changes_after_the_order_was_created_takes_nothing_back(world: World) -> None:
    await world.deliver(ordered())
    await world.deliver(created())
    await world.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED")
    await world.poll()
    await world.deliver(ordered(seq=2))

    assert targets(await world.comes_to(MATCHED, seq=2)) == [(TEE, 1)]
    assert await rows(world.matcher.store, "select * from waits") == []


async def test_others_are_told_of_a_variant_that_changed(world: World) -> None:
    await world.control("PATCH", f"variants/{TEE_SKU}", policy="CONTINUE")
    await world.poll()

    [told] = await published(world.matcher.store, SHOP_CHANGES)
    assert (told["kind"], told["subject"], told["change"], told["source"]) == ("variant", TEE, "changed", "matcher")


# --- a refetch


async def test_the_match_of_an_import_that_was_refetched_carries_the_command_on(world: World) -> None:
    await world.deliver(ordered(seq=1), ordered("GONE", seq=1, order_id=numbered(1)))
    await world.deliver(ordered(seq=2, command_id="c1"), ordered("GONE", seq=2, order_id=numbered(1), command_id="c2"))
    async with world.working():
        fact = await world.comes_to(MATCHED, seq=2)
        held = await world.comes_to(UNMATCHED, seq=1, order_id=numbered(1))

    assert (fact["command_id"], fact["mode"], fact["imported_seq"]) == ("c1", "refetch", 2)
    assert (held["command_id"], held["mode"], held["imported_seq"]) == ("c2", "refetch", 2)
    assert await world.ends() == {}
    assert await rows(world.matcher.store, "select * from commands") == []


async def test_a_refetch_of_an_order_that_is_not_to_be_created_is_left_to_who_reads_the_import(world: World) -> None:
    await world.deliver(ordered(kind="skip", reason="import_disabled", command_id="c1"))
    assert await world.ends() == {}
    assert await rows(world.matcher.store, "select * from commands") == []


async def test_a_refetch_ends_with_the_look_up_that_is_parked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> frozenset[str]:
        raise ValueError("planted")

    monkeypatch.setattr(looking, "_skus_behind", broken)
    await world.deliver(ordered("GONE", command_id="c1"))
    await world.execute("update due set tries = 4")
    async with world.working():
        assert await until(world.ends, what="the command ends") == {"c1": ("rejected", "message_parked")}
