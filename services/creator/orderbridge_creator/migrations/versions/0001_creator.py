"""Orders as the creator sees them, the attempts to create them, and the ledger of reservations."""

from alembic import op

from orderbridge.step import create_step_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # ``phase``, ``seq`` and the order at Shopify are read from the newest fact, for people and for queries.
    """
    create table orders (
        order_id text primary key,
        connection_id text not null,
        imported jsonb,
        match jsonb,
        asked jsonb not null default '[]',
        fact jsonb,
        phase text,
        seq bigint not null default 0,
        attempts integer not null default 0,
        fence bigint not null default 0,
        unknown_since timestamptz,
        look_up_first boolean not null default false,
        identity_taken boolean not null default false,
        shopify_order_id text,
        shopify_order_name text
    )
    """,
    "create index orders_open on orders (connection_id, order_id) where phase in ('planned', 'failed')",
    # One row per call that may have created an order, written before the call.
    """
    create table attempts (
        order_id text not null,
        attempt integer not null,
        fence bigint not null,
        request_hash text not null,
        imported_seq bigint not null,
        match_seq bigint not null,
        command_id text,
        mode text,
        started_at timestamptz not null,
        outcome text,
        ended_at timestamptz,
        note jsonb,
        primary key (order_id, attempt)
    )
    """,
    """
    create table reservations (
        id bigint generated always as identity primary key,
        order_id text not null,
        attempt integer not null,
        state text not null,
        lines jsonb not null,
        at timestamptz not null
    )
    """,
    "create index reservations_by_order on reservations (order_id, id)",
)


def upgrade() -> None:
    create_step_tables(op.execute)
    for statement in STATEMENTS:
        op.execute(statement)
