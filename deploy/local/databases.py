"""Databases on a server, one for each stack or test."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import asyncpg


def with_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def create_database(url: str, name: str) -> str:
    """Create an empty database as the role of ``url``; its own url comes back."""
    await _execute(url, f'CREATE DATABASE "{name}"')
    return with_database(url, name)


async def drop_database(url: str, name: str) -> None:
    """Drop it, whoever is still connected."""
    await _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
