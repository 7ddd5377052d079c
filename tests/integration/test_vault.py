"""The vault on PostgreSQL: what it keeps, what it notices, and which role may do what."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderbridge import vault as vault_package
from orderbridge.errors import ConfigurationError, Permanent
from orderbridge.postgres import check_schema, open_engine, sqlstate, upgrade
from orderbridge.vault import GRANTS, MIGRATIONS, TABLES, MasterKeys, Table, Vault, VaultTampered

K1 = "k1:" + b64encode(b"1" * 32).decode()
K2 = "k2:" + b64encode(b"2" * 32).decode()
OTHER_K1 = "k1:" + b64encode(b"3" * 32).decode()
ORDER = "main:113-0000001-0000001"
NEIGHBOUR = "main:113-0000002-0000002"
ADA = b"Ada Example, 1 Invented Street, ada@shop.example, 555-0100"


def vault_with(*keys: str) -> Vault:
    return Vault(MasterKeys.parse(",".join(keys)))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    # Another schema first on the path: a service's own, never the vault's.
    async with open_engine(database_url, schema="public") as engine:
        await upgrade(engine, MIGRATIONS)
        yield engine


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.begin() as connection:
        yield connection


@pytest.mark.parametrize("table", TABLES)
async def test_what_is_put_comes_back_and_only_for_its_owner(connection: AsyncConnection, table: Table) -> None:
    vault = vault_with(K1)

    await vault.put(connection, table, ORDER, ADA)

    assert await vault.get(connection, table, ORDER) == ADA
    assert await vault.get(connection, table, NEIGHBOUR) is None
    elsewhere: list[Table] = [other for other in TABLES if other != table]
    assert [await vault.get(connection, other, ORDER) for other in elsewhere] == [None, None]


async def test_no_column_holds_the_plaintext(connection: AsyncConnection) -> None:
    await vault_with(K1).put(connection, "orders", ORDER, ADA)

    row = (await connection.execute(text("select * from vault.orders"))).mappings().one()

    assert all(ADA[:11] not in bytes(value) for value in row.values() if isinstance(value, bytes))
    assert b"1" * 32 not in row["wrapped_key"]
    assert row["kid"] == "k1"


async def test_a_put_joins_the_callers_transaction(engine: AsyncEngine) -> None:
    vault = vault_with(K1)
    async with engine.connect() as connection:
        await vault.put(connection, "orders", ORDER, ADA)
        await connection.rollback()

        assert await vault.get(connection, "orders", ORDER) is None


async def test_each_put_counts_the_revision_up_and_takes_a_new_data_key(connection: AsyncConnection) -> None:
    vault = vault_with(K1)
    secrets = text("select wrapped_key, ciphertext from vault.orders")

    first = await vault.put(connection, "orders", ORDER, ADA)
    before = (await connection.execute(secrets)).one()
    second = await vault.put(connection, "orders", ORDER, ADA)
    after = (await connection.execute(secrets)).one()

    assert (first, second) == (1, 2)
    assert before.wrapped_key != after.wrapped_key
    assert before.ciphertext != after.ciphertext
    assert await vault.get(connection, "orders", ORDER) == ADA


async def test_many_are_put_and_read_together_each_with_its_own_deadline(connection: AsyncConnection) -> None:
    vault = vault_with(K1)
    soon = datetime(2026, 3, 1, tzinfo=UTC)
    plaintexts = {f"main:113-0000001-{n:07}": f"buyer {n}".encode() for n in range(250)}
    owners = sorted(plaintexts)
    await vault.put(connection, "orders", owners[7], b"older")

    revs = await vault.put_many(connection, "orders", plaintexts, delete_after={owners[3]: soon})

    assert revs == {owner: 2 if owner == owners[7] else 1 for owner in owners}
    assert await vault.get_many(connection, "orders", [*owners, NEIGHBOUR]) == plaintexts
    deadlines = await connection.execute(text("select owner, delete_after from vault.orders order by owner"))
    assert [tuple(row) for row in deadlines] == [(owner, soon if owner == owners[3] else None) for owner in owners]
    assert await vault.put_many(connection, "orders", {}) == {}
    assert await vault.get_many(connection, "orders", []) == {}


async def test_a_put_replaces_the_deadline_too(connection: AsyncConnection) -> None:
    vault = vault_with(K1)
    soon = datetime(2026, 3, 1, tzinfo=UTC)
    deadline = text("select delete_after from vault.orders")

    await vault.put(connection, "orders", ORDER, ADA, delete_after=soon)
    await vault.put(connection, "orders", ORDER, ADA, delete_after=soon + timedelta(days=3))
    later = await connection.scalar(deadline)
    await vault.put(connection, "orders", ORDER, ADA)

    assert later == soon + timedelta(days=3)
    assert await connection.scalar(deadline) is None


async def test_what_is_deleted_is_gone_and_counts_from_one_again(connection: AsyncConnection) -> None:
    vault = vault_with(K1)
    await vault.put_many(connection, "orders", {ORDER: ADA, NEIGHBOUR: b"Bo Example"})

    assert await vault.delete(connection, "orders", ORDER)

    assert not await vault.delete(connection, "orders", ORDER)
    assert await vault.get(connection, "orders", ORDER) is None
    assert await vault.get(connection, "orders", NEIGHBOUR) == b"Bo Example"
    assert await vault.put(connection, "orders", ORDER, ADA) == 1


@pytest.mark.parametrize(
    "harm",
    [
        "update vault.orders set ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1) where owner = :o",
        "update vault.orders set ciphertext = substring(ciphertext for 10) where owner = :o",
        "update vault.orders set wrapped_key = set_byte(wrapped_key, 0, get_byte(wrapped_key, 0) # 1) where owner = :o",
        "update vault.orders t set ciphertext = n.ciphertext from vault.orders n where t.owner = :o and n.owner <> :o",
        """update vault.orders t set ciphertext = n.ciphertext, wrapped_key = n.wrapped_key
           from vault.orders n where t.owner = :o and n.owner <> :o""",
        """with gone as (delete from vault.connections returning *)
           update vault.orders t set ciphertext = n.ciphertext, wrapped_key = n.wrapped_key from gone n
           where t.owner = :o""",
    ],
    ids=["ciphertext", "cut short", "wrapped key", "other's ciphertext", "other's row", "row of another table"],
)
async def test_a_row_changed_from_outside_is_noticed(connection: AsyncConnection, harm: str) -> None:
    vault = vault_with(K1)
    await vault.put_many(connection, "orders", {ORDER: ADA, NEIGHBOUR: b"Bo Example, 2 Invented Street"})
    await vault.put(connection, "connections", ORDER, b"a secret of the same name")

    await connection.execute(text(harm), {"o": ORDER})

    with pytest.raises(VaultTampered, match=f"orders/{ORDER}") as caught:
        await vault.get(connection, "orders", ORDER)
    assert isinstance(caught.value, Permanent)
    assert (caught.value.table, caught.value.owner) == ("orders", ORDER)
    assert await vault.get(connection, "orders", NEIGHBOUR) is not None


async def test_the_right_keys_pass_the_check_again_and_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await vault_with(K1).check(connection)
        await vault_with(K1).put(connection, "orders", ORDER, ADA)
    async with engine.begin() as connection:
        await vault_with(K1).check(connection)
        await vault_with(K2, K1).check(connection)

    async with engine.connect() as connection:
        kids = await connection.scalars(text("select kid from vault.canaries order by kid"))
        assert list(kids) == ["k1", "k2"]


async def test_another_key_of_a_known_name_is_refused_at_the_start(connection: AsyncConnection) -> None:
    await vault_with(K1).check(connection)

    for wrong in (vault_with(OTHER_K1), vault_with(K2, OTHER_K1)):
        with pytest.raises(
            ConfigurationError, match="ORDERBRIDGE_MASTER_KEY has another key as generation k1"
        ) as caught:
            await wrong.check(connection)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", TABLES)
async def test_a_generation_that_rows_need_must_be_given(connection: AsyncConnection, table: Table) -> None:
    await vault_with(K1).put(connection, table, ORDER, ADA)
    await vault_with(K2, K1).put(connection, table, NEIGHBOUR, ADA)

    with pytest.raises(ConfigurationError, match="ORDERBRIDGE_MASTER_KEY lacks generation k1"):
        await vault_with(K2).check(connection)
    with pytest.raises(ConfigurationError, match="lacks generation k1"):
        await vault_with(K2).get(connection, table, ORDER)
    await vault_with(K2, K1).check(connection)


async def test_a_generation_that_no_row_needs_may_be_taken_out(connection: AsyncConnection) -> None:
    await vault_with(K1).check(connection)

    await vault_with(K2).check(connection)


async def test_rewrap_moves_every_row_to_the_newest_generation_and_changes_nothing_else(
    connection: AsyncConnection,
) -> None:
    plaintexts = {f"main:113-0000001-{n:07}": f"buyer {n}".encode() for n in range(25)}
    await vault_with(K1).put_many(connection, "orders", plaintexts)
    await vault_with(K1).put(connection, "connections", "main/amazon", b"a secret")
    await vault_with(K2, K1).put(connection, "parked", "p1", b"a body")
    unchanged = text("select owner, ciphertext, rev, delete_after, written_at from vault.orders order by owner")
    before = (await connection.execute(unchanged)).all()
    vault = vault_with(K2, K1)

    moved = []
    while count := await vault.rewrap(connection, limit=10):
        moved.append(count)

    assert moved == [11, 10, 5]
    assert (await connection.execute(unchanged)).all() == before
    only_new = vault_with(K2)
    await only_new.check(connection)
    assert await only_new.get_many(connection, "orders", list(plaintexts)) == plaintexts
    assert await only_new.get(connection, "connections", "main/amazon") == b"a secret"


async def test_rewrap_does_not_launder_a_row_changed_from_outside(connection: AsyncConnection) -> None:
    await vault_with(K1).put(connection, "parked", "p1", b"a body")
    await connection.execute(text("update vault.parked set wrapped_key = '\\x00'"))

    with pytest.raises(VaultTampered, match="parked/p1"):
        await vault_with(K2, K1).rewrap(connection)


async def test_the_migrations_satisfy_the_check_of_the_schema_and_run_twice(engine: AsyncEngine) -> None:
    await upgrade(engine, MIGRATIONS)

    await check_schema(engine, [vault_package.MIGRATIONS], "python -m orderbridge_matcher migrate")


# --- roles


@asynccontextmanager
async def acting_as(engine: AsyncEngine, service: str) -> AsyncIterator[AsyncConnection]:
    """A transaction in the role of a service, with all that its grants give; it is rolled back, role and all."""
    async with engine.connect() as connection:
        await connection.execute(text("create role vault_test_role"))
        for grant in GRANTS[service]:
            await connection.execute(text(grant.format(role="vault_test_role")))
        await connection.execute(text("set local role vault_test_role"))
        yield connection
        await connection.rollback()


async def may(connection: AsyncConnection, vault: Vault, verb: str, table: Table) -> bool:
    savepoint = await connection.begin_nested()
    try:
        if verb == "put":
            await vault.put(connection, table, ORDER, b"new")
        elif verb == "get":
            await vault.get(connection, table, ORDER)
        else:
            await vault.delete(connection, table, ORDER)
    except ProgrammingError as error:
        await savepoint.rollback()
        if sqlstate(error) != "42501":
            raise
        return False
    await savepoint.rollback()
    return True


ALLOWED: dict[str, dict[Table, set[str]]] = {
    "ingestor": {"orders": {"put", "get", "delete"}, "connections": {"get"}, "parked": {"put", "get", "delete"}},
    "matcher": {"orders": set(), "connections": {"get"}, "parked": {"put", "get", "delete"}},
    "creator": {"orders": {"get"}, "connections": {"get"}, "parked": {"put", "get", "delete"}},
    "api": {"orders": {"delete"}, "connections": {"put", "get", "delete"}, "parked": {"put", "get", "delete"}},
}


@pytest.mark.parametrize("service", ALLOWED)
async def test_each_services_role_may_do_just_its_own_and_the_check(engine: AsyncEngine, service: str) -> None:
    vault = vault_with(K1)
    async with acting_as(engine, service) as connection:
        verbs = ("put", "get", "delete")
        found = {table: {verb for verb in verbs if await may(connection, vault, verb, table)} for table in TABLES}

        await vault.check(connection)
        assert await connection.scalar(text("select version_num from vault.alembic_version")) == "0001"
        assert found == ALLOWED[service]


async def test_grants_take_back_what_a_role_had_before(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("create role vault_test_role"))
        for service in ("ingestor", "matcher"):
            for grant in GRANTS[service]:
                await connection.execute(text(grant.format(role="vault_test_role")))
        await connection.execute(text("set local role vault_test_role"))

        assert not await may(connection, vault_with(K1), "get", "orders")
        await connection.rollback()
