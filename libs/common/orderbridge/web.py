"""HTTP that every service has: liveness, readiness and metrics, on a port of its own or on the api's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .errors import ConfigurationError

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is not, in a few words."""


def health_routes(live: Check, ready: Check, before_metrics: Callable[[], Awaitable[None]]) -> APIRouter:
    """``/livez``: the loops turn. ``/readyz``: checked and joined. ``/metrics``: Prometheus' text format."""
    router = APIRouter(include_in_schema=False)

    async def answer(check: Check) -> Response:
        trouble = await check()
        return Response(trouble or "ok", status_code=503 if trouble else 200, media_type="text/plain")

    @router.get("/livez")
    async def livez() -> Response:
        return await answer(live)

    @router.get("/readyz")
    async def readyz() -> Response:
        return await answer(ready)

    @router.get("/metrics")
    async def metrics() -> Response:
        await before_metrics()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def health_app(live: Check, ready: Check, before_metrics: Callable[[], Awaitable[None]]) -> FastAPI:
    """The whole of what a worker serves."""
    app = FastAPI(openapi_url=None)
    app.include_router(health_routes(live, ready, before_metrics))
    return app


class _Server(uvicorn.Server):
    """A server whose end the process decides: it takes no signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A listening socket; a taken port is a ``ConfigurationError`` that names it. Port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"{variable}: port {port} cannot be taken ({error.strerror}): end what uses it, or set another port"
        ) from None
    return listener


async def serve_http(app: Any, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until ``stop``; requests under way are answered, open streams are ended after 5 s."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5, server_header=False
    )
    server = _Server(config)

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    ending = asyncio.create_task(end())
    try:
        await server.serve(sockets=[listener])
    finally:
        ending.cancel()
