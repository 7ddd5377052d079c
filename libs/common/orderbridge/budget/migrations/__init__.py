"""Alembic scripts of schema ``budget``."""
