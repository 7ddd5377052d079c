"""A shop of any number of variants that can do one thing: hand its catalogue over as a file, written as it is read.

``python -m tests.bench.big_shop PORT VARIANTS``. It answers the few operations that a first load needs, and no other.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

SIZES: Final = ("XS", "S", "M", "L", "XL")
COLOURS: Final = ("Black", "Navy")
A_PRODUCT: Final = len(SIZES) * len(COLOURS)
_NAMES: Final = ("Harbor", "Cedar", "Meadow", "Granite", "Willow", "Summit", "Prairie", "Lagoon")
_THINGS: Final = ("Linen Shirt", "Work Apron", "Rain Jacket", "Wool Scarf", "Canvas Bag")
_WRITTEN: Final = "2026-11-20T12:00:00Z"
_LINES_AT_ONCE: Final = 500


def product_title(product: int) -> str:
    return f"{_NAMES[product % len(_NAMES)]} {_THINGS[product % len(_THINGS)]} {product}"


def sku(variant: int) -> str:
    product, place = divmod(variant, A_PRODUCT)
    return f"B{product:06d}-{SIZES[place % len(SIZES)]}-{COLOURS[place // len(SIZES)][:2].upper()}"


def amazon_title(variant: int) -> str:
    """As an Amazon listing of the variant would be titled."""
    product, place = divmod(variant, A_PRODUCT)
    return f"{product_title(product)}: Size {SIZES[place % len(SIZES)]}, Color {COLOURS[place // len(SIZES)]}"


def lines(variants: int) -> Iterator[bytes]:
    """One variant a line, as a bulk operation writes them."""
    for variant in range(variants):
        product, place = divmod(variant, A_PRODUCT)
        size, colour = SIZES[place % len(SIZES)], COLOURS[place // len(SIZES)]
        node = {
            "id": f"gid://shopify/ProductVariant/{40_000_000_000 + variant}",
            "sku": sku(variant),
            "title": f"{size} / {colour}",
            "updatedAt": _WRITTEN,
            "inventoryPolicy": "DENY",
            "selectedOptions": [{"name": "Size", "value": size}, {"name": "Color", "value": colour}],
            "inventoryItem": {"id": f"gid://shopify/InventoryItem/{50_000_000_000 + variant}", "tracked": True},
            "product": {
                "id": f"gid://shopify/Product/{30_000_000_000 + product}",
                "title": product_title(product),
                "status": "ACTIVE",
                "updatedAt": _WRITTEN,
            },
        }
        yield json.dumps(node, separators=(",", ":")).encode() + b"\n"


class BigShop:
    """An ASGI application."""

    def __init__(self, port: int, variants: int) -> None:
        self._port = port
        self._variants = variants

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        path = str(scope["path"])
        if path == "/export.jsonl":
            await self._file(send)
        elif path.endswith("/access_token"):
            await _answer(send, {"access_token": "bench", "expires_in": 86_399, "scope": "read_products"})
        elif path.endswith("/graphql.json"):
            await _answer(send, {"data": self._data(json.loads(body)["query"])})
        else:
            await _answer(send, {"ok": True})

    def _data(self, query: str) -> dict[str, Any]:
        operation = {"id": "gid://shopify/BulkOperation/1", "createdAt": _WRITTEN, "errorCode": None}
        if "bulkOperationRunQuery" in query:
            return {"bulkOperationRunQuery": {"bulkOperation": operation | {"status": "CREATED"}, "userErrors": []}}
        if "bulkOperation(" in query:
            url = f"http://127.0.0.1:{self._port}/export.jsonl"
            done = {"status": "COMPLETED", "objectCount": str(self._variants), "url": url}
            return {"bulkOperation": operation | done}
        if "currentAppInstallation" in query:
            scopes = [{"handle": "read_products"}]
            return {"currentAppInstallation": {"accessScopes": scopes}, "metafieldDefinitions": {"nodes": []}}
        return {"products": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}

    async def _file(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        written = lines(self._variants)
        while portion := [line for _, line in zip(range(_LINES_AT_ONCE), written, strict=False)]:
            await send({"type": "http.response.body", "body": b"".join(portion), "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


async def _answer(send: Any, value: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


if __name__ == "__main__":
    uvicorn.run(BigShop(int(sys.argv[1]), int(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
