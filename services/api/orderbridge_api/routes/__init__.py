"""REST, version 1: each route translates a request, calls one action, and translates its answer back."""

from .application import create_application

__all__ = ["create_application"]
