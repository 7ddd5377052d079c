"""Commands that wait for Amazon's answer."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Refetches that neither an import has answered nor anything has ended.
    """
    create table commands (
        command_id text primary key,
        order_id text not null,
        connection_id text not null,
        at timestamptz not null
    )
    """,
    "create index commands_by_order on commands (order_id)",
    "create index commands_by_connection on commands (connection_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
