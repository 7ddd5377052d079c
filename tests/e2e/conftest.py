"""One stack for the tests in here, and the demo's story played on it once, on a small scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.accounting import Account
from deploy.local.demo_progress import Progress
from deploy.local.demo_story import Scale, Story
from deploy.local.demo_world import World
from deploy.local.infrastructure import Infrastructure
from deploy.local.servers import KafkaServer, PostgresServer

from .running import RunningStack, running_stack

SCALE = Scale(
    first={"unshipped": 26, "fulfilled_by_amazon": 3, "pending": 2, "unknown_sku": 2, "shipped": 1, "canceled": 1},
    out_of_stock=(2, 1),
    relisted=(1, 2),
    later={"unshipped": 12, "pending": 1, "unknown_sku": 1},
    killed_after=3,
)


@dataclass(frozen=True)
class Played:
    """The world after the story, and the books of that moment."""

    world: World
    story: Story
    account: Account


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one of the processes that share the tests: a stack is four services and two stand-ins."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="package")
def running(postgres_server: PostgresServer, kafka_server: KafkaServer) -> Iterator[RunningStack]:
    with running_stack(Infrastructure(postgres_server, kafka_server)) as stack:
        yield stack


@pytest.fixture(scope="package")
def played(running: RunningStack) -> Played:
    world = World(running.stack)

    async def play() -> Played:
        story = Story(running.stack, world, SCALE, Progress())
        await story.play()
        return Played(world, story, await story.settle())

    return running.run(play())
