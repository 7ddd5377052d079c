"""Serves a stand-in on one address until it is told to stop."""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

_KEEP_ALIVE_S = 75
"""Longer than any client keeps an idle connection, so that it is not closed under a request."""


def serve(app: AsgiApp, name: str, host: str, port: int, *, server_date: bool) -> int:
    """Run until SIGTERM or SIGINT; the exit code is 2 when the address cannot be had, with one line that says so.

    Port 0 takes a free one. The first line on standard output names the address, once it accepts connections.
    Without ``server_date`` the application writes the ``Date`` header itself.
    """
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        sys.stderr.write(f"{name} stand-in: cannot listen on {host}:{port}: {_reason(error)}\n")
        return 2
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        date_header=server_date,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_ordered_cut)
    sys.stdout.write(f"{name} stand-in on http://{host}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        return 0
    return 0


def _reason(error: OSError) -> str:
    """The system's own words; ``create_server`` adds the address, which the line names already."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)


def _is_no_ordered_cut(record: logging.LogRecord) -> bool:
    """A connection that a stand-in breaks on purpose is no error of it."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ConnectionResetError)
