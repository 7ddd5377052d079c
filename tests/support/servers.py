"""The servers that tests run on: found or started when the first test asks, stopped when the session ends."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.databases import create_database, drop_database
from deploy.local.kafka import open_kafka
from deploy.local.postgres import open_postgres
from deploy.local.run import Run, open_run
from deploy.local.servers import KafkaServer, PostgresServer

T = TypeVar("T")
RAN_ON: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RAN_ON] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes tells the one that prints the summary what it ran on."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["ran_on"] = session.config.stash[RAN_ON]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[RAN_ON].extend(getattr(node, "workeroutput", {}).get("ran_on", ()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests over the whole stack share one, so one process runs them all."""
    for item in items:
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("e2e"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    servers = config.stash[RAN_ON]
    if servers:
        terminalreporter.write_line(f"ran on {', '.join(servers)}")


@pytest.fixture(scope="session")
def server_run() -> Iterator[Run]:
    """The folder of the session's servers, gone with them."""
    with open_run() as run:
        yield run


@pytest.fixture(scope="session")
def postgres_server(server_run: Run, pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A real PostgreSQL; `restart` blocks, so an async test calls it by `asyncio.to_thread`."""
    with open_postgres(server_run) as server:
        pytestconfig.stash[RAN_ON].append(server.described)
        yield server


@pytest.fixture(scope="session")
def kafka_server(server_run: Run, pytestconfig: pytest.Config) -> Iterator[KafkaServer]:
    """A real Kafka; `restart` blocks, so an async test calls it by `asyncio.to_thread`."""
    with open_kafka(server_run) as server:
        pytestconfig.stash[RAN_ON].append(server.described)
        yield server


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """`postgresql://…` of an empty database of this test's own, as a superuser; dropped afterwards.

    Roles belong to the whole server: a role that a test makes outlives its database.
    """
    name = f"test_{secrets.token_hex(6)}"
    yield in_a_loop_of_its_own(create_database(postgres_server.url, name))
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def topic_prefix(kafka_server: KafkaServer) -> Iterator[str]:
    """A prefix for topics and groups of this test's own; the topics are deleted afterwards."""
    prefix = f"t{secrets.token_hex(4)}."
    yield prefix
    in_a_loop_of_its_own(_delete_topics(kafka_server.bootstrap, prefix))


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        topics = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in another thread, so that the test's own event loop is not disturbed."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
