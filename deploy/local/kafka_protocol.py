"""One request of Kafka's protocol, enough to know that a broker answers."""

from __future__ import annotations

import contextlib
import socket
import struct

CLIENT = b"orderbridge-local"
API_VERSIONS = 18
CORRELATION = 1
PATIENCE_S = 2.0


def broker_answers(address: str) -> bool:
    """Whether ``host:port`` answers ApiVersions (version 0, which every broker speaks) without an error.

    An open port is not enough: a broker in start-up accepts connections before it serves them.
    """
    host, _, port = address.rpartition(":")
    request = struct.pack(f">hhih{len(CLIENT)}s", API_VERSIONS, 0, CORRELATION, len(CLIENT), CLIENT)
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), PATIENCE_S) as line:
        line.settimeout(PATIENCE_S)
        line.sendall(struct.pack(">i", len(request)) + request)
        size, correlation, error = struct.unpack(">iih", _read(line, 10))
        return bool(correlation == CORRELATION and error == 0 and size >= 6)
    return False


def _read(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = line.recv(size - len(received))
        if not part:
            raise ConnectionError("the broker hung up")
        received += part
    return received
