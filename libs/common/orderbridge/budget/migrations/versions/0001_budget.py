"""The rate budgets that all services and replicas share: one row a bucket."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One hot row a bucket, rewritten by every call: room on its page keeps those updates off the index.
    op.execute("""
        create table budget.buckets (
            name text primary key,
            rate double precision not null check (rate > 0 and rate < 'infinity'),
            burst double precision not null check (burst > 0 and burst < 'infinity'),
            tokens double precision not null,
            updated_at timestamptz not null,
            paused_until timestamptz
        ) with (fillfactor = 50)
    """)
