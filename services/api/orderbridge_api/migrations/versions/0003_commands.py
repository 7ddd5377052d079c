"""What a command asked for beside its mode, bulk retries with their orders, and which webhooks were taken."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    "alter table commands add column shopify_order_id text, add column restock boolean",
    """
    create table retries (
        retry_id text primary key,
        filter jsonb not null,
        mode text not null,
        reason text,
        actor text not null,
        created_at timestamptz not null,
        total integer not null,
        accepted integer not null default 0,
        refused jsonb not null default '{}',
        asked_at timestamptz
    )
    """,
    # The orders that matched when it was asked for: those that come to match later are not concerned.
    """
    create table retry_orders (
        retry_id text not null,
        place bigint not null,
        order_id text not null,
        command_id text,
        refused text,
        primary key (retry_id, order_id)
    )
    """,
    """
    create index retry_orders_unasked on retry_orders (retry_id, place)
    where command_id is null and refused is null
    """,
    # Ids only: a payload can hold personal data.
    """
    create table webhooks (
        connection_id text not null,
        webhook_id text not null,
        topic text not null,
        at timestamptz not null,
        primary key (connection_id, webhook_id)
    )
    """,
    "create index webhooks_at on webhooks using brin (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
