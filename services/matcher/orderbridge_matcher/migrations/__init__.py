"""The matcher's schema."""

from orderbridge.postgres import Migrations

MIGRATIONS = Migrations("matcher", "orderbridge_matcher.migrations")
