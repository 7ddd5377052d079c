"""A matcher that loads a large catalogue and then matches lines from it, in a process of its own.

``python -m tests.bench.load DATABASE_URL SHOP_URL VARIANTS OUTPUT``; the database has the matcher's schema. ``OUTPUT``
gets JSON: the seconds that the load took, the most memory that the process ever held in MiB, and the median of the
milliseconds in which one line is matched, by SKU and by title. A match is timed from the order to the decision, with
all that is read for it from the database in between, one line at a time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import statistics
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text

from orderbridge.connections import AmazonAccount, ConnectionSettings, ShopifyAccount
from orderbridge.events import ConnectionChanged
from orderbridge.http import open_http
from orderbridge.kafka import Received
from orderbridge.postgres import open_engine, open_session_locks
from orderbridge.settings import load_settings
from orderbridge.topics import CONNECTIONS
from orderbridge.vault import MasterKeys, Vault
from orderbridge_matcher.app import Matcher, wire
from orderbridge_matcher.domain.matching import Matched, match_order
from orderbridge_matcher.domain.order import Line, Order
from orderbridge_matcher.settings import Settings
from orderbridge_matcher.steps.shelving import shelves_for

from .big_shop import amazon_title, sku

CONNECTION: Final = "million"
MASTER_KEY: Final = "bench:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MATCHES: Final = 400
_NOW: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_WITHIN_S: Final = 900.0


async def measured(database_url: str, shop_url: str, variants: int) -> dict[str, float]:
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
        "ORDERBRIDGE_SHOPIFY_URL": f"{shop_url}/{{shop}}",
    }
    vault = Vault(MasterKeys.parse(MASTER_KEY))
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(database_url, schema="matcher"))
        locks = await stack.enter_async_context(open_session_locks(engine))
        http = await stack.enter_async_context(open_http())
        matcher = wire(engine, vault, locks, http, load_settings(Settings, environment))
        async with engine.begin() as connection:
            secret = json.dumps({"client_id": "bench", "client_secret": "bench"}).encode()
            await vault.put(connection, "connections", f"{CONNECTION}/shopify", secret)
        started = time.monotonic()
        await _load(matcher)
        seconds = time.monotonic() - started
        async with engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("analyze variants"))
        by_sku = [await _match(matcher, Line("1", 1, sku(n), None), "sku") for n in _chosen(variants, 1)]
        by_title = [await _match(matcher, Line("1", 1, None, amazon_title(n)), "title") for n in _chosen(variants, 2)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "seconds": round(seconds, 1),
            "peak_mib": round(peak, 1),
            "sku_ms": round(statistics.median(by_sku), 3),
            "title_ms": round(statistics.median(by_title), 3),
        }


async def _load(matcher: Matcher) -> None:
    changed = ConnectionChanged(
        connection_id=CONNECTION,
        rev=1,
        secrets_rev=1,
        amazon=AmazonAccount(region="na", seller_id="A1BENCHMARK", marketplace_ids=("ATVPDKIKX0DER",)),
        shopify=ShopifyAccount(shop="million.myshopify.com"),
        settings=ConnectionSettings(),
        added_at=_NOW,
        at=_NOW,
    )
    value = changed.model_dump_json().encode()
    await matcher.runtime.process([Received(CONNECTIONS, 0, 0, CONNECTION, value, {"ce_id": "bench/1"})])
    stop = asyncio.Event()
    working = asyncio.create_task(matcher.workers.run(stop))
    deadline = time.monotonic() + _WITHIN_S
    while not await _is_loaded(matcher):
        if working.done() or time.monotonic() > deadline:
            raise SystemExit("the catalogue was not loaded")
        await asyncio.sleep(0.2)
    stop.set()
    await working


async def _is_loaded(matcher: Matcher) -> bool:
    async with matcher.store.engine.connect() as connection:
        loaded = text("select complete from catalogues where connection_id = :id")
        return bool(await connection.scalar(loaded, {"id": CONNECTION}))


def _chosen(variants: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(variants), min(MATCHES, variants))


async def _match(matcher: Matcher, line: Line, rule: str) -> float:
    order = Order(f"{CONNECTION}:113-0000000-0000000", CONNECTION, 1, "import", None, _NOW, _NOW, lines=(line,), seq=0)
    async with matcher.store.transaction() as unit:
        catalogues = await unit.share_catalogues([CONNECTION])
        started = time.perf_counter()
        shelves = await shelves_for([order], catalogues, unit)
        decision = match_order(order, shelves[CONNECTION])
        took = time.perf_counter() - started
    if not isinstance(decision, Matched) or decision.lines[0].rule != rule:
        raise SystemExit(f"{line} was not matched by {rule}: {decision}")
    return took * 1000


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = asyncio.run(measured(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    Path(sys.argv[4]).write_text(json.dumps(found), encoding="utf-8")
