"""What is read of a shop's products goes into the catalogue by this one way, whatever had it read."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from orderbridge.events import ShopChanged
from orderbridge.topics import SHOP_CHANGES

from ..domain.catalogue import Change, Entry
from ..ports import PRODUCT, Unit
from .deciding import product_work, recall


async def take_entries(
    connection_id: str, entries: Collection[Entry], unit: Unit, *, gone: Collection[str] = (), certain: bool = False
) -> Change:
    """Keep what was read, have exactly the orders decided again that it concerns, and tell others what changed.

    The caller holds the catalogue locked.
    """
    change = await unit.keep_variants(connection_id, entries, gone, certain=certain)
    for product_id in sorted(change.doubtful):
        unit.schedule(product_work(PRODUCT, connection_id, product_id))
    await recall(connection_id, change.concerns, unit)
    _tell(connection_id, change, unit)
    return change


def _tell(connection_id: str, change: Change, unit: Unit) -> None:
    """Say on ``shop.changes.v1`` which variants are otherwise now: orders may wait for their stock."""
    now = {entry.variant_id: entry for entry in change.write}
    for variant_id in sorted(change.altered):
        event = ShopChanged(
            connection_id=connection_id,
            source="matcher",
            kind="variant",
            subject=variant_id,
            change="gone" if now[variant_id].status == "GONE" else "changed",
            changed_at=now[variant_id].updated_at,
            at=unit.now,
        )
        unit.publish(SHOP_CHANGES, f"{connection_id}:{variant_id}", uuid.uuid4().hex, event)


async def take_product(connection_id: str, product_id: str, entries: Sequence[Entry], unit: Unit) -> None:
    """What a product has now, read by its id: the variants that are not in it any more are gone."""
    await unit.lock_catalogue(connection_id)
    known = await unit.variants_of_product(connection_id, product_id)
    gone = known - {entry.variant_id for entry in entries}
    await take_entries(connection_id, entries, unit, gone=gone, certain=True)
