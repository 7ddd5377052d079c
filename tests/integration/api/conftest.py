from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.databases import create_database, drop_database
from deploy.local.servers import PostgresServer
from tests.support.servers import in_a_loop_of_its_own

from .support import Api, emptied, migrated, open_api


@pytest.fixture(scope="package")
def api_database(postgres_server: PostgresServer) -> Iterator[str]:
    """One database with the api's schema for all of these tests: migrations take longer than most of them."""
    name = f"api_{secrets.token_hex(6)}"
    url = in_a_loop_of_its_own(create_database(postgres_server.url, name))
    in_a_loop_of_its_own(migrated(url))
    yield url
    in_a_loop_of_its_own(drop_database(postgres_server.url, name))


@pytest.fixture
async def api(api_database: str) -> AsyncIterator[Api]:
    """The api over empty tables."""
    await emptied(api_database)
    async with open_api(api_database) as opened:
        yield opened
