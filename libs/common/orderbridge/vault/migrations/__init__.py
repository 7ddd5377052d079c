"""Alembic scripts of schema ``vault``."""
