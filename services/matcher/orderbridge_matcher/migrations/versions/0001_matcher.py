"""The shop's variants, the orders with their newest import and match, and what waits for what."""

from alembic import op

from orderbridge.step import create_step_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # How far the reading of a shop's catalogue is. ``after`` and ``since`` are the page that comes next, ``seen`` the
    # newest change met in this round, ``newest`` the one of the rounds before, ``moved_at`` when it moved.
    # Who decides orders locks the row shared, who changes variants alone: so no order misses a variant just written.
    """
    create table catalogues (
        connection_id text primary key,
        shop text not null,
        match_drafts boolean not null,
        complete boolean not null default false,
        after text,
        since timestamptz,
        seen timestamptz,
        newest timestamptz,
        moved_at timestamptz
    )
    """,
    # ``sku`` is trimmed; null when there is none.
    """
    create table variants (
        connection_id text not null,
        variant_id text not null,
        product_id text not null,
        sku text,
        title text not null,
        product_title text not null,
        status text not null,
        updated_at timestamptz not null,
        primary key (connection_id, variant_id)
    )
    """,
    "create index variants_by_sku on variants (connection_id, sku)",
    # SKUs that Shopify was asked for and had no variant for.
    """
    create table misses (
        connection_id text not null,
        sku text not null,
        at timestamptz not null,
        primary key (connection_id, sku)
    )
    """,
    # ``lines`` is what the newest import orders, as JSON; ``fact`` is the newest match as it was published. No second
    # index: so that the update which follows an insert stays in its page.
    """
    create table orders (
        order_id text primary key,
        connection_id text not null,
        imported_seq bigint not null default 0,
        disposition text,
        disposition_reason text,
        ship_by timestamptz,
        lines text not null default '[]',
        seq bigint not null default 0,
        fact text
    )
    with (fillfactor = 70)
    """,
    # Orders to decide as soon as the catalogue is complete.
    """
    create table undecided (
        order_id text primary key,
        connection_id text not null,
        ship_by timestamptz
    )
    """,
    "create index undecided_by_ship_by on undecided (connection_id, ship_by nulls last, order_id)",
    # Which SKUs hold an order that is unmatched or being looked up.
    """
    create table waits (
        order_id text not null,
        connection_id text not null,
        sku text not null,
        primary key (order_id, sku)
    )
    """,
    "create index waits_by_sku on waits (connection_id, sku)",
    # Commands that no fact has answered yet.
    """
    create table commands (
        command_id text primary key,
        order_id text not null,
        connection_id text not null,
        mode text not null,
        at timestamptz not null
    )
    """,
    "create index commands_by_order on commands (order_id)",
    "create index commands_by_connection on commands (connection_id)",
)


def upgrade() -> None:
    create_step_tables(op.execute)
    for statement in STATEMENTS:
        op.execute(statement)
