"""The vault's rows: AES-256-GCM under a data key of their own, which a generation of the master key wraps.

Every method works on the caller's connection and joins its transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, get_args

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import Permanent
from .keys import KEY_BYTES, MasterKeys, WrongKey, generation_missing, generation_wrong, seal, unseal

Table = Literal["orders", "connections", "parked"]
"""``orders``: personal data by order_id; ``connections``: secrets by ``<connection_id>/amazon|shopify``;
``parked``: bodies by parked_id."""

TABLES: tuple[Table, ...] = get_args(Table)


class VaultTampered(Permanent):
    """A row was changed, or moved to another owner, outside the vault: it cannot be trusted nor read."""

    def __init__(self, table: Table, owner: str) -> None:
        super().__init__(f"the vault's row {table}/{owner} was changed outside the vault: write it anew")
        self.table = table
        self.owner = owner


def _per_table(statement: str) -> Mapping[Table, TextClause]:
    return {table: text(statement.replace("{table}", table)) for table in TABLES}


# Ordered by owner, so that two batches lock their rows in the same order.
_PUT = _per_table("""
    insert into vault.{table} as held (owner, kid, wrapped_key, ciphertext, delete_after)
    select owner, :kid, wrapped_key, ciphertext, delete_after
    from unnest(cast(:owners as text[]), cast(:wrapped_keys as bytea[]), cast(:ciphertexts as bytea[]),
                cast(:delete_afters as timestamptz[])) as new (owner, wrapped_key, ciphertext, delete_after)
    order by owner
    on conflict (owner) do update set
        kid = excluded.kid, wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext,
        rev = held.rev + 1, delete_after = excluded.delete_after, written_at = now()
    returning owner, rev
""")
_GET = _per_table("""
    select owner, kid, wrapped_key, ciphertext from vault.{table} where owner = any(cast(:owners as text[]))
""")
_DELETE = _per_table("delete from vault.{table} where owner = :owner")
_PUT_CANARY = text("insert into vault.canaries (kid, sealed) values (:kid, :sealed) on conflict (kid) do nothing")
_CANARIES = text("select kid, sealed from vault.canaries")
# One step of the index a generation, however many rows there are.
_KIDS_IN_USE = _per_table("""
    with recursive used (kid) as (
        select min(kid) from vault.{table}
        union all
        select (select min(kid) from vault.{table} where kid > used.kid) from used where used.kid is not null
    )
    select kid from used where kid is not null
""")
_OLD = _per_table("""
    select owner, kid, wrapped_key from vault.{table} where kid <> :kid order by owner limit :limit for update
""")
_REWRAP = _per_table("""
    update vault.{table} as held set kid = :kid, wrapped_key = new.wrapped_key
    from unnest(cast(:owners as text[]), cast(:wrapped_keys as bytea[])) as new (owner, wrapped_key)
    where held.owner = new.owner
