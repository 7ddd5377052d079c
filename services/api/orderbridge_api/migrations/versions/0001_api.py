"""Facts for ever, the orders they show, commands, connections and keys."""

from alembic import op

from orderbridge.step import create_step_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # jsonb, so that the database refuses a text with a NUL character here and the message is parked.
    """
    create table facts (
        order_id text not null,
        source text not null,
        seq bigint not null,
        topic text not null,
        payload jsonb not null,
        at timestamptz not null,
        primary key (order_id, source, seq)
    )
    """,
    # The newest fact per source and the resource are kept as the text they came as and go out as. Every fact writes
    # its order's row anew: as long as it fits on a page, compressing it would cost more than it saves.
    """
    create table orders (
        order_id text primary key,
        connection_id text not null,
        imported json,
        match json,
        creation json,
        own json,
        status text,
        reason text,
        purchased_at timestamptz,
        ship_by timestamptz,
        fulfilled_by text,
        updated_at timestamptz,
        version bigint,
        waiting_since timestamptz,
        stuck text,
        link text,
        resource json,
        search text
    ) with (toast_tuple_target = 8160)
    """,
    "create index orders_newest on orders (purchased_at desc nulls last, order_id desc)",
    "create index orders_by_status on orders (status, reason)",
    "create index orders_waiting on orders (waiting_since) where waiting_since is not null",
    """
    create table commands (
        command_id text primary key,
        order_id text,
        connection_id text not null,
        mode text not null,
        reason text,
        actor text not null,
        parked_id text,
        state text not null default 'open',
        outcome text,
        rejection jsonb,
        ended_by text,
        created_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index commands_by_order on commands (order_id)",
    # A double click is harmless: no two open commands of one kind.
    "create unique index commands_open on commands (order_id, mode) where state = 'open' and parked_id is null",
    "create unique index replays_open on commands (parked_id) where state = 'open' and parked_id is not null",
    """
    create table idempotency_keys (
        caller text not null,
        key text not null,
        fingerprint text not null,
        status integer,
        body text,
        location text,
        at timestamptz not null,
        primary key (caller, key)
    )
    """,
    """
    create table parked_messages (
        parked_id text primary key,
        state text not null,
        order_id text,
        connection_id text,
        service text not null,
        origin text not null,
        partition integer,
        "offset" bigint,
        reason text not null,
        at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index parked_messages_newest on parked_messages (state, at desc, parked_id desc)",
    """
    create table connection_configs (
        connection_id text primary key,
        config jsonb not null,
        amazon_client_id text not null,
        shopify_client_id text not null,
        secrets_changed_at jsonb not null
    )
    """,
    """
    create table connection_statuses (
        connection_id text not null,
        service text not null,
        rev integer not null,
        at timestamptz not null,
        state text not null,
        status jsonb not null,
        primary key (connection_id, service)
    )
    """,
    """
    create table api_keys (
        name text primary key,
        role text not null,
        sha256 text not null,
        created_at timestamptz not null default now()
    )
    """,
)


def upgrade() -> None:
    create_step_tables(op.execute)
    for statement in STATEMENTS:
        op.execute(statement)
