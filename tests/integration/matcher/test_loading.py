"""The catalogue is read whole once, then what changes; orders wait for it, and for what it lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbridge.errors import Unavailable
from orderbridge.shopify import Page, Shop
from orderbridge.shopify.catalogue import CatalogueReader
from orderbridge.topics import MATCHED, UNMATCHED
from tests.integration.matcher.world import World, day, numbered, ordered
from tests.support.shopify_standin import MUG_SKU, TEE, TEE_SKU
from tests.support.step import rows, until

SECOND_SHOP = "second.myshopify.com"


async def test_the_first_load_keeps_every_variant_of_the_shop(large: World) -> None:
    world = large
    await world.load()
    shop = {one["variant_id"]: one["sku"] for one in await world.control("GET", "variants")}
    kept = await rows(world.matcher.store, "select variant_id, sku, status from variants")

    assert len(kept) == 300
    assert {row["variant_id"]: row["sku"] for row in kept} == shop
    assert {row["status"] for row in kept} == {"ACTIVE"}


async def test_orders_that_come_before_the_catalogue_wait_and_are_then_matched_nearest_ship_by_first(
    bare: World,
) -> None:
    await bare.add_connection()
    await bare.deliver(
        *(ordered(order_id=numbered(n), ship_by=day(20 - n)) for n in range(10)),
        ordered(order_id=numbered(10), ship_by=None),
        ordered(order_id=numbered(11), kind="wait", reason="awaiting_payment", ship_by=day(1)),
        ordered(order_id=numbered(12), kind="skip", reason="fulfilled_by_amazon"),
    )
    assert await _said(bare) == []

    async with bare.working():
        await until(bare.is_loaded, what="the catalogue is complete")
        await bare.quiet("decide")

    nearest_first = [numbered(11), *(numbered(n) for n in range(9, -1, -1)), numbered(10)]
    assert await _said(bare) == sorted(nearest_first)
    assert await rows(bare.matcher.store, "select * from undecided") == []


async def test_the_undecided_are_decided_in_the_order_of_their_ship_by_dates(bare: World) -> None:
    await bare.add_connection()
    await bare.deliver(*(ordered(order_id=numbered(n), ship_by=day(20 - n)) for n in range(5)))

    async with bare.matcher.store.transaction() as unit:
        nearest = await unit.undecided("main", 3)

    assert nearest == [numbered(4), numbered(3), numbered(2)]


async def test_a_round_that_was_interrupted_goes_on_at_the_page_it_stood_at(
    large: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    away = True
    page = CatalogueReader.variants_page

    async def first_page_only(self: CatalogueReader, shop: Shop, after: str | None, **more: Any) -> Page:
        asked.append(after)
        if after is not None and away:
            raise Unavailable("the shop is away")
        return await page(self, shop, after, **more)

    monkeypatch.setattr(CatalogueReader, "variants_page", first_page_only)
    await large.add_connection()
    async with large.working():
        await until(lambda: len(asked) > 1, what="a page is kept and the next one asked for")
    interrupted = len(asked)
    away = False
    async with large.working():
        await until(lambda: _round_ended(large), what="the end of the round")

    first, *_, stood_at = asked[:interrupted]
    assert (first, asked[interrupted]) == (None, stood_at)
    assert None not in asked[interrupted:]
    assert len(await rows(large.matcher.store, "select 1 from variants")) == 300


async def test_an_order_of_an_unknown_connection_is_set_aside_and_matched_once_it_is_known(bare: World) -> None:
    await bare.deliver(ordered())
    assert [row["kind"] for row in await rows(bare.matcher.store, "select kind from due")] == ["message"]

    await bare.add_connection()
    async with bare.working():
        fact = await bare.comes_to(MATCHED)

    assert fact["lines"][0]["targets"] == [{"variant_id": TEE, "shopify_sku": TEE_SKU, "quantity": 1}]


async def test_a_variant_that_appears_frees_just_the_orders_that_wait_for_its_sku(world: World) -> None:
    other = numbered(2)
    await world.deliver(ordered("NEW-1"), ordered("NEW-2", order_id=other))
    async with world.working():
        await world.comes_to(UNMATCHED)
        await world.comes_to(UNMATCHED, order_id=other)
        await world.quiet()
    variant_id = await world.add_variant("NEW-1")

    await world.poll()

    fact = await world.comes_to(MATCHED, seq=2)
    assert fact["lines"][0]["targets"][0]["variant_id"] == variant_id
    assert (fact["imported_seq"], fact["command_id"]) == (1, None)
    assert len(await world.facts(other)) == 1


async def test_an_order_held_by_two_variants_is_freed_when_one_loses_the_sku(world: World) -> None:
    first, second = await world.add_variant("TWIN", "First twin"), await world.add_variant("TWIN-2", "Second twin")
    await world.poll()
    # As it was before the second was renamed.
    await world.execute(
        "update variants set sku = 'TWIN', updated_at = updated_at - interval '1 hour' where variant_id = :id",
        id=second,
    )
    await world.deliver(ordered("TWIN"))
    held = await world.comes_to(UNMATCHED)
    assert (held["reason"]["code"], len(held["lines"][0]["candidates"])) == ("ambiguous_sku", 2)

    await world.poll()

    fact = await world.comes_to(MATCHED, seq=2)
    assert fact["lines"][0]["targets"][0]["variant_id"] == first


async def test_a_sku_that_waits_to_be_looked_up_is_found_by_the_next_round(world: World) -> None:
    await world.deliver(ordered("LATE"))
    await world.add_variant("LATE")
    await world.execute("delete from due where kind = 'look_up'")

    await world.poll()

    assert (await world.comes_to(MATCHED))["seq"] == 1


async def test_a_draft_matches_only_by_setting_and_switching_it_decides_the_held_again(world: World) -> None:
    await world.add_variant("SOON", status="DRAFT")
    await world.deliver(ordered("SOON"))
    async with world.working():
        held = await world.comes_to(UNMATCHED)
        assert [one["shopify_sku"] for one in held["lines"][0]["candidates"]] == ["SOON"]
        await world.add_connection(rev=2, match_drafts=True)
        await world.comes_to(MATCHED, seq=2)


async def test_an_archived_variant_never_matches(world: World) -> None:
    await world.control("PATCH", f"variants/{MUG_SKU}", status="ARCHIVED")
    await world.poll()
    await world.deliver(ordered(MUG_SKU))
    async with world.working():
        await world.comes_to(UNMATCHED)


async def test_another_shop_of_a_connection_is_read_from_the_start_and_the_old_ones_variants_are_gone(
    world: World,
) -> None:
    await world.make_shop(SECOND_SHOP, variants=20, catalogue_seed=7)
    shop = {one["variant_id"] for one in await world.control("GET", "variants", SECOND_SHOP)}

    await world.add_connection(shop=SECOND_SHOP, rev=2)
    await world.deliver(ordered())
    assert await world.facts() == []
    async with world.working():
        await until(world.is_loaded, what="the catalogue is complete")

    assert {row["variant_id"] for row in await rows(world.matcher.store, "select variant_id from variants")} == shop


async def test_an_order_that_cannot_be_decided_holds_up_no_other(bare: World) -> None:
    await bare.add_connection()
    await bare.deliver(ordered("odd\0sku", order_id=numbered(1)), ordered(order_id=numbered(2)))
    async with bare.working():
        await bare.comes_to(MATCHED, order_id=numbered(2))
        parked = await until(lambda: rows(bare.matcher.store, "select * from parked"), what="it is parked")

    assert [(row["order_id"], row["origin"]) for row in parked] == [(numbered(1), "due:look_up")]
    assert await bare.facts(numbered(1)) == []


async def test_a_shop_without_changes_is_not_read_again_and_again(world: World) -> None:
    await world.poll()
    await world.execute("update catalogues set moved_at = moved_at - interval '200 s'")
    await world.poll()
    before = await world.calls("products")

    await world.poll()

    assert await world.calls("products") == before + 1


async def _said(world: World) -> list[str]:
    found = await rows(world.matcher.store, "select payload from outbox where topic = :topic", topic=MATCHED)
    return sorted(json.loads(row["payload"])["order_id"] for row in found)


async def _round_ended(world: World) -> bool:
    return bool(await rows(world.matcher.store, "select 1 from catalogues where complete and after is null"))
