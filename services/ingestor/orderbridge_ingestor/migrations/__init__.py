"""The ingestor's schema."""

from orderbridge.postgres import Migrations

MIGRATIONS = Migrations("ingestor", "orderbridge_ingestor.migrations")
