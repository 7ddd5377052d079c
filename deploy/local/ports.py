"""Ports on the loopback address: the fixed ones of the stack, free ones for tests."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

from .errors import StartError

HOST = "127.0.0.1"
KAFKA_PORT = 19092
POSTGRES_PORT = 15432


@dataclass(frozen=True)
class Ports:
    """Where the processes of a stack listen; the fixed ones of the contract where nothing is said."""

    api: int = 8080
    ingestor: int = 9101
    matcher: int = 9102
    creator: int = 9103
    amazon: int = 9401
    shopify: int = 9402

    def of(self, name: str) -> int:
        """Of the process with this name."""
        port: int = getattr(self, name)
        return port


def free_ports() -> Ports:
    """Six that nobody listens on now: a stack beside another."""
    return Ports(*(free_port() for _ in range(6)))


def free_port() -> int:
    """A port nobody listens on now; another process may still take it before its caller does."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Whether a server could not bind the port; connections that are only closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def require_free(port: int, what: str, otherwise: str = "") -> None:
    """Raise ``StartError`` naming the port, who has it where that can be seen, and the remedy."""
    if is_taken(port):
        raise StartError(f"port {port} ({what}) is taken{_holder(port)}", f"stop what listens there{otherwise}")


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
