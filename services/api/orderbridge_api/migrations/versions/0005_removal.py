"""Connections that were removed: remembered, so that their revisions go on counting."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table connection_configs add column removed_at timestamptz")
