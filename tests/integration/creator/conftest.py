from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.databases import create_database, drop_database
from deploy.local.servers import PostgresServer
from tests.integration.creator.world import World, migrate, open_world
from tests.support.servers import in_a_loop_of_its_own


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database of the creator's tests, migrated once."""
    name = f"test_creator_{secrets.token_hex(6)}"
    url = in_a_loop_of_its_own(create_database(postgres_server.url, name))
    in_a_loop_of_its_own(migrate(url))
    yield url
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def creator_database(migrated: str) -> str:
    """The migrated database, with nothing in it."""
    in_a_loop_of_its_own(_empty(migrated))
    return migrated


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        # A session that a killed worker left behind must not hold the next test up.
        await connection.execute("""
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
        """)
        tables = await connection.fetchval("""
            select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables
            where schemaname in ('creator', 'vault', 'budget') and tablename <> 'alembic_version'
        """)
        await connection.execute(f"truncate {tables} restart identity")
    finally:
        await connection.close()


@pytest.fixture
async def world(creator_database: str) -> AsyncIterator[World]:
    """With one connection, ``main``, whose shop works."""
    async with open_world(creator_database) as opened:
        await opened.ready()
        yield opened
