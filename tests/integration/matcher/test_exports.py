"""The whole catalogue comes as one file: at the start, and once a day for what nobody told of."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from orderbridge.http import Http
from orderbridge_matcher.adapters.catalogue import CatalogueUnit
from orderbridge_matcher.domain.catalogue import Change, Entry
from orderbridge_matcher.steps import exporting
from tests.integration.matcher.world import World, ordered, product_changed
from tests.support.shopify_standin import MUG_SKU, TEE, TEE_SKU
from tests.support.step import rows, until


async def export(world: World) -> None:
    """Let the next full export pass."""
    await world.execute("update exports set finished_at = finished_at - interval '25 h'")
    await world.execute("update due set run_at = now(), version = version + 1 where kind = 'export'")
    before = await world.calls("bulkOperationRunQuery")

    async def done() -> bool:
        if await world.calls("bulkOperationRunQuery") == before:
            return False
        return bool(await rows(world.matcher.store, "select 1 from exports where state = 'done'"))

    async with world.working():
        await until(done, what="the export is done")
        await until(lambda: world._none("product"), what="no product is left to read")


async def catalogue(world: World) -> dict[str, tuple[str | None, str]]:
    found = await rows(world.matcher.store, "select variant_id, sku, status from variants where status <> 'GONE'")
    return {row["variant_id"]: (row["sku"], row["status"]) for row in found}


async def at_the_shop(world: World) -> dict[str, tuple[str | None, str]]:
    return {one["variant_id"]: (one["sku"], one["status"]) for one in await world.control("GET", "variants")}


async def test_a_deletion_that_nobody_told_of_is_found_by_the_daily_export(world: World) -> None:
    await world.control("DELETE", f"variants/{TEE_SKU}")
    await world.poll()
    assert TEE in await catalogue(world)

    await export(world)

    assert await catalogue(world) == await at_the_shop(world)


async def test_a_variant_that_the_file_lacks_but_the_shop_has_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Http.lines

    async def without_the_first(self: Http, url: str) -> AsyncIterator[bytes]:
        seen = 0
        async for line in lines(self, url):
            seen += 1
            if seen > 1:
                yield line

    monkeypatch.setattr(Http, "lines", without_the_first)
    await export(world)

    assert await catalogue(world) == await at_the_shop(world)


async def test_a_load_that_breaks_off_goes_on_behind_what_it_kept(
    large: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    keep = CatalogueUnit.keep_variants

    async def counted(unit: CatalogueUnit, connection_id: str, read: Iterable[Entry], **more: Any) -> Change:
        entries = list(read)
        kept.append(len(entries))
        return await keep(unit, connection_id, entries, **more)

    monkeypatch.setattr(exporting, "KEPT_AT_ONCE", 100)
    monkeypatch.setattr(CatalogueUnit, "keep_variants", counted)
    await large.control("POST", "trouble", kind="bulk_cut", operation="download")
    await large.load()

    assert await catalogue(large) == await at_the_shop(large)
    assert sum(kept) == 300


async def test_an_export_that_shopify_gives_up_is_asked_for_again(bare: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "FAILED_S", 0.1)
    await bare.control("POST", "trouble", kind="bulk_fail", operation="bulkOperationRunQuery")
    await bare.load()

    assert await catalogue(bare) == await at_the_shop(bare)
    assert await bare.calls("bulkOperationRunQuery") == 2


async def test_a_shop_without_products_is_loaded_and_holds_its_orders(bare: World) -> None:
    await bare.make_shop("empty.myshopify.com", variants=0)
    await bare.control("POST", "settings", "empty.myshopify.com", bucket={"maximum": 1_000_000, "restore": 100_000})
    await bare.add_connection(shop="empty.myshopify.com")
    await bare.deliver(ordered())
    async with bare.working():
        await until(bare.is_loaded, what="the catalogue is complete")
        assert (await bare.comes_to("orders.unmatched.v1"))["reason"]["code"] == "sku_not_found"


@pytest.mark.parametrize("seed", range(6))
async def test_changes_in_any_order_doubled_or_missed_end_in_the_same_catalogue(world: World, seed: int) -> None:
    """Words of changes come mixed, twice, or not at all: polling, and once a day the export, mend what is missing."""
    chance = random.Random(seed)
    made = await world.control("POST", "products", title="Fresh", variants=[{"sku": "FRESH"}])
    variants = await world.control("GET", "variants")
    ids = {one["sku"]: one["product_id"] for one in variants}
    changes = [
        ("PATCH", f"variants/{MUG_SKU}", {"sku": "MUG-2"}, ids[MUG_SKU]),
        ("PATCH", "variants/MUG-2", {"sku": "MUG-3"}, ids[MUG_SKU]),
        ("PATCH", "variants/FRESH", {"status": "ARCHIVED"}, made["product_id"]),
        ("DELETE", f"variants/{TEE_SKU}", {}, ids[TEE_SKU]),
        ("PATCH", "variants/FRESH", {"status": "ACTIVE"}, made["product_id"]),
    ]
    for method, path, body, _ in changes:
        await world.control(method, path, **body)
    heard = [product for *_, product in changes if chance.random() < 0.6]
    words = list(itertools.chain.from_iterable([product] * chance.choice((1, 2)) for product in heard))
    chance.shuffle(words)
    await world.deliver(*(product_changed(product, chance.choice(("changed", "gone"))) for product in words))
    await world.poll()
    await export(world)

    assert await catalogue(world) == await at_the_shop(world)
