from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.databases import create_database, drop_database, with_database
from deploy.local.servers import PostgresServer
from tests.support.road import Road, migrate, open_road
from tests.support.servers import in_a_loop_of_its_own


@pytest.fixture(scope="package")
def template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database with every schema, to copy from: migrations take longer than most of these tests."""
    name = f"road_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(migrate(in_a_loop_of_its_own(create_database(postgres_server.url, name))))
    yield name
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
def road_database(postgres_server: PostgresServer, template: str) -> Iterator[str]:
    yield from copied(postgres_server.url, template)


@pytest.fixture
def fresh_database(postgres_server: PostgresServer, template: str) -> Iterator[str]:
    """Another one: what is built anew is built there."""
    yield from copied(postgres_server.url, template)


def copied(server: str, template: str) -> Iterator[str]:
    name = f"road_{secrets.token_hex(6)}"
    in_a_loop_of_its_own(_copy(server, template, name))
    yield with_database(server, name)
    in_a_loop_of_its_own(drop_database(server, name))


async def _copy(server: str, template: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'create database "{name}" template "{template}"')
    finally:
        await connection.close()


@pytest.fixture
async def road(road_database: str) -> AsyncIterator[Road]:
    async with open_road(road_database) as opened:
        yield opened
