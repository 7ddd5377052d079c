"""Orders as Amazon tells them, and how far each connection's polls have come."""

from alembic import op

from orderbridge.step import create_step_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # ``disposition`` is read from the newest fact, to find the orders that changed settings decide anew.
    """
    create table orders (
        order_id text primary key,
        connection_id text not null,
        seq bigint not null default 0,
        fact jsonb,
        disposition text,
        ever_open boolean not null default false,
        switched_off boolean not null default false,
        personal_until timestamptz
    )
    """,
    "create index orders_open on orders (connection_id, order_id) where disposition in ('import', 'wait')",
    # ``progress`` is there while a poll is under way: its window, its pages so far, and the token of the next one.
    """
    create table polls (
        connection_id text primary key,
        watermark timestamptz,
        progress jsonb,
        last_poll_at timestamptz
    )
    """,
)


def upgrade() -> None:
    create_step_tables(op.execute)
    for statement in STATEMENTS:
        op.execute(statement)
