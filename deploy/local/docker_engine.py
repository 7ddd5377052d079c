"""Whether a Docker engine answers; the one home of the engine's own client, which ships no types."""

from __future__ import annotations

import contextlib
import functools
import os
import socket

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

PATIENCE_S = 3
USUAL_ADDRESS = "unix:///var/run/docker.sock"

__all__ = ["DockerException", "engine_answers"]


@functools.cache
def engine_answers() -> bool:
    """Asked once a process: an engine that hangs costs its time-out only once."""
    address = os.environ.get("DOCKER_HOST") or USUAL_ADDRESS
    if address.startswith("unix://") and not _accepts(address.removeprefix("unix://")):
        return False
    try:
        client = docker.from_env(timeout=PATIENCE_S)
    except DockerException:
        return False
    with contextlib.closing(client):
        try:
            return bool(client.ping())
        except (DockerException, OSError):
            return False


def _accepts(path: str) -> bool:
    # Looked at by ourselves first: the client leaks a socket when nobody listens on the path.
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PATIENCE_S)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
