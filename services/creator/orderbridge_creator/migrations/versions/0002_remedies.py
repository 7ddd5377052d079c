"""Orders that wait for stock, and the commands that close an order by hand."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # ``awaited``: a command of the order has not ended.
    """
    alter table orders
        add column remedies jsonb not null default '[]',
        add column awaited boolean not null default false
    """,
    """
    update orders set awaited = true
    where exists (select from jsonb_array_elements(asked) as one where one ->> 'state' <> 'ended')
    """,
    "create index orders_awaited on orders (connection_id, order_id) where awaited",
    "create index orders_by_shopify_order on orders (shopify_order_id) where shopify_order_id is not null",
    # One row per order refused for want of stock and variant that it needs. ``seen`` is how many units there were then,
    # where only more than that is a reason to try again; ``flagged`` counts the words of a change that nobody has
    # looked into yet; ``woken``: the order is on its way again, and the units are spoken for.
    """
    create table waits (
        order_id text not null,
        variant_id text not null,
        connection_id text not null,
        inventory_item_id text,
        product_id text,
        shopify_sku text,
        units integer not null,
        seen integer,
        ship_by timestamptz,
        flagged integer not null default 0,
        woken boolean not null default false,
        primary key (order_id, variant_id)
    )
    """,
    "create index waits_by_variant on waits (connection_id, variant_id)",
    "create index waits_by_item on waits (connection_id, inventory_item_id)",
    "create index waits_by_product on waits (connection_id, product_id)",
    "create index waits_flagged on waits (connection_id, order_id) where flagged > 0",
    # Orders that were refused before this table was there wait from now on; their fact tells what for.
    """
    insert into waits (order_id, variant_id, connection_id, shopify_sku, units, ship_by)
    select order_id, line ->> 'variant_id', connection_id, max(line ->> 'shopify_sku'),
           sum(cast(line ->> 'quantity' as integer)), max(cast(imported ->> 'ship_by' as timestamptz))
    from orders cross join jsonb_array_elements(fact -> 'reservation' -> 'lines') as line
    where phase = 'failed' and fact -> 'reason' ->> 'code' = 'unable_to_reserve_inventory'
      and imported -> 'disposition' ->> 'kind' = 'import' and match -> 'imported_seq' = imported -> 'seq'
      and fact -> 'match_seq' = match -> 'seq' and not match ? 'reason'
    group by order_id, line ->> 'variant_id', connection_id
    having sum(cast(line ->> 'quantity' as integer)) > 0
    """,
    """
    insert into due (kind, key, connection_id) select distinct 'reread', connection_id, connection_id from waits
    on conflict (kind, key) do nothing
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
