"""From an import to a match or a reason: once per import, whatever is delivered how often and in what order."""

from __future__ import annotations

from orderbridge.step import republish_facts
from orderbridge.topics import MATCHED, PARKED, UNMATCHED
from orderbridge_matcher.adapters.store import published as kept_match
from tests.integration.matcher.world import World, connection_changed, numbered, ordered
from tests.support.shopify_standin import MUG, MUG_SKU, TEE, TEE_SKU
from tests.support.step import published, rows, until


async def test_an_import_is_matched_at_once_and_names_what_it_answers(world: World) -> None:
    await world.deliver(ordered(TEE_SKU, MUG_SKU))

    fact = await world.comes_to(MATCHED)
    assert (fact["imported_seq"], fact["command_id"], fact["mode"]) == (1, None, None)
    assert [line["targets"][0]["variant_id"] for line in fact["lines"]] == [TEE, MUG]
    assert {line["rule"] for line in fact["lines"]} == {"sku"}


async def test_imports_delivered_again_and_older_ones_change_nothing(world: World) -> None:
    await world.deliver(ordered(seq=2))
    await world.deliver(ordered(seq=1), ordered(seq=2))
    await world.deliver(ordered(seq=1))

    assert [fact["imported_seq"] for fact in await world.facts()] == [2]


async def test_two_imports_of_one_order_in_a_batch_count_as_the_newer_one(world: World) -> None:
    await world.deliver(ordered(MUG_SKU, seq=2), ordered(TEE_SKU, seq=1))

    [fact] = await world.facts()
    assert (fact["imported_seq"], fact["lines"][0]["targets"][0]["variant_id"]) == (2, MUG)


async def test_a_new_import_gets_a_new_match_although_nothing_else_changed(world: World) -> None:
    await world.deliver(ordered(seq=1))
    await world.deliver(ordered(seq=2))

    assert [(fact["seq"], fact["imported_seq"]) for fact in await world.facts()] == [(1, 1), (2, 2)]


async def test_a_sku_that_the_shop_does_not_have_is_looked_up_once_and_holds_the_whole_order(world: World) -> None:
    await world.deliver(ordered(TEE_SKU, "GONE"))
    assert await world.facts() == []

    async with world.working():
        fact = await world.comes_to(UNMATCHED)
        await world.quiet()

    assert fact["reason"]["code"] == "sku_not_found"
    assert "GONE" in fact["reason"]["message"]
    assert [line["reason"] and line["reason"]["code"] for line in fact["lines"]] == [None, "sku_not_found"]
    assert await world.calls("productVariants") == 1


async def test_many_orders_with_the_same_missing_skus_ask_the_shop_once(world: World) -> None:
    orders = [numbered(n) for n in range(40)]
    await world.deliver(*(ordered(f"GONE-{n % 4}", order_id=one) for n, one in enumerate(orders)))
    async with world.working():
        await world.quiet()

    assert [len(await world.facts(one)) for one in orders] == [1] * 40
    assert await world.calls("productVariants") == 1


async def test_a_miss_is_remembered_for_five_minutes(world: World) -> None:
    await world.deliver(ordered("GONE", order_id=numbered(1)))
    async with world.working():
        await world.quiet()
    await world.deliver(ordered("GONE", order_id=numbered(2)))
    await world.comes_to(UNMATCHED, order_id=numbered(2))

    await world.execute("update misses set at = at - interval '301 s'")
    await world.deliver(ordered("GONE", order_id=numbered(3)))
    assert await world.facts(numbered(3)) == []
    async with world.working():
        await world.comes_to(UNMATCHED, order_id=numbered(3))
    assert await world.calls("productVariants") == 2


async def test_a_variant_that_the_catalogue_lacks_is_found_live_and_frees_who_waits_for_it(world: World) -> None:
    await world.deliver(ordered("NEW", order_id=numbered(1)))
    async with world.working():
        await world.comes_to(UNMATCHED, order_id=numbered(1))
        await world.quiet()
        variant_id = await world.add_variant("NEW")
        await world.execute("delete from misses")
        await world.deliver(ordered("NEW", order_id=numbered(2)))
        found = await world.comes_to(MATCHED, order_id=numbered(2))
        freed = await world.comes_to(MATCHED, order_id=numbered(1), seq=2)

    for fact in (found, freed):
        assert fact["lines"][0]["targets"][0]["variant_id"] == variant_id


async def test_near_neighbours_of_a_sku_are_no_match(world: World) -> None:
    await world.add_variant("Odd-Thing 1")
    await world.deliver(ordered("ODD-thing 1"))
    async with world.working():
        fact = await world.comes_to(UNMATCHED)
    assert fact["reason"]["code"] == "sku_not_found"


