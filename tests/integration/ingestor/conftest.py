from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.databases import create_database, drop_database, with_database
from deploy.local.servers import PostgresServer
from tests.integration.ingestor.world import World, migrate, open_world
from tests.support.servers import in_a_loop_of_its_own


@pytest.fixture(scope="session")
def migrated_ingestor(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database that is migrated once, to copy from."""
    name = f"template_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(migrate(in_a_loop_of_its_own(create_database(postgres_server.url, name))))
    yield name
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def ingestor_database(postgres_server: PostgresServer, migrated_ingestor: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(_copy(postgres_server.url, migrated_ingestor, name))
    yield with_database(postgres_server.url, name)
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


async def _copy(url: str, template: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'create database "{name}" template "{template}"')
    finally:
        await connection.close()


@pytest.fixture
async def world(ingestor_database: str) -> AsyncIterator[World]:
    async with open_world(ingestor_database) as opened:
        yield opened
