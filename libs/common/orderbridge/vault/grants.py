"""What each service's own role may do in the vault: statements for ``migrate``, with ``{role}`` to fill in."""

from collections.abc import Mapping

# Two services that migrate at once would change the same catalogue rows, and PostgreSQL fails the second.
# A role gets just what stands here, also when an older release gave it more.
_FIRST = (
    "select pg_advisory_xact_lock(hashtextextended('orderbridge:grants', 0))",
    "revoke all on all tables in schema vault from {role}",
    "grant usage on schema vault to {role}",
    "grant select on vault.alembic_version to {role}",
    "grant select, insert on vault.canaries to {role}",
    "grant select, insert, update, delete on vault.parked to {role}",
)
# The check at the start asks which generations of the master key are in use.
_ORDERS_CHECK = "grant select (kid) on vault.orders to {role}"
_CONNECTIONS_READ = "grant select on vault.connections to {role}"

GRANTS: Mapping[str, tuple[str, ...]] = {
    # It reads an order's personal data too: only so can it tell that they changed.
    "ingestor": (*_FIRST, "grant select, insert, update, delete on vault.orders to {role}", _CONNECTIONS_READ),
    "matcher": (*_FIRST, _ORDERS_CHECK, _CONNECTIONS_READ),
    "creator": (*_FIRST, "grant select on vault.orders to {role}", _CONNECTIONS_READ),
    "api": (
        *_FIRST,
        # Enough to erase an order's personal data, and not to read them.
        "grant select (owner, kid, rev, delete_after), delete on vault.orders to {role}",
        "grant select, insert, update, delete on vault.connections to {role}",
    ),
}
