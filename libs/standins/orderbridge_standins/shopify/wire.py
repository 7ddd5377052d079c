"""The little of HTTP that the vendor's door needs, straight on ASGI: bodies, answers, silence and cuts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ConnectionCut(ConnectionResetError):
    """The connection ended without an answer; raised only where there is no socket to close."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = field(default=())


def as_json(status: int, body: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps(body, separators=(",", ":")).encode(), headers=headers)


async def read_body(receive: Receive) -> bytes:
    """The whole request body.

    :raises ConnectionCut: when the client went away before it was complete.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionCut("the client went away")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def send_answer(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def send_pieces(send: Send, pieces: Iterable[bytes], content_type: str) -> None:
    """An answer of unknown length, handed on piece by piece as the client takes them."""
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def send_half(send: Send, receive: Receive, pieces: Sequence[bytes], content_type: str) -> None:
    """The first half of an answer, up to the middle of a line, and then no connection any more."""
    left = max(1, sum(len(piece) for piece in pieces) // 2)
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece[:left].rstrip(b"\n"), "more_body": True})
        left -= len(piece)
        if left <= 0:
            break
    await cut(receive)


async def wait_silently(receive: Receive, seconds: float, *, until: asyncio.Event | None = None) -> None:
    """Answer nothing for so long; ends early when the client gives up, or when ``until`` is set."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(receive())]
    if until is not None:
        waits.append(asyncio.ensure_future(until.wait()))
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def cut(receive: Receive) -> None:
    """Close the connection without an answer.

    ASGI has no word for it, and a server answers 500 for an app that returns in silence. uvicorn's ``receive``
    is a method of the object that holds the socket, so the socket is taken from there and aborted.

    :raises ConnectionCut: when there is no such socket, as under an in-process transport.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise ConnectionCut("the stand-in was told to cut this connection")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue
