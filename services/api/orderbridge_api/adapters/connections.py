"""Connections as operators wrote them, what the workers say of them, and API keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from orderbridge.events import ConnectionChanged, ConnectionStatus
from orderbridge.step import Unit

from ..domain.connections import StoredConnection
from ..ports import Caller

_COLUMNS = "config, amazon_client_id, shopify_client_id, secrets_changed_at"
_NOTE_STATUS = text("""
    insert into connection_statuses as known (connection_id, service, rev, at, state, status)
    values (:connection_id, :service, :rev, :at, :state, cast(:status as jsonb))
    on conflict (connection_id, service) do update set
        rev = excluded.rev, at = excluded.at, state = excluded.state, status = excluded.status
    where excluded.rev > known.rev or excluded.at > known.at
""")


class ConnectionRows(Unit):
    async def add_connection(self, connection: StoredConnection) -> bool:
        added = await self.connection.scalar(
            text("""
                insert into connection_configs as known
                    (connection_id, config, amazon_client_id, shopify_client_id, secrets_changed_at)
                values (:id, cast(:config as jsonb), :amazon, :shopify, cast(:secrets as jsonb))
                on conflict (connection_id) do update set
                    config = excluded.config, amazon_client_id = excluded.amazon_client_id,
                    shopify_client_id = excluded.shopify_client_id,
                    secrets_changed_at = excluded.secrets_changed_at, removed_at = null
                where known.removed_at is not null returning true
            """),
            _values(connection),
        )
        return bool(added)

    async def hold_connection(self, connection_id: str) -> StoredConnection | None:
        return await self._connection(connection_id, "for update")

    async def stored_connection(self, connection_id: str) -> StoredConnection | None:
        return await self._connection(connection_id, "")

    async def _connection(self, connection_id: str, lock: str, *, removed: bool = False) -> StoredConnection | None:
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from connection_configs
                where connection_id = :id and (removed_at is not null) = :removed {lock}
            """),  # noqa: S608 - our own column names
            {"id": connection_id, "removed": removed},
        )
        row = found.first()
        return _stored(row) if row else None

    async def hold_removed(self, connection_id: str) -> StoredConnection | None:
        return await self._connection(connection_id, "for update", removed=True)

    async def remove_connection(self, connection: StoredConnection) -> None:
        await self.put_connection(connection)
        name = connection.changed.connection_id
        await self.connection.execute(
            text("update connection_configs set removed_at = :now where connection_id = :id"),
            {"id": name, "now": self.now},
        )
        await self.connection.execute(text("delete from connection_statuses where connection_id = :id"), {"id": name})
        for vendor in ("amazon", "shopify"):
            await self.vault.delete(self.connection, "connections", f"{name}/{vendor}")

    async def removed_connections(self, after: str, limit: int) -> list[StoredConnection]:
        return await self._connections(after, limit, removed=True)

    async def count_holding_stock(self, connection_id: str) -> int:
        found = await self.connection.scalar(
            text("""
                select count(*) from orders
                where connection_id = :id and resource -> 'reservation' ->> 'state' = 'held'
            """),
            {"id": connection_id},
        )
        return int(found or 0)

    async def put_connection(self, connection: StoredConnection) -> None:
        await self.connection.execute(
            text("""
                update connection_configs set config = cast(:config as jsonb), amazon_client_id = :amazon,
                    shopify_client_id = :shopify, secrets_changed_at = cast(:secrets as jsonb)
                where connection_id = :id
            """),
            _values(connection),
        )

    async def stored_connections(self, after: str, limit: int) -> list[StoredConnection]:
        return await self._connections(after, limit, removed=False)

    async def _connections(self, after: str, limit: int, *, removed: bool) -> list[StoredConnection]:
        found = await self.connection.execute(
            text(f"""
                select {_COLUMNS} from connection_configs
                where connection_id > :after and (removed_at is not null) = :removed
                order by connection_id limit :limit
            """),  # noqa: S608 - our own column names
            {"after": after, "limit": limit, "removed": removed},
        )
        return [_stored(row) for row in found]

    # --- what the workers say

    async def note_statuses(self, statuses: Sequence[ConnectionStatus]) -> None:
        ordered = sorted(statuses, key=lambda status: (status.connection_id, status.service, status.at))
        await self.connection.execute(
            _NOTE_STATUS,
            [
                {
                    "connection_id": status.connection_id,
                    "service": status.service,
                    "rev": status.rev,
                    "at": status.at,
                    "state": status.state,
                    "status": status.model_dump_json(),
                }
                for status in ordered
            ],
        )

    async def statuses_of(self, connection_ids: Sequence[str]) -> dict[str, dict[str, ConnectionStatus]]:
        found = await self.connection.execute(
            text("select status from connection_statuses where connection_id = any(cast(:ids as text[]))"),
            {"ids": list(connection_ids)},
        )
        statuses: dict[str, dict[str, ConnectionStatus]] = {name: {} for name in connection_ids}
        for value in found.scalars():
            status = ConnectionStatus.model_validate(value)
            statuses[status.connection_id][status.service] = status
        return statuses

    async def troubled(self) -> list[ConnectionStatus]:
        found = await self.connection.execute(
            text("""
                select status from connection_statuses left join connection_configs using (connection_id)
                where state <> 'ok' and removed_at is null order by connection_id, service
            """)
        )
        return [ConnectionStatus.model_validate(value) for value in found.scalars()]

    # --- secrets, in the vault

    async def secrets_of(self, connection_id: str, vendor: str) -> dict[str, str]:
        kept = await self.vault.get(self.connection, "connections", f"{connection_id}/{vendor}")
        return json.loads(kept) if kept is not None else {}

    async def put_secrets(self, connection_id: str, vendor: str, secrets: Mapping[str, str]) -> None:
        await self.vault.put(
            self.connection, "connections", f"{connection_id}/{vendor}", json.dumps(dict(secrets)).encode()
        )

    # --- API keys

    async def api_keys(self) -> list[tuple[str, Caller]]:
        found = await self.connection.execute(text("select sha256, name, role from api_keys"))
        return [(row.sha256, Caller(row.name, row.role)) for row in found]

    async def set_key(self, name: str, role: str, sha256: str) -> None:
        await self.connection.execute(
            text("""
                insert into api_keys (name, role, sha256) values (:name, :role, :sha256)
                on conflict (name) do update set role = excluded.role, sha256 = excluded.sha256, created_at = now()
                where api_keys.sha256 <> excluded.sha256 or api_keys.role <> excluded.role
            """),
            {"name": name, "role": role, "sha256": sha256},
        )


def _values(connection: StoredConnection) -> dict[str, Any]:
    return {
        "id": connection.changed.connection_id,
        "config": connection.changed.model_dump_json(),
        "amazon": connection.amazon_client_id,
        "shopify": connection.shopify_client_id,
        "secrets": json.dumps({name: at.isoformat() for name, at in connection.secrets_changed_at.items()}),
    }


def _stored(row: Any) -> StoredConnection:
    return StoredConnection(
        ConnectionChanged.model_validate(row.config),
        row.amazon_client_id,
        row.shopify_client_id,
        {name: datetime.fromisoformat(at) for name, at in row.secrets_changed_at.items()},
    )
