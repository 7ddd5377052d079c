"""The one way out: what was sent, and what may have been, are told apart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from orderbridge.errors import ConfigurationError, OutcomeUnknown, Unavailable
from orderbridge.http import Response, Timeouts, open_http, require_safe_url

Answerer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FAST = Timeouts(connect_s=2.0, total_s=2.0)


@asynccontextmanager
async def server(answer: Answerer) -> AsyncIterator[str]:
    """A socket that answers each connection as it is told; gives its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()


def says(text: bytes) -> Answerer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return answer


async def test_an_answer_is_given_whatever_its_status() -> None:
    async with (
        server(says(b"HTTP/1.1 418 No\r\nX-Tea: yes\r\nContent-Length: 3\r\n\r\npot")) as url,
        open_http() as http,
    ):
        response = await http.send("POST", url, content=b"{}")

    assert (response.status, response.body, response.headers["x-tEa"]) == (418, b"pot", "yes")


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with server(says(moved)) as url, open_http() as http:
        assert (await http.send("POST", url)).status == 302


async def test_without_a_connection_nothing_was_sent() -> None:
    async with server(says(b"")) as url:
        pass
    async with open_http() as http:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await http.send("POST", url, timeout=FAST)


@pytest.mark.parametrize("text", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_an_answer_that_is_cut_off_may_have_been_an_effect(text: bytes) -> None:
    async with server(says(text)) as url, open_http() as http:
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await http.send("POST", url, timeout=FAST)


async def test_the_deadline_counts_for_the_whole_answer_and_not_for_each_piece() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(drip) as url, open_http() as http:
        with pytest.raises(OutcomeUnknown, match=r"within 0\.3 s"):
            await http.send("POST", url, timeout=Timeouts(connect_s=0.2, total_s=0.3))


async def test_an_answer_that_is_too_large_is_not_swallowed() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"." * 2000
    async with server(says(large)) as url, open_http(body_cap=1000) as http:
        with pytest.raises(OutcomeUnknown, match="more than 1000 bytes"):
            await http.send("GET", url)


async def test_an_error_and_the_log_carry_neither_headers_nor_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with server(says(b"")) as url, open_http() as http:
        with pytest.raises(OutcomeUnknown) as caught:
            await http.send("POST", f"{url}/hidden-path", headers={"X-Token": "hidden-token"}, content=b"hidden-body")

    assert caught.value.__context__ is None
    assert "hidden" not in str(caught.value) + caplog.text


async def test_an_app_answers_in_this_process() -> None:
    async def app(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with open_http(asgi=app) as http:
        assert (await http.send("GET", "http://localhost/")).status == 204


async def test_plain_http_goes_to_this_machine_only() -> None:
    async with open_http() as http:
        with pytest.raises(ConfigurationError):
            await http.send("GET", "http://shop.example/")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-1"}, 0.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        (
            {"Retry-After": "Wed, 25 Nov 2026 12:00:09 GMT", "Date": "Wed, 25 Nov 2026 12:00:00 GMT"},
            9.0,
        ),
        ({"Retry-After": "Wed, 25 Nov 2026 12:00:09 GMT"}, None),
    ],
)
def test_retry_after_is_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert Response(429, headers, b"").retry_after_s() == seconds


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example/", "https://shop.example"),
        ("https://{shop}", "https://{shop}"),
        ("http://127.0.0.1:9402/{shop}", "http://127.0.0.1:9402/{shop}"),
        ("http://localhost:9402", "http://localhost:9402"),
        ("http://[::1]:9402", "http://[::1]:9402"),
    ],
)
def test_a_safe_address_is_kept(url: str, kept: str) -> None:
    assert require_safe_url("ORDERBRIDGE_SHOPIFY_URL", url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example",
        "http://127.0.0.1.shop.example",
        "http://{shop}",
        "ftp://127.0.0.1",
        "shop.example",
        "",
        "https://",
        "https://user:hidden@shop.example",
        "https://shop.example:port",
        "http://[::1",
    ],
)
def test_an_unsafe_address_is_a_mistake_in_one_line(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ORDERBRIDGE_SHOPIFY_URL") as caught:
        require_safe_url("ORDERBRIDGE_SHOPIFY_URL", url)

    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
