"""PostgreSQL: the engine, migrations per schema, locks bound to a session, and which errors may be tried again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import alembic.command
import alembic.config
import alembic.script
import asyncpg
from alembic import context
from asyncpg.exceptions import PostgresError
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .errors import ConfigurationError, SessionLost

# Classes of SQLSTATE after which the same work may succeed: connection trouble, rollback for concurrency,
# resources, operator intervention, system error; and a lock that was not available.
_TRANSIENT = ("08", "40", "53", "57", "58", "55P03")
# A value that the database refuses, or a rule of the schema that it breaks.
_REFUSED = ("22", "23")

_START_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Migrations:
    """An Alembic folder inside a package, and the schema that it builds."""

    schema: str
    package: str


def sqlstate(error: BaseException) -> str:
    """The five characters of PostgreSQL's error, empty when it is none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return getattr(original, "sqlstate", None) or ""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the database is away, or asks to try again."""
    if isinstance(error, DBAPIError):
        return (
            error.connection_invalidated
            or sqlstate(error).startswith(_TRANSIENT)
            or (isinstance(error, InterfaceError | OperationalError) and not sqlstate(error))
        )
    return isinstance(error, OSError | PoolTimeout) or sqlstate(error).startswith(_TRANSIENT)


def is_refused(error: BaseException) -> bool:
    """Whether the database refused a value, or a rule of the schema was broken: it would do so again."""
    return isinstance(error, DBAPIError) and sqlstate(error).startswith(_REFUSED)


def database_url(address: str, variable: str = "DATABASE_URL") -> URL:
    """The address for SQLAlchemy; raises ``ConfigurationError`` without showing the password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{variable} is no address: write postgresql://user:password@host:port/name") from None
    if url.drivername.partition("+")[0] not in ("postgresql", "postgres") or not url.database:
        raise ConfigurationError(
            f"{variable} names {url.drivername} and database {url.database!r}: "
            "write postgresql://user:password@host:port/name"
        )
    return url.set(drivername="postgresql+asyncpg")


@asynccontextmanager
async def open_engine(
    address: str, *, schema: str, pool_size: int = 10, application: str = "orderbridge"
) -> AsyncIterator[AsyncEngine]:
    """An engine whose sessions see ``schema`` first; nothing connects before its first use."""
    engine = create_async_engine(
        database_url(address),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        # Values must not appear in errors: some of them are personal data.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": 60,
            "server_settings": {"search_path": schema, "application_name": application},
        },
    )
    try:
        yield engine
    finally:
        await engine.dispose()


async def reach(engine: AsyncEngine, variable: str = "DATABASE_URL") -> None:
    """Wait up to 10 s for the database; raises ``ConfigurationError`` naming the address and the remedy."""
    url = engine.url
    where = f"PostgreSQL at {url.host}:{url.port or 5432}, database {url.database}, as {url.username}"
    deadline = asyncio.get_running_loop().time() + _START_DEADLINE_S
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("select 1"))
            return
        # asyncpg raises errors of its own while connecting, before SQLAlchemy can wrap them.
        except (DBAPIError, PostgresError, OSError) as error:
            if not is_transient(error):
                raise ConfigurationError(
                    f"{variable}: {where} refuses us ({_said(error)}): correct user, password or database"
                ) from None
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(
                    f"{variable}: cannot reach {where} ({_said(error)}): start it, or correct the address"
                ) from None
        await asyncio.sleep(0.2)


def _said(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(original).splitlines()[0] if str(original) else type(original).__name__


# --- migrations


def _config(migrations: Migrations) -> alembic.config.Config:
    config = alembic.config.Config()
    package, _, folder = migrations.package.rpartition(".")
    config.set_main_option("script_location", f"{package}:{folder}")
    config.set_main_option("path_separator", "os")
    return config


def run_migrations() -> None:
    """What each ``env.py`` calls: run the scripts on the connection and in the schema that ``upgrade`` gives."""
    connection: Connection = context.config.attributes["connection"]
    schema: str = context.config.attributes["schema"]
    context.configure(connection=connection, version_table_schema=schema, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _upgrade(connection: Connection, migrations: Migrations) -> None:
    config = _config(migrations)
    config.attributes["connection"] = connection
    config.attributes["schema"] = migrations.schema
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('orderbridge:migrate', 0))"))
    connection.execute(text(f'set local search_path to "{migrations.schema}"'))
    alembic.command.upgrade(config, "head")


async def upgrade(engine: AsyncEngine, migrations: Migrations, *, owner: str | None = None) -> None:
    """Bring a schema to its newest revision, making it if absent; several may do so at once."""
    authorization = f' authorization "{owner}"' if owner else ""
    async with engine.begin() as connection:
        exists = await connection.scalar(
            text("select true from pg_namespace where nspname = :name"), {"name": migrations.schema}
        )
        if not exists:
            await connection.execute(text("select pg_advisory_xact_lock(hashtextextended('orderbridge:schema', 0))"))
            await connection.execute(text(f'create schema if not exists "{migrations.schema}"{authorization}'))
    async with engine.begin() as connection:
        await connection.run_sync(partial(_upgrade, migrations=migrations))


async def migrate(
    address: str,
    admin_address: str | None,
    own: Migrations,
    shared: Sequence[Migrations],
    grants: Sequence[str],
) -> str:
    """Build or update the service's own schema and the shared ones; returns one line that says what was done.

    With an admin address that may create roles, the role that ``address`` names is made, with its password, owns
    its own schema and gets just ``grants`` (SQL with ``{role}``) on the shared ones. Else all is done as the
    one given role.
    """
    role = database_url(address)
    if admin_address is None or not await _make_role(admin_address, role):
        async with open_engine(address, schema="public") as engine:
            await reach(engine)
            for migrations in (*shared, own):
                await upgrade(engine, migrations)
        why = "DATABASE_ADMIN_URL is not set" if admin_address is None else "DATABASE_ADMIN_URL may not create roles"
        return f"schema {own.schema} is up to date; {why}, so all services share the role {role.username}"
    async with open_engine(admin_address, schema="public") as admin:
        for migrations in shared:
            await upgrade(admin, migrations)
        await _create_schema_for(admin, own.schema, str(role.username))
        async with admin.begin() as connection:
            for grant in grants:
                await connection.execute(text(grant.format(role=f'"{role.username}"')))
    async with open_engine(address, schema="public") as engine:
        await reach(engine)
        await upgrade(engine, own)
    return f"schema {own.schema} is up to date, owned by the role {role.username}"


async def _make_role(admin_address: str, role: URL) -> bool:
    """Make the role, or set its password; False when the admin may not."""
    async with open_engine(admin_address, schema="public") as admin:
        await reach(admin, "DATABASE_ADMIN_URL")
        async with admin.begin() as connection:
            allowed = await connection.scalar(
                text("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
            )
            if not allowed:
                return False
            await connection.execute(text("select pg_advisory_xact_lock(hashtextextended('orderbridge:role', 0))"))
            exists = await connection.scalar(
                text("select true from pg_roles where rolname = :name"), {"name": role.username}
            )
            # DDL takes no bind parameters: let the server do the quoting.
            statement = await connection.scalar(
                text("select format(cast(:form as text), cast(:role as text), cast(:password as text))"),
                {
                    "form": f"{'alter' if exists else 'create'} role %I login password %L",
                    "role": role.username,
                    "password": role.password or "",
                },
            )
            await connection.exec_driver_sql(str(statement))
            await connection.execute(text(f'grant "{role.username}" to current_user'))
    return True


async def _create_schema_for(admin: AsyncEngine, schema: str, role: str) -> None:
    async with admin.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(hashtextextended('orderbridge:schema', 0))"))
        await connection.execute(text(f'create schema if not exists "{schema}" authorization "{role}"'))


async def check_schema(engine: AsyncEngine, migrations: Sequence[Migrations], remedy: str) -> None:
    """Refuse an old (or missing, or newer) schema; ``remedy`` is the command that mends it."""
    for wanted in migrations:
        head = alembic.script.ScriptDirectory.from_config(_config(wanted)).get_current_head()
        try:
            async with engine.connect() as connection:
                # A schema's name takes no bind parameter; ours are constants.
                statement = f'select version_num from "{wanted.schema}".alembic_version'  # noqa: S608
                found = await connection.scalar(text(statement))
        except DBAPIError as error:
            if is_transient(error):
                raise
            found = None
        if found != head:
            raise ConfigurationError(
                f"schema {wanted.schema} is at revision {found or 'none'}, this version needs {head}: run {remedy}"
            )


# --- locks bound to a session


class SessionLocks:
    """Advisory locks that live and die with one database session, never with a clock.

    A killed process frees them at once, a paused one keeps them. When the session is lost, so is every lock:
    ``SessionLost`` is raised from whatever is asked next, and by ``watch``.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._busy = asyncio.Lock()
        self._held: set[str] = set()
        self.lost: str | None = None
        """Why the session is gone, once that was noticed; it never comes back."""

    async def _ask(self, statement: str, **values: Any) -> Any:
        async with self._busy:
            if self.lost is not None:
                raise SessionLost(self.lost)
            try:
                return await self._connection.scalar(text(statement), values)
            except Exception as error:
                if is_transient(error):
                    self.lost = f"the database session that holds our locks is gone ({_said(error)})"
                    raise SessionLost(self.lost) from error
                raise

    async def try_lock(self, name: str) -> bool:
        """Take a lock; False when another session, or another task of this process, has it."""
        if name in self._held:
            return False
        self._held.add(name)
        if await self._ask("select pg_try_advisory_lock(hashtextextended(:name, 0))", name=name):
            return True
        self._held.discard(name)
        return False

    async def unlock(self, name: str) -> None:
        await self._ask("select pg_advisory_unlock(hashtextextended(:name, 0))", name=name)
        self._held.discard(name)

    async def lock_number(self, number: int) -> None:
        """Take the lock that is this number; it stays until the session ends."""
        await self._ask("select pg_advisory_lock(cast(:number as bigint))", number=number)

    async def check(self) -> None:
        """Raise ``SessionLost`` when the session is gone."""
        await self._ask("select 1")

    async def watch(self, stop: asyncio.Event, every_s: float = 1.0) -> None:
        """Check again and again until ``stop``; ends with ``SessionLost`` when the session goes."""
        while not stop.is_set():
            await self.check()
            try:
                await asyncio.wait_for(stop.wait(), every_s)
            except TimeoutError:
                continue


@asynccontextmanager
async def open_session_locks(engine: AsyncEngine) -> AsyncIterator[SessionLocks]:
    """Locks on a connection of their own, held open until the end."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        locks = SessionLocks(connection)
        try:
            yield locks
        finally:
            # The session must end, not go back to the pool with locks on it.
            if locks.lost is None:
                raw = (await connection.get_raw_connection()).driver_connection
                with contextlib.suppress(OSError, PostgresError, asyncpg.InterfaceError):
                    await raw.close(timeout=2)  # type: ignore[union-attr]
            await connection.invalidate()
