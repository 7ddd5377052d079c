"""The vault: three tables of one shape, so that each service's role can be granted just its own; canaries."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("orders", "connections", "parked"):
        op.execute(f"""
            create table vault.{table} (
                owner text primary key,
                kid text not null,
                wrapped_key bytea not null,
                ciphertext bytea not null,
                rev bigint not null default 1,
                delete_after timestamptz,
                written_at timestamptz not null default now()
            )
        """)
        # Which generations of the master key are in use is asked at every start and by ``rewrap``.
        op.execute(f"create index {table}_kid on vault.{table} (kid)")
    op.execute("create table vault.canaries (kid text primary key, sealed bytea not null)")
