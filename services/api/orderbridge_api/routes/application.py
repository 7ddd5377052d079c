"""The application: routes, errors, and the OpenAPI document that says so."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from . import commands, connections, mappings, orders, retries, webhooks
from .guard import Guard
from .problems import MEDIA_TYPE, ProblemShown, register

_PROBLEM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_EVERYWHERE: dict[int | str, dict[str, Any]] = {
    401: {"description": "No API key that is known here", **_PROBLEM},
    403: {"description": "The key's role does not allow it", **_PROBLEM},
    422: {"description": "A field is wrong; errors names it", **_PROBLEM},
    500: {"description": "A mistake of ours", **_PROBLEM},
    503: {"description": "The database cannot be reached", **_PROBLEM},
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such thing", **_PROBLEM}}
_UNSIGNED: dict[int | str, dict[str, Any]] = {
    401: {"description": "Not signed by the connection's app and shop", **_PROBLEM},
    413: {"description": "The body is too large", **_PROBLEM},
}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"description": "Not possible now; code says why, remedy what mends it", **_PROBLEM}
}


def create_application() -> FastAPI:
    """Without a connection to anything: ``app.state`` gets ``desk`` and ``explain`` from who serves it."""
    app = FastAPI(
        title="OrderBridge",
        summary="Shows every Amazon order's way to Shopify, and takes retries",
        version=version("orderbridge-api"),
        docs_url=None,
        redoc_url=None,
    )
    for router in (orders.router, commands.router, retries.router, connections.router, mappings.router):
        app.include_router(router, responses={**_EVERYWHERE, **_NOT_FOUND, **_CONFLICT})
    app.include_router(webhooks.router, responses={**_EVERYWHERE, **_UNSIGNED})
    register(app)
    app.add_middleware(Guard)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, openapi_version="3.1.0", routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemShown.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    return document
