"""Reading an order by its id, and canceling it (Shopify Admin API 2026-10).

``orderCancel`` is carried out by a job after it was answered; asked for twice it cancels once, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import Unavailable
from ..ids import AMAZON_ORDER_ID
from .client import Client
from .privacy import Problem, user_problems
from .tokens import Shop

ORDER_COST: Final = 2
CANCEL_COST: Final = 11
JOB_COST: Final = 1
CANCEL_DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order as it stands at Shopify; ``amazon_order_id`` is the one that it says it came from, if any."""

    gid: str
    name: str | None
    canceled: bool
    amazon_order_id: str | None


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """A job cancels it; what came of that, the order says. ``job`` is None where Shopify named none."""

    job: str | None


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """Not canceled, or canceled before."""

    problems: tuple[Problem, ...]


class OrderCanceller(Client):
    async def order_by_id(self, shop: Shop, gid: str) -> ShownOrder | None:
        """The order, by a keyed read and not the search index; None when there is none."""
        data = await self.execute(shop, "order_by_id", {"id": gid}, cost=ORDER_COST, reserve=0.0)
        order = data.get("order")
        if not isinstance(order, Mapping) or not order.get("id"):
            return None
        name = order.get("name")
        return ShownOrder(
            gid=str(order["id"]),
            name=name if isinstance(name, str) else None,
            canceled=bool(order.get("cancelledAt")),
            amazon_order_id=_amazon_order_id(order),
        )

    async def order_cancel(self, shop: Shop, gid: str, *, restock: bool) -> CancelAccepted | CancelRefused:
        """Cancel without a refund (the money is Amazon's) and without a word to the buyer.

        :raises Throttled, Unavailable: it may have been taken or not; the order says so, in a while.
        """
        asked = {"orderId": gid, "reason": "OTHER", "restock": restock}
        data = await self.execute(
            shop, "order_cancel", asked, cost=CANCEL_COST, reserve=0.0, deadline_s=CANCEL_DEADLINE_S
        )
        payload = data.get("orderCancel") or {}
        job = payload.get("job")
        if isinstance(job, Mapping):
            return CancelAccepted(str(job["id"]) if job.get("id") else None)
        errors = [error for error in payload.get("orderCancelUserErrors") or () if isinstance(error, Mapping)]
        if not errors:
            raise Unavailable(f"{shop.domain} answered with neither a job nor an error")
        return CancelRefused(user_problems(errors, {}))

    async def job_done(self, shop: Shop, job: str) -> bool:
        """Whether it has ended; one that Shopify does not know any more has."""
        data = await self.execute(shop, "job", {"id": job}, cost=JOB_COST, reserve=0.0)
        found = data.get("job")
        return not isinstance(found, Mapping) or bool(found.get("done", True))


def _amazon_order_id(order: Mapping[str, Any]) -> str | None:
    """Our metafield first; ``sourceIdentifier`` is anybody's to write, so only what looks like such an id counts."""
    metafield = order.get("metafield")
    written = metafield.get("value") if isinstance(metafield, Mapping) else None
    if isinstance(written, str) and written:
        return written
    source = order.get("sourceIdentifier")
    return source if isinstance(source, str) and AMAZON_ORDER_ID.fullmatch(source) else None