""")


class Vault:
    """Sealed rows by table and owner. Its ``repr`` and its errors show no key and no plaintext."""

    def __init__(self, keys: MasterKeys) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return f"Vault({self._keys!r})"

    async def put(
        self,
        connection: AsyncConnection,
        table: Table,
        owner: str,
        plaintext: bytes,
        *,
        delete_after: datetime | None = None,
    ) -> int:
        """Replace what is held of the owner, also its ``delete_after``, under a new data key.

        Returns its ``rev``: 1 for the first, one more each time, from 1 again after a ``delete``.
        """
        deadlines = {} if delete_after is None else {owner: delete_after}
        revs = await self.put_many(connection, table, {owner: plaintext}, delete_after=deadlines)
        return revs[owner]

    async def put_many(
        self,
        connection: AsyncConnection,
        table: Table,
        plaintexts: Mapping[str, bytes],
        *,
        delete_after: Mapping[str, datetime] | None = None,
    ) -> dict[str, int]:
        """``put`` for several owners in one statement; returns the ``rev`` of each."""
        if not plaintexts:
            return {}
        sealed = [self._seal(table, owner, plaintext) for owner, plaintext in plaintexts.items()]
        deadlines = delete_after or {}
        rows = await connection.execute(
            _PUT[table],
            {
                "kid": self._keys.newest,
                "owners": list(plaintexts),
                "wrapped_keys": [wrapped for wrapped, _ in sealed],
                "ciphertexts": [ciphertext for _, ciphertext in sealed],
                "delete_afters": [deadlines.get(owner) for owner in plaintexts],
            },
        )
        return {row.owner: row.rev for row in rows}

    async def get(self, connection: AsyncConnection, table: Table, owner: str) -> bytes | None:
        """What is held of the owner; None when nothing is. Raises ``VaultTampered``."""
        return (await self.get_many(connection, table, (owner,))).get(owner)

    async def get_many(self, connection: AsyncConnection, table: Table, owners: Collection[str]) -> dict[str, bytes]:
        """What is held of those owners of whom something is held; one row tampered with fails all."""
        if not owners:
            return {}
        rows = await connection.execute(_GET[table], {"owners": list(owners)})
        return {row.owner: self._unseal(table, row.owner, row.kid, row.wrapped_key, row.ciphertext) for row in rows}

    async def delete(self, connection: AsyncConnection, table: Table, owner: str) -> bool:
        """Forget the owner, data key and all; False when nothing was held."""
        result = await connection.execute(_DELETE[table], {"owner": owner})
        return result.rowcount > 0

    async def check(self, connection: AsyncConnection) -> None:
        """At the start: every key is the one its generation had at its first use, and none in use is missing.

        Leaves a canary of the newest generation, so commit. Raises ``ConfigurationError``.
        """
        kid, sealed = self._keys.seal(b"", b"canary")
        await connection.execute(_PUT_CANARY, {"kid": kid, "sealed": sealed})
        for canary in await connection.execute(_CANARIES):
            if canary.kid not in self._keys:
                continue
            try:
                self._keys.unseal(canary.kid, canary.sealed, b"canary")
            except WrongKey:
                raise generation_wrong(canary.kid) from None
        for table in TABLES:
            for used in await connection.scalars(_KIDS_IN_USE[table]):
                if used not in self._keys:
                    raise generation_missing(used)

    async def rewrap(self, connection: AsyncConnection, *, limit: int = 1000) -> int:
        """Move up to ``limit`` rows of each table to the newest generation; returns how many, 0 when all are there.

        Data keys are wrapped anew, what they seal stays as it is. Meant for a role that may write every table, one
        transaction a call. Raises ``VaultTampered``.
        """
        moved = 0
        for table in TABLES:
            rows = (await connection.execute(_OLD[table], {"kid": self._keys.newest, "limit": limit})).all()
            if not rows:
                continue
            wrapped_keys = []
            for row in rows:
                data_key = self._unwrap(table, row.owner, row.kid, row.wrapped_key)
                wrapped_keys.append(self._keys.seal(data_key, _about(table, row.owner))[1])
            await connection.execute(
                _REWRAP[table],
                {"kid": self._keys.newest, "owners": [row.owner for row in rows], "wrapped_keys": wrapped_keys},
            )
            moved += len(rows)
        return moved

    def _seal(self, table: Table, owner: str, plaintext: bytes) -> tuple[bytes, bytes]:
        about = _about(table, owner)
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        _, wrapped_key = self._keys.seal(data_key, about)
        return wrapped_key, seal(AESGCM(data_key), plaintext, about)

    def _unseal(self, table: Table, owner: str, kid: str, wrapped_key: bytes, ciphertext: bytes) -> bytes:
        data_key = self._unwrap(table, owner, kid, wrapped_key)
        try:
            return unseal(AESGCM(data_key), ciphertext, _about(table, owner))
        except WrongKey:
            raise VaultTampered(table, owner) from None

    def _unwrap(self, table: Table, owner: str, kid: str, wrapped_key: bytes) -> bytes:
        try:
            return self._keys.unseal(kid, wrapped_key, _about(table, owner))
        except WrongKey:
            raise VaultTampered(table, owner) from None


def _about(table: Table, owner: str) -> bytes:
    return f"{table}/{owner}".encode()
