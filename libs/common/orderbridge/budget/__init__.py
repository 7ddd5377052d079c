"""Rate budgets at the vendors, one per account, shared by every service and replica."""

from collections.abc import Mapping

from ..postgres import Migrations
from .store import DEFAULT_BURST, DEFAULT_RATE, Budget

MIGRATIONS = Migrations("budget", "orderbridge.budget.migrations")

# Two services that migrate at once would change the same catalogue rows, and PostgreSQL fails the second.
_EACH = (
    "select pg_advisory_xact_lock(hashtextextended('orderbridge:grants', 0))",
    "revoke all on all tables in schema budget from {role}",
    "grant usage on schema budget to {role}",
    "grant select on budget.alembic_version to {role}",
    "grant select, insert, update on budget.buckets to {role}",
)
GRANTS: Mapping[str, tuple[str, ...]] = {
    "ingestor": _EACH,
    "matcher": _EACH,
    "creator": _EACH,
    "api": _EACH,
}

__all__ = ["DEFAULT_BURST", "DEFAULT_RATE", "GRANTS", "MIGRATIONS", "Budget"]
