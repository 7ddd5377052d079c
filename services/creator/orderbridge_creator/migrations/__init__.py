"""The creator's schema."""

from orderbridge.postgres import Migrations

MIGRATIONS = Migrations("creator", "orderbridge_creator.migrations")
