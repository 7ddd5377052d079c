"""Answers as bytes: JSON as a compact body, a connection that breaks, and the clock's ``Date`` on everything."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Response

from .clock import Clock, http_date

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class ConnectionCut(ConnectionResetError):
    """Raised out of the application on purpose: the server closes the connection in the middle of an answer."""


class CutResponse(Response):
    """Promises a body, sends the beginning of it, and breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})
        raise ConnectionCut("cut off as ordered by the control door")


class DateHeader:
    """Puts the stand-in's own time into the ``Date`` header of every answer: it is what a client may trust."""

    def __init__(self, app: AsgiApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", http_date(self._clock.now()).encode("ascii"))
                message["headers"] = [*message.get("headers", ()), date]
            await send(message)

        await self._app(scope, receive, dated)


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(value), status, headers, media_type="application/json")