async def test_a_sku_is_compared_without_the_space_around_it(world: World) -> None:
    await world.deliver(ordered(f"  {TEE_SKU} "))

    [line] = (await world.comes_to(MATCHED))["lines"]
    assert (line["amazon_sku"], line["targets"][0]["variant_id"]) == (f"  {TEE_SKU} ", TEE)


async def test_a_waiting_order_is_matched_and_a_skipped_or_canceled_one_is_not(world: World) -> None:
    await world.deliver(
        ordered(order_id=numbered(1), kind="wait", reason="awaiting_payment"),
        ordered(order_id=numbered(2), kind="skip", reason="fulfilled_by_amazon"),
        ordered(order_id=numbered(3), kind="cancel", reason="canceled_by_buyer"),
    )

    assert [len(await world.facts(numbered(n))) for n in (1, 2, 3)] == [1, 0, 0]


async def test_an_order_that_is_canceled_while_it_is_looked_up_is_not_matched(world: World) -> None:
    await world.deliver(ordered("GONE"))
    await world.deliver(ordered("GONE", seq=2, kind="cancel", reason="canceled_by_buyer"))
    async with world.working():
        await world.quiet()

    assert await world.facts() == []
    assert await rows(world.matcher.store, "select * from waits") == []


async def test_an_import_that_comes_while_the_older_one_is_looked_up_is_the_one_answered(world: World) -> None:
    await world.deliver(ordered("GONE"))
    await world.deliver(ordered("GONE", TEE_SKU, seq=2))
    async with world.working():
        await world.quiet()

    assert [(fact["imported_seq"], len(fact["lines"])) for fact in await world.facts()] == [(2, 2)]


async def test_a_shop_that_does_not_answer_holds_up_only_what_is_looked_up(world: World) -> None:
    await world.control("POST", "trouble", operation="productVariants", kind="error502", times=3)
    await world.deliver(ordered("GONE", order_id=numbered(1)), ordered(order_id=numbered(2)))
    assert len(await world.facts(numbered(2))) == 1
    async with world.working():
        await world.comes_to(UNMATCHED, order_id=numbered(1))


async def test_an_import_that_cannot_be_read_is_parked_and_a_newer_one_takes_its_place(world: World) -> None:
    await world.deliver_raw(b'{"order_id": "main:113-1234567-7654321"}', 1)
    await world.deliver(ordered(seq=2))

    assert [event["state"] for event in await published(world.matcher.store, PARKED)] == ["parked", "superseded"]
    assert (await world.comes_to(MATCHED))["imported_seq"] == 2


async def test_a_sku_that_the_database_cannot_hold_parks_its_order_alone(world: World) -> None:
    await world.deliver(ordered("a\0b", order_id=numbered(1)), ordered(order_id=numbered(2)))

    assert [row["order_id"] for row in await rows(world.matcher.store, "select * from parked")] == [numbered(1)]
    await world.comes_to(MATCHED, order_id=numbered(2))


async def test_republishing_gives_the_newest_facts_again_as_the_same_events(world: World) -> None:
    await world.deliver(ordered(seq=1), ordered("GONE", order_id=numbered(1)))
    await world.deliver(ordered(seq=2))
    async with world.working():
        await world.quiet()
    newest = await rows(
        world.matcher.store,
        "select ce_id, payload from outbox where ce_id like '%matched%' and ce_id not like '%7654321/1' order by key",
    )
    await world.execute("delete from outbox")

    assert await republish_facts(world.matcher.store, kept_match) == 2

    again = await rows(world.matcher.store, "select ce_id, payload from outbox order by key")
    assert again == newest


async def test_a_connection_without_the_scope_to_read_products_says_what_is_missing(bare: World) -> None:
    await bare.make_shop("poor.myshopify.com", scopes=["write_orders"])
    await bare.add_connection(shop="poor.myshopify.com")
    async with bare.working():
        said = await until(lambda: published(bare.matcher.store, "connections.status.v1"), what="it is said")

    # The check of the connection and the reading of its catalogue find it at the same time, each in its own words.
    assert {(status["state"], status["service"], *status["missing"]) for status in said} == {
        ("misconfigured", "matcher", "scope read_products")
    }


async def test_settings_that_come_again_or_older_change_nothing(world: World) -> None:
    await world.deliver(connection_changed(rev=1))
    await world.add_connection(rev=3, match_drafts=True)
    await world.deliver(connection_changed(rev=2))

    [row] = await rows(world.matcher.store, "select match_drafts, complete from catalogues")
    assert row == {"match_drafts": True, "complete": True}
