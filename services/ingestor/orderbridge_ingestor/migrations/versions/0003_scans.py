"""Back-fills and re-scans with how far each has come, orders that a back-fill named, and when Amazon showed each."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # ``step`` counts how often it was saved: who goes on from an older place saves nothing.
    """
    create table scans (
        scan_id text primary key,
        connection_id text not null,
        command_id text,
        asked jsonb not null,
        place jsonb,
        counts jsonb not null,
        step integer not null default 0,
        at timestamptz not null
    )
    """,
    "create index scans_by_connection on scans (connection_id)",
    # ``read_at`` is kept true of orders that wait; those that Amazon has not shown for long are asked for.
    """
    alter table orders add column named boolean not null default false,
        add column read_at timestamptz not null default now()
    """,
    "create index orders_waiting on orders (connection_id, read_at) where disposition = 'wait'",
    # A connection that becomes known from now on gets these with its first settings.
    """
    insert into due (kind, key, connection_id, run_at)
    select kind, connection_id, connection_id, now() + make_interval(secs => delay_s)
    from connections, (values ('rescan', 14400), ('silent', 600)) as work (kind, delay_s)
    on conflict (kind, key) do nothing
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
