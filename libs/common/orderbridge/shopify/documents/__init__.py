"""The GraphQL operations we use, one a file, as package data (Shopify Admin API 2026-10)."""

from functools import cache
from importlib.resources import files


@cache
def document(name: str) -> str:
    """The text of ``<name>.graphql``."""
    return files(__package__).joinpath(f"{name}.graphql").read_text(encoding="utf-8")
