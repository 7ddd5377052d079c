"""The api's schema, by Alembic."""

from orderbridge.postgres import Migrations

MIGRATIONS = Migrations("api", "orderbridge_api.migrations")
