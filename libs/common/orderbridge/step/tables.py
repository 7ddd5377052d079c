"""The tables that every service has in its own schema beside its own."""

from __future__ import annotations

from collections.abc import Callable

STATEMENTS = (
    """
    create table inbox (
        consumer text not null,
        ce_id text not null,
        seen_at timestamptz not null default now(),
        primary key (consumer, ce_id)
    )
    """,
    "create index inbox_seen_at on inbox using brin (seen_at)",
    """
    create table outbox (
        id bigint generated always as identity primary key,
        topic text not null,
        key text not null,
        ce_id text not null,
        ce_time timestamptz not null,
        payload bytea,
        traceparent text,
        command_id text
    )
    """,
    # One row per kind and key: work that is asked for again while it is pending is still one piece of work.
    # ``version`` counts the askings, so that a worker that ends an older asking does not end the newer one.
    """
    create table due (
        id bigint generated always as identity primary key,
        kind text not null,
        key text not null,
        connection_id text not null,
        payload jsonb not null default '{}',
        ship_by timestamptz,
        run_at timestamptz not null default now(),
        cause_source text,
        cause_seq bigint,
        command_id text,
        version integer not null default 1,
        tries integer not null default 0,
        waits integer not null default 0,
        taken_by bigint,
        unique (kind, key)
    )
    """,
    "create index due_by_connection on due (connection_id, ship_by nulls last, id) where taken_by is null",
    "create index due_taken on due (taken_by) where taken_by is not null",
    """
    create table parked (
        parked_id text primary key,
        state text not null default 'parked',
        order_id text,
        connection_id text,
        origin text not null,
        partition integer,
        "offset" bigint,
        key text,
        headers jsonb not null default '{}',
        message_source text,
        message_seq bigint,
        reason text not null,
        at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index parked_open on parked (order_id) where state = 'parked'",
    """
    create table connections (
        connection_id text primary key,
        rev integer not null,
        config jsonb not null,
        state text not null default 'ok',
        message text,
        missing jsonb not null default '[]',
        status_rev integer not null default 0,
        check_answered integer not null default 0
    )
    """,
)


def create_step_tables(execute: Callable[[str], object]) -> None:
    """Make them; ``execute`` is Alembic's ``op.execute``. The schema is the first of the search path."""
    for statement in STATEMENTS:
        execute(statement)
