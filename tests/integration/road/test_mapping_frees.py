"""One mapping among ten thousand orders: it frees those that wait for it, and nobody else notices."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from orderbridge.events import OrderImported
from orderbridge.kafka import Received
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge.topics import CREATED, FAILED, IMPORTED, MATCHED, PROGRESS, STATUS, UNMATCHED
from tests.support.facts import at, imported
from tests.support.road import Road
from tests.support.road_bus import as_they_come
from tests.support.step import received, rows

ORDERS, WAITING = 10_000, 37
WANTED = "AMZ-RENAMED"
OTHERS = tuple(f"AMZ-ELSEWHERE-{n}" for n in range(8))
NOT_ON_SALE = (WANTED, *OTHERS)
BATCH = 2000
RESIDENT = PersonalData(
    buyer_name="Ada Invented",
    address=DeliveryAddress(
        name="Ada Invented", line1="1 Example Street", city="Springfield", state="IL", postal_code="62701", country="US"
    ),
)
"""Of every order that is to be created."""


def orders_of(skus: Sequence[str]) -> list[OrderImported]:
    """Most wait for their payment; the first of ``skus`` is out of stock, and ``OTHERS`` are not on sale.

    One of each of those is among the first: what Shopify does not have, it is asked for once.
    """
    chance = random.Random(37)
    wanted = [WANTED] * WAITING + [chance.choice(OTHERS) for _ in range(300)] + [skus[0]] * 20 + [skus[1]] * 20
    waits = [chance.choice(OTHERS) for _ in range(100)]
    waits += [chance.choice(skus[2:]) for _ in range(ORDERS - len(wanted) - len(waits))]
    orders = [_order(n, sku, "import") for n, sku in enumerate(wanted)]
    orders += [_order(n, sku, "wait") for n, sku in enumerate(waits, start=len(orders))]
    first = {order.lines[0].amazon_sku: order for order in reversed(orders)}
    return sorted(orders, key=lambda order: all(order is not first[sku] for sku in NOT_ON_SALE))


def _order(n: int, sku: str, kind: str) -> OrderImported:
    order = imported(kind=kind, reason="awaiting_payment" if kind == "wait" else None)
    line = order.lines[0].model_copy(update={"amazon_sku": sku, "title": "As it is called on Amazon alone"})
    ship_by = at(2880) + timedelta(minutes=n * 7919 % ORDERS)
    return order.model_copy(update={"order_id": f"main:113-0000000-{n:07d}", "lines": (line,), "ship_by": ship_by})


async def take(road: Road, orders: Sequence[OrderImported]) -> None:
    """As from the ingestor, in batches as large as Kafka's."""
    for start in range(0, len(orders), BATCH):
        records = [received(IMPORTED, order, order.order_id) for order in orders[start : start + BATCH]]
        for reader in ("matcher", "creator", "api"):
            async with road.bus.turning:
                await road.bus.deliver(reader, records, as_they_come)
    await road.settled()


async def give_addresses(road: Road, orders: Sequence[OrderImported]) -> None:
    async with road.stores["ingestor"].transaction() as unit:
        for order in orders:
            if order.disposition.kind == "import":
                await unit.vault.put(unit.connection, "orders", order.order_id, RESIDENT.to_bytes())


async def versions(road: Road) -> set[tuple[str, str, str]]:
    """Of the rows of all orders: it changes whenever one is written."""
    return {
        (service, row["order_id"], row["version"])
        for service in ("matcher", "creator", "api")
        for row in await rows(road.stores[service], "select order_id, cast(xmin as text) as version from orders")
    }


def keys(records: Sequence[Received], *topics: str) -> list[str | None]:
    return [one.key for one in records if one.topic in topics]


async def test_a_mapping_frees_the_orders_that_wait_for_it_and_nobody_else_sees_an_attempt(road: Road) -> None:
    skus = await road.skus()
    await road.stock(skus[0], 0)
    orders = orders_of(skus)
    waiting = {order.order_id: order for order in orders if order.lines[0].amazon_sku == WANTED}
    assert (len(orders), len(waiting)) == (ORDERS, WAITING)
    await give_addresses(road, orders)
    async with road.running():
        await road.connect()
        await road.settled()
        await take(road, orders[: len(NOT_ON_SALE)])
        await take(road, orders[len(NOT_ON_SALE) :])
        counts = (await road.get("/v1/orders/counts"))["by_status"]
        assert counts == {**dict.fromkeys(counts, 0), "pending": 9623, "unmatched": 337, "failed": 20, "created": 20}
        before, written = await road.resources(), await versions(road)
        said, sent = len(road.bus.log), len((await road.ledger())["order_creates"])

        answer = await road.client.put(
            f"/v1/sku-mappings/main/{WANTED}", json={"targets": [{"shopify_sku": skus[2], "units": 1}]}
        )
        assert (answer.status_code, answer.json()["waiting_orders"]) == (201, WAITING)
        await road.settled()

        new, after = road.bus.log[said:], await road.resources()
        nearest_first = sorted(waiting, key=lambda one: str(waiting[one].ship_by))
        assert keys(new, MATCHED) == nearest_first
        assert keys(new, IMPORTED, UNMATCHED, FAILED) == []
        assert sorted(map(str, keys(new, CREATED))) == sorted(waiting)
        assert set(keys(new, PROGRESS)) == set(keys(new, STATUS)) == set(waiting)
        assert {one for one, text in after.items() if before[one] != text} == set(waiting)
        touched = {(service, order_id) for service, order_id, _ in await versions(road) - written}
        assert touched == {(service, one) for service in ("matcher", "creator", "api") for one in waiting}
        creates = (await road.ledger())["order_creates"][sent:]
        assert sorted(f"main:{one['amazon_order_id']}" for one in creates) == sorted(waiting)
        assert {one["outcome"] for one in creates} == {"accepted"}
