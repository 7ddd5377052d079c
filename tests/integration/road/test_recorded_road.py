"""One day on the road, recorded: what a second delivery, another order of reading, and a rebuild make of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

import orderbridge_api.app as api_app
import orderbridge_creator.app as creator_app
import orderbridge_ingestor.app as ingestor_app
import orderbridge_matcher.app as matcher_app
from deploy.local.servers import PostgresServer
from orderbridge.kafka import Received
from orderbridge.postgres import open_engine
from orderbridge.step import Store
from orderbridge.topics import CREATED, FAILED, IMPORTED, MATCHED, PARKED, PROGRESS, STATUS, UNMATCHED
from orderbridge.vault import MasterKeys, Vault
from orderbridge_api.adapters.store import ApiUnit, open_store
from tests.support.road import SERVICES, FreshApi, open_fresh_api, open_road, settings_of
from tests.support.road_bus import Bus, Interleaved, as_they_come, everything_twice, shuffled
from tests.support.servers import in_a_loop_of_its_own
from tests.support.step import MASTER_KEY

from .conftest import copied
from .story import Story, assert_accounted_for, open_story, operate

pytestmark = pytest.mark.xdist_group("recorded_road")
BACKWARDS = (PARKED, CREATED, FAILED, PROGRESS, UNMATCHED, MATCHED, IMPORTED)


@dataclass(frozen=True)
class Recording:
    """A day, and all that it was when everything had been delivered twice once more; by order its resource's bytes."""

    database_url: str
    story: Story
    log: Sequence[Received]
    resources: dict[str, str]
    resources_again: dict[str, str]
    ledger: dict[str, Any]
    ledger_again: dict[str, Any]
    said_again: Sequence[Received]


@pytest.fixture(scope="module")
def recorded(postgres_server: PostgresServer, template: str) -> Iterator[Recording]:
    for url in copied(postgres_server.url, template):
        yield in_a_loop_of_its_own(_record(url))


async def _record(database_url: str) -> Recording:
    async with open_road(database_url) as road, road.running():
        story = await open_story(road)
        await road.poll()
        await road.settled()
        await assert_accounted_for(road, story)
        await operate(road, story)
        await assert_accounted_for(road, story)
        log, resources, ledger = list(road.bus.log), await road.resources(), await road.ledger()

        await road.bus.redeliver(everything_twice)
        await road.settled()
        await assert_accounted_for(road, story)
        return Recording(
            database_url,
            story,
            log,
            resources,
            await road.resources(),
            ledger,
            await road.ledger(),
            road.bus.log[len(log) :],
        )


@pytest.fixture
async def fresh(fresh_database: str) -> AsyncIterator[FreshApi]:
    async with open_fresh_api(fresh_database) as api:
        yield api


def test_every_message_delivered_twice_again_changes_nothing(recorded: Recording) -> None:
    assert recorded.resources_again == recorded.resources
    assert recorded.ledger_again["orders"] == recorded.ledger["orders"]
    assert recorded.ledger_again["order_creates"] == recorded.ledger["order_creates"]
    assert list(recorded.said_again) == []


async def test_an_api_that_reads_created_before_matched_before_imported_shows_the_same(
    recorded: Recording, fresh: FreshApi
) -> None:
    log = sorted((one for one in recorded.log if one.topic in BACKWARDS), key=lambda one: BACKWARDS.index(one.topic))
    assert {IMPORTED, MATCHED, CREATED, PARKED} <= {one.topic for one in log}
    assert await fresh.read(log, as_they_come) == recorded.resources


async def test_an_api_shows_the_same_for_any_order_and_repetition_of_the_messages(
    recorded: Recording, fresh: FreshApi
) -> None:
    for seed in range(10):
        for plan in (Interleaved(seed), shuffled(seed)):
            await fresh.empty()
            assert await fresh.read(recorded.log, plan) == recorded.resources, f"seed {seed}"


async def test_what_each_service_republishes_rebuilds_every_order(recorded: Recording, fresh: FreshApi) -> None:
    settings = settings_of(recorded.database_url, webhooks_on=False)
    orders = len(recorded.resources)
    # One for each order: its newest fact, or the word that it is parked.
    assert await ingestor_app.republish(settings["ingestor"]) == orders
    assert await matcher_app.republish(settings["matcher"]) > 0
    assert await creator_app.republish(settings["creator"]) > 0

    rebuilt = await fresh.read(await _published(recorded.database_url), as_they_come)

    nul = f"main:{recorded.story.nul}"
    assert rebuilt.keys() == recorded.resources.keys()
    assert {one: text for one, text in rebuilt.items() if one != nul} == {
        one: text for one, text in recorded.resources.items() if one != nul
    }
    # That its message was once parked, and is no more, is the api's own history: it counts in the version.
    assert _but_version(rebuilt[nul]) == _but_version(recorded.resources[nul])


async def test_the_api_republishes_each_order_as_it_shows_it(recorded: Recording) -> None:
    async with open_engine(recorded.database_url, schema="api") as engine:
        store = open_store(engine, Vault(MasterKeys.parse(MASTER_KEY)), api_app.CLOCK)
        await api_app.republish_all(store)
    said = [one for one in await _published(recorded.database_url) if one.topic == STATUS]
    assert {one.key: (one.value or b"").decode() for one in said} == recorded.resources
    before = {one.key: one.headers["ce_id"] for one in recorded.log if one.topic == STATUS}
    assert {one.key: one.headers["ce_id"] for one in said} == before


async def _published(database_url: str) -> list[Received]:
    """What waits in the outboxes, taken out of them."""
    keys = Vault(MasterKeys.parse(MASTER_KEY))
    async with AsyncExitStack() as stack:
        stores: dict[str, Store[Any]] = {}
        for name in SERVICES:
            engine = await stack.enter_async_context(open_engine(database_url, schema=name))
            stores[name] = Store(engine, name, keys, api_app.CLOCK, ApiUnit)
        bus = Bus(stores, {})
        await bus.turn()
        return bus.log


def _but_version(resource: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(resource)
    return {name: value for name, value in shown.items() if name not in ("version", "updated_at")}
