"""What a dashboard sees on `orders.status.v1` with the broker's address alone is what REST answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from deploy.local.demo_world import World, until

from .conftest import Played
from .reading import Record, records_of
from .running import RunningStack

pytestmark = pytest.mark.timeout(180)
TOPIC = "orders.status.v1"
# What is relayed last arrives a moment after REST shows it.
ARRIVES_WITHIN_S = 10.0
CE_HEADERS = {
    "ce_specversion",
    "ce_type",
    "ce_source",
    "ce_subject",
    "ce_id",
    "ce_time",
    "ce_dataschema",
    "content-type",
    "traceparent",
}


def latest(records: Iterable[Record]) -> dict[str, Record]:
    return {record.key.decode(): record for record in records}


async def _check(world: World, read: Any) -> None:
    orders = {order["order_id"]: order for order in await world.orders()}

    async def differing() -> list[str]:
        newest = latest(read())
        main = {key: record for key, record in newest.items() if key.startswith("main:")}
        wrong = [key for key, record in main.items() if json.loads(record.value) != orders.get(key)]
        return wrong + sorted(orders.keys() ^ main.keys())

    await until(differing, lambda wrong: not wrong, ARRIVES_WITHIN_S, f"what REST answers on {TOPIC}", every_s=0.5)
    for key, record in latest(read()).items():
        _check_headers(key, json.loads(record.value), record.headers)


def _check_headers(key: str, value: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    assert headers.keys() >= CE_HEADERS
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == f"orderbridge.{TOPIC}"
    assert headers["ce_source"] == "/orderbridge/api"
    assert headers["ce_subject"] == key == value["order_id"]
    assert headers["ce_id"] == f"{TOPIC}/api/{key}/{value['version']}"


async def test_the_last_record_of_each_order_equals_what_rest_answers(played: Played, running: RunningStack) -> None:
    bootstrap = running.stack.infrastructure.kafka.bootstrap
    await _check(played.world, lambda: records_of(bootstrap, [TOPIC]))


async def test_kcat_prints_every_order_with_its_key_and_headers(played: Played, running: RunningStack) -> None:
    kcat = shutil.which("kcat") or shutil.which("kafkacat")
    if kcat is None:
        pytest.skip("kcat (Debian: kafkacat) is not installed")
    bootstrap = running.stack.infrastructure.kafka.bootstrap

    def read() -> list[Record]:
        command = [kcat, "-b", bootstrap, "-t", TOPIC, "-C", "-e", "-f", "%k|%h|%s\n"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        return [_printed(line) for line in printed.splitlines()]

    await _check(played.world, read)


def _printed(line: str) -> Record:
    key, headers, value = line.split("|", 2)
    pairs = dict(pair.partition("=")[::2] for pair in headers.split(","))
    return Record(TOPIC, key.encode(), value.encode(), pairs)


async def test_no_two_versions_of_an_order_carry_the_same_number(played: Played, running: RunningStack) -> None:
    seen: dict[tuple[str, int], bytes] = {}
    for record in records_of(running.stack.infrastructure.kafka.bootstrap, [TOPIC]):
        version = json.loads(record.value)["version"]
        assert seen.setdefault((record.key.decode(), version), record.value) == record.value
