"""What a back-fill was asked for, and how far it is."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    "alter table commands add column backfill jsonb, add column progress jsonb",
    """
    create index commands_open_backfills on commands (connection_id)
    where state = 'open' and mode = 'backfill'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
