"""Units that are held for orders that wait."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    alter table orders
        add column hold jsonb,
        add column hold_intents integer not null default 0
    """,
    "create index orders_held on orders (connection_id, order_id) where hold is not null",
    """
    create index orders_that_wait on orders (connection_id, order_id)
    where imported -> 'disposition' ->> 'kind' = 'wait'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
