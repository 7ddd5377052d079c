"""What Amazon SKUs are at Shopify, every change of that, and which SKUs hold an order."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # A deleted mapping keeps its row, without targets: its revisions go on counting.
    """
    create table sku_mappings (
        connection_id text not null,
        amazon_sku text collate "C" not null,
        rev integer not null,
        mapping jsonb not null,
        deleted boolean not null,
        search text not null,
        actor text not null,
        at timestamptz not null,
        primary key (connection_id, amazon_sku)
    )
    """,
    # Who said what when; what was said before is the revision before.
    """
    create table sku_mapping_changes (
        connection_id text not null,
        amazon_sku text collate "C" not null,
        rev integer not null,
        mapping jsonb not null,
        actor text not null,
        at timestamptz not null,
        primary key (connection_id, amazon_sku, rev)
    )
    """,
    # Only of an unmatched order: any other costs nothing here.
    "alter table orders add column held jsonb",
    "create index orders_held on orders using gin (held) where held is not null",
    """
    update orders set held = (
        select jsonb_agg(distinct btrim(coalesce(line ->> 'amazon_sku', '')))
        from json_array_elements(resource -> 'lines') line
        where json_typeof(line -> 'reason') = 'object'
    ) where status = 'unmatched'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
