"""Every command is answered once: by a match that carries it, or by its end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orderbridge.errors import Permanent
from orderbridge.shopify import Shop, Variant
from orderbridge.shopify.catalogue import CatalogueReader
from orderbridge.topics import MATCHED, UNMATCHED
from tests.integration.matcher.world import World, command, numbered, ordered
from tests.support.facts import ORDER
from tests.support.shopify_standin import TEE, TEE_SKU
from tests.support.step import published, rows, until


async def test_a_retry_is_answered_with_a_new_match_although_nothing_changed(world: World) -> None:
    await world.deliver(ordered())
    await world.deliver(command("c1", "force"))
    async with world.working():
        fact = await world.comes_to(MATCHED, seq=2)

    assert (fact["command_id"], fact["mode"], fact["imported_seq"]) == ("c1", "force", 1)
    assert await world.ends() == {}
    assert await rows(world.matcher.store, "select * from commands") == []


async def test_a_sku_that_was_just_added_is_seen_by_a_retry_at_once(world: World) -> None:
    await world.deliver(ordered("NEW"))
    async with world.working():
        await world.comes_to(UNMATCHED)
        variant_id = await world.add_variant("NEW")
        await world.deliver(command("c1"))
        fact = await world.comes_to(MATCHED, seq=2)

    assert fact["command_id"] == "c1"
    assert fact["lines"][0]["targets"][0]["variant_id"] == variant_id


async def test_a_retry_that_finds_nothing_new_says_unmatched_again(world: World) -> None:
    await world.deliver(ordered("GONE"))
    async with world.working():
        await world.comes_to(UNMATCHED)
        await world.deliver(command("c1"))
        fact = await world.comes_to(UNMATCHED, seq=2)

    assert (fact["command_id"], fact["mode"]) == ("c1", "retry")
    assert await world.calls("productVariants") == 2


async def test_a_retry_sees_that_a_known_variant_changed_its_sku(world: World) -> None:
    await world.deliver(ordered())
    await world.control("POST", "settings", search_lag_s=60)
    await world.control("PATCH", f"variants/{TEE_SKU}", sku="RENAMED")
    await world.deliver(command("c1"))
    async with world.working():
        fact = await world.comes_to(UNMATCHED, seq=2)

    assert fact["reason"]["code"] == "sku_changed_after_import"
    assert (fact["reason"]["details"]["old_sku"], fact["reason"]["details"]["new_sku"]) == (TEE_SKU, "RENAMED")


async def test_a_retry_sees_that_a_known_variant_was_deleted(world: World) -> None:
    await world.deliver(ordered())
    await world.control("POST", "settings", search_lag_s=60)
    await world.control("DELETE", f"variants/{TEE_SKU}")
    await world.deliver(command("c1"))
    async with world.working():
        fact = await world.comes_to(UNMATCHED, seq=2)

    assert fact["reason"]["code"] == "variant_missing"
    [kept] = await rows(world.matcher.store, "select sku, status from variants where variant_id = :id", id=TEE)
    assert kept == {"sku": None, "status": "GONE"}


async def test_two_commands_for_one_order_are_both_answered(world: World) -> None:
    await world.deliver(ordered())
    await world.deliver(command("c1"), command("c2", "force"))
    async with world.working():
        await world.comes_to(MATCHED, seq=3)
        await world.quiet()
    await world.deliver(command("c1"), command("c2", "force"))

    facts = await world.facts()
    assert [(fact["seq"], fact["command_id"], fact["mode"]) for fact in facts] == [
        (1, None, None),
        (2, "c1", "retry"),
        (3, "c2", "force"),
    ]
    assert await world.ends() == {}


async def test_a_command_that_comes_while_another_is_looked_up_is_looked_up_for_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []
    search = CatalogueReader.find_by_sku

    async def interrupted(self: CatalogueReader, shop: Shop, skus: Sequence[str]) -> dict[str, list[Variant]]:
        found = await search(self, shop, skus)
        searches.extend(skus)
        if len(searches) == 1:
            await world.deliver(command("c2"))
        return found

    monkeypatch.setattr(CatalogueReader, "find_by_sku", interrupted)
    await world.deliver(ordered())
    await world.deliver(command("c1"))
    async with world.working():
        await world.comes_to(MATCHED, seq=3)
        await world.quiet()

    assert [fact["command_id"] for fact in await world.facts()] == [None, "c1", "c2"]
    assert searches == [TEE_SKU, TEE_SKU]


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        ("skip", "fulfilled_by_amazon", "fulfilled_by_amazon"),
        ("cancel", "canceled_by_buyer", "canceled_by_buyer"),
        ("wait", "awaiting_payment", "awaiting_payment"),
        ("skip", None, "not_applicable"),
    ],
)
async def test_a_command_for_an_order_that_is_not_to_be_created_is_rejected_with_its_reason(
    world: World, kind: str, reason: str | None, code: str
) -> None:
    await world.deliver(ordered(kind=kind, reason=reason))
    before = await world.facts()
    await world.deliver(command("c1"))
    await world.deliver(command("c1"))

    assert await world.ends() == {"c1": ("rejected", code)}
    assert await world.facts() == before


async def test_a_command_for_an_unknown_order_is_rejected(world: World) -> None:
    await world.deliver(command("c1"))
    assert await world.ends() == {"c1": ("rejected", "not_applicable")}


async def test_a_command_whose_order_is_canceled_meanwhile_is_rejected_once(world: World) -> None:
    await world.deliver(ordered())
    await world.deliver(command("c1"))
    await world.deliver(ordered(seq=2, kind="cancel", reason="canceled_by_buyer"))
    assert await world.ends() == {"c1": ("rejected", "canceled_by_buyer")}
    async with world.working():
        await world.quiet()

    assert await world.ends() == {"c1": ("rejected", "canceled_by_buyer")}
    assert len(await world.facts()) == 1


async def test_a_command_answers_the_newest_import(world: World) -> None:
    await world.deliver(ordered("NEW"))
    await world.deliver(command("c1"))
    await world.deliver(ordered(seq=2))
    async with world.working():
        await world.comes_to(MATCHED, seq=2)
        await world.quiet()

    assert [(fact["imported_seq"], fact["command_id"]) for fact in await world.facts()] == [(2, None), (2, "c1")]


async def test_a_command_for_an_order_with_a_parked_message_is_rejected(world: World) -> None:
    await world.deliver(ordered())
    await world.deliver_raw(b"{", 2)
    await world.deliver(command("c1"))

    assert await world.ends() == {"c1": ("rejected", "message_parked")}


async def test_commands_of_a_connection_that_stops_working_end_and_later_ones_are_rejected_at_once(
    world: World,
) -> None:
    await world.deliver(ordered(), ordered(order_id=numbered(1)))
    await world.control("POST", "trouble", operation="productVariants", kind="unauthorized", times=9)
    await world.deliver(command("c1"), command("c2", order_id=numbered(1)))
    async with world.working():
        await until(lambda: _state(world, "unauthorized"), what="the connection is unauthorized")
    await world.deliver(command("c3", "force"))

    code = "connection_unauthorized"
    assert await world.ends() == dict.fromkeys(("c1", "c2", "c3"), ("rejected", code))
    assert len(await world.facts()) == 1

    await world.control("DELETE", "trouble")
    await world.execute("update due set run_at = now()")
    async with world.working():
        await until(lambda: _state(world, "ok"), what="the connection works again")
        await world.quiet()
        await world.deliver(command("c4"))
        assert (await world.comes_to(MATCHED, seq=2))["command_id"] == "c4"


async def test_commands_end_with_the_look_up_that_is_parked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Permanent("the question cannot be asked")

    monkeypatch.setattr("orderbridge.shopify.catalogue.CatalogueReader.find_by_sku", refuse)
    await world.deliver(ordered())
    await world.deliver(command("c1"), command("c2", "force"))
    async with world.working():
        await until(lambda: rows(world.matcher.store, "select * from parked"), what="it is parked")

    assert await world.ends() == {"c1": ("rejected", "message_parked"), "c2": ("rejected", "message_parked")}


async def test_a_parked_look_up_is_replayed_by_a_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Permanent("the question cannot be asked")

    with monkeypatch.context() as patched:
        patched.setattr("orderbridge.shopify.catalogue.CatalogueReader.find_by_sku", refuse)
        await world.deliver(ordered("GONE"))
        async with world.working():
            [parked] = await until(lambda: published(world.matcher.store, "messages.parked.v1"), what="it is parked")
    assert (parked["order_id"], parked["origin"]) == (ORDER, "due:look_up")

    await world.deliver(command("c1", "replay", service="matcher", parked_id=parked["parked_id"]))
    async with world.working():
        await world.comes_to(UNMATCHED)

    assert await world.ends() == {"c1": ("done", "replayed")}


async def _state(world: World, state: str) -> bool:
    found = await rows(world.matcher.store, "select state from connections")
    return [row["state"] for row in found] == [state]
