from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.databases import create_database, drop_database, with_database
from deploy.local.servers import PostgresServer
from tests.integration.creator.world import World, migrate, open_world
from tests.support.servers import in_a_loop_of_its_own


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database that is migrated once, to copy from."""
    name = f"template_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(migrate(in_a_loop_of_its_own(create_database(postgres_server.url, name))))
    yield name
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def creator_database(postgres_server: PostgresServer, migrated: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(_copy(postgres_server.url, migrated, name))
    yield with_database(postgres_server.url, name)
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


async def _copy(url: str, template: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'create database "{name}" template "{template}"')
    finally:
        await connection.close()


@pytest.fixture
async def world(creator_database: str) -> AsyncIterator[World]:
    """With one connection, ``main``, whose shop works."""
    async with open_world(creator_database) as opened:
        await opened.add_connection()
        yield opened
