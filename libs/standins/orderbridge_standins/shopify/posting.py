"""How a webhook leaves the stand-in: one POST over a connection of its own, and the status that came back."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

Deliver = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Takes the address, the headers and the body, and returns the status of the answer."""

_CONNECT_S: Final = 1.0


async def post(uri: str, headers: Mapping[str, str], body: bytes) -> int:
    """The status of the answer; a redirect is not followed.

    :raises OSError: it could not be reached, or gave no answer that can be read.
    """
    parts = urlsplit(uri)
    secure = parts.scheme == "https"
    async with asyncio.timeout(_CONNECT_S):
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if secure else 80), ssl=ssl.create_default_context() if secure else None
        )
    try:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()
        return _status(await reader.readline())
    finally:
        writer.close()


def is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _status(line: bytes) -> int:
    """``HTTP/1.1 200 OK`` is 200."""
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise OSError("the answer to a webhook cannot be read")
    return int(words[1])
