"""The whole catalogue as one file: Shopify writes it in the background, we read it line by line.

Source: shopify.dev, bulk operations, Admin API 2026-10. A connection of the query must be asked for by ``edges``; each
line is one variant with its product, so no line needs another. Five such operations of an app run at a time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..errors import Permanent, Throttled, Unavailable
from .catalogue import Variant, standalone, time_of
from .client import Client
from .documents import document
from .tokens import Shop

RUN_COST: Final = 10
READ_COST: Final = 1
BUSY_S: Final = 30.0
"""How long to wait for one of the app's operations to end."""
OVER: Final = ("COMPLETED", "FAILED", "CANCELED", "EXPIRED")


@dataclass(frozen=True, slots=True)
class Export:
    """``created_at`` is Shopify's time; ``url`` is where the file is, None when there are no variants."""

    gid: str
    status: str
    """CREATED, RUNNING, COMPLETED, FAILED, CANCELING, CANCELED, EXPIRED, or a word that Shopify added since."""
    created_at: datetime
    url: str | None = None
    error: str | None = None

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def complete(self) -> bool:
        return self.status == "COMPLETED"


class CatalogueExporter(Client):
    async def start_export(self, shop: Shop) -> Export:
        """Have Shopify write the file.

        :raises Throttled: as many operations of the app as Shopify allows are under way.
        :raises Permanent: Shopify refuses the query.
        """
        # The operation takes no operation name: only the selection is the query.
        query = document("exported_variants").partition("{")[2]
        variables = {"query": "{" + query}
        # One too many, whose answer was lost, is a file that nobody reads.
        data = await self.execute(shop, "bulk_operation_run_query", variables, cost=RUN_COST)
        answer = data.get("bulkOperationRunQuery") or {}
        errors = [error for error in answer.get("userErrors") or () if isinstance(error, Mapping)]
        if any(error.get("code") in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED") for error in errors):
            raise Throttled(f"{shop.domain} runs no more bulk operations now", retry_after_s=BUSY_S)
        operation = answer.get("bulkOperation")
        if errors or not isinstance(operation, Mapping):
            said = str(errors[0].get("message", "")) if errors else "no operation"
            raise Permanent(f"{shop.domain} refused the export of its variants: {said}")
        return _export(operation)

    async def export(self, shop: Shop, gid: str) -> Export | None:
        """How far it is; None when Shopify does not know it any more."""
        data = await self.execute(shop, "bulk_operation", {"id": gid}, cost=READ_COST)
        operation = data.get("bulkOperation")
        return _export(operation) if isinstance(operation, Mapping) else None

    async def exported(self, url: str) -> AsyncIterator[Variant]:
        """The variants of a file, one at a time: its size does not matter. The address is its own key.

        :raises Unavailable: the rest did not come.
        """
        async for line in self._http.lines(url):
            try:
                node = json.loads(line)
            except ValueError:
                raise Unavailable("the export of the catalogue breaks off within a line") from None
            for variant in standalone([node] if isinstance(node, Mapping) else []):
                yield variant


def _export(operation: Mapping[str, Any]) -> Export:
    url, error = operation.get("url"), operation.get("errorCode")
    return Export(
        gid=str(operation.get("id")),
        status=str(operation.get("status")),
        created_at=time_of(operation.get("createdAt")),
        url=url if isinstance(url, str) and url else None,
        error=str(error) if error else None,
    )
