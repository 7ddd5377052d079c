from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.databases import create_database, drop_database
from deploy.local.servers import PostgresServer
from tests.integration.matcher.world import World, migrate, open_world
from tests.support.servers import in_a_loop_of_its_own


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database of the matcher's tests, migrated once."""
    name = f"test_matcher_{secrets.token_hex(6)}"
    url = in_a_loop_of_its_own(create_database(postgres_server.url, name))
    in_a_loop_of_its_own(migrate(url))
    yield url
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def matcher_database(migrated: str) -> str:
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
            where schemaname in ('matcher', 'vault', 'budget') and tablename <> 'alembic_version'
        """)
        await connection.execute(f"truncate {tables} restart identity")
    finally:
        await connection.close()


@pytest.fixture
async def bare(matcher_database: str) -> AsyncIterator[World]:
    """Without a connection yet."""
    async with open_world(matcher_database) as opened:
        yield opened


@pytest.fixture
async def large(matcher_database: str) -> AsyncIterator[World]:
    """Without a connection yet, beside a shop of 300 variants, which are several pages."""
    async with open_world(matcher_database, variants=300) as opened:
        yield opened


@pytest.fixture(scope="session")
def loaded(migrated: str) -> str:
    """The address of the database, with what a loaded catalogue leaves in it kept aside."""
    in_a_loop_of_its_own(_empty(migrated))
    in_a_loop_of_its_own(_load(migrated))
    return migrated


LOADED = ("vault.connections", "matcher.connections", "matcher.catalogues", "matcher.variants", "matcher.due")


async def _load(url: str) -> None:
    async with open_world(url) as world:
        await world.load()
        for n, table in enumerate(LOADED):
            await world.execute(f"create table public.loaded_{n} as table {table}")


@pytest.fixture
async def world(loaded: str, matcher_database: str) -> AsyncIterator[World]:
    """With one connection, ``main``, whose catalogue is read and whose next round is a minute away."""
    async with open_world(matcher_database) as opened:
        for n, table in enumerate(LOADED):
            await opened.execute(f"insert into {table} overriding system value table public.loaded_{n}")
        await opened.execute("update due set run_at = now() + interval '60 s', id = default")
        yield opened
