"""Titles to match by, mappings, what each order waits for, and how far the export of a shop's catalogue is."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # ``product_key`` is the folded title of the product, "" when it cannot be compared; compared byte by byte, so that
    # a range of the index is what begins alike. ``generation`` is the export that last confirmed the variant.
    "truncate variants",
    """
    alter table variants
        alter column sku type text collate "C",
        add column options text not null default '[]',
        add column product_key text collate "C" not null default '',
        add column limited boolean not null default true,
        add column generation bigint not null default 0
    """,
    "create index variants_by_title on variants (connection_id, product_key)",
    "create index variants_by_product on variants (connection_id, product_id)",
    # What was read before lacks the new columns: every shop is read whole again.
    "update catalogues set complete = false, after = null, since = null, seen = null, newest = null, moved_at = null",
    "alter table catalogues add column generation bigint not null default 0",
    """
    create table exports (
        connection_id text primary key,
        shop text not null,
        state text not null,
        operation text,
        created_at timestamptz,
        lines bigint not null default 0,
        finished_at timestamptz
    )
    """,
    "delete from due where kind = 'catalogue'",
    """
    insert into due (kind, key, connection_id, ship_by)
    select 'export', connection_id, connection_id, timestamptz '1970-01-01 00:00+00' from catalogues
    on conflict (kind, key) do nothing
    """,
    """
    create table mappings (
        connection_id text not null,
        amazon_sku text not null,
        rev bigint not null,
        mapping text not null,
        primary key (connection_id, amazon_sku)
    )
    """,
    # Which SKUs orders are being looked up for.
    "alter table waits rename to wanted",
    "alter index waits_by_sku rename to wanted_by_sku",
    "alter index waits_pkey rename to wanted_pkey",
    # What each order that has no Shopify order yet depends on (see domain/keys.py).
    """
    create table waits (
        order_id text primary key,
        connection_id text not null,
        keys bigint[] not null
    )
    """,
    "create index waits_by_key on waits using gin (keys)",
    # Orders known before are decided once more, so that they wait for what they depend on.
    """
    insert into undecided (order_id, connection_id, ship_by)
    select order_id, connection_id, ship_by from orders where disposition in ('import', 'wait') on conflict do nothing
    """,
    # ``pins`` are the lines of the newest successful match as JSON, while the newest fact is not that match itself.
    """
    alter table orders
        add column purchased_at timestamptz,
        add column pins text,
        add column created boolean not null default false
    """,
    # A match with the path that each line took is larger than what PostgreSQL begins to compress at, which would cost
    # more than it saves: such a row is written anew with every match, and its event is gone a moment later.
    "alter table orders set (toast_tuple_target = 8160)",
    "alter table outbox set (toast_tuple_target = 8160)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
