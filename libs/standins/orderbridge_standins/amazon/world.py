"""All that the stand-in knows, and the search over it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from .accounts import Accounts, Grant
from .clock import Clock, exact_stamp, instant, microseconds
from .ledger import Ledger
from .limits import Limits
from .marketplaces import EARLY_ARCHIVES, UNITED_STATES
from .orderstore import Key, Order, OrderStore
from .pages import Cursor, PageTokens
from .problems import not_found
from .search import SAFETY_LAG, SearchRequest
from .trouble import Trouble, Troubles
from .visible import fulfilled_by, marketplace_of, status_of, visible

_DEMO_SELLER: Final = Grant("A1ORDERBRIDGE", "amzn1.application-oa2-client.demo", "Atzr|demo", (UNITED_STATES,))
_DEMO_SECRET: Final = "demo-secret"
_ARCHIVE: Final = timedelta(days=2 * 365)
_EARLIEST: Final = instant("2016-01-01T00:00:00Z")


@dataclass(frozen=True)
class FoundPage:
    """One page: its answer, and what the ledger wants to know of it."""

    body: dict[str, Any]
    order_ids: list[str]
    window_orders: int


class World:
    """State in memory; :meth:`reset` is the state at the start, with the demo seller authorised."""

    def __init__(self, clock: Clock | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock or Clock()
        self._monotonic = monotonic
        self.reset()

    def reset(self) -> None:
        """Forget all but the clock."""
        self.accounts = Accounts()
        self.limits = Limits(self._monotonic)
        self.troubles = Troubles()
        self.ledger = Ledger()
        self.lag = timedelta(0)
        self._stores: dict[str, OrderStore] = {}
        self._pages = PageTokens()
        self.accounts.authorise(replace(_DEMO_SELLER), _DEMO_SECRET)

    def orders_of(self, seller_id: str) -> OrderStore:
        return self._stores.setdefault(seller_id, OrderStore())

    def find_order(self, grant: Grant, order_id: str, included: frozenset[str]) -> Order:
        """One order as ``getOrder`` shows it, or the 404."""
        order = self.orders_of(grant.seller_id).get(order_id)
        if order is None or not _authorised(order, grant):
            raise not_found()
        return visible(order, included, recipients=grant.sees_recipients)

    def search(self, grant: Grant, request: SearchRequest, trouble: Trouble | None = None) -> FoundPage:
        """One page of a search.

        All pages share the upper bound that the first one answered: the one asked for, or two minutes ago, less the
        lag. Orders changed after it are not in the answer, as Amazon's own words about ``lastUpdatedBefore`` warn.
        Pages go on behind the last order shown, so an order that changes meanwhile moves no other across a page's edge.
        """
        now = self.clock.now()
        if request.token is None:
            cursor = self._first(grant, request, now)
        else:
            cursor = self._pages.open(request.token, grant.seller_id, request, now)
        matches = self._matches(grant, request, cursor, now)
        page = list(islice(matches, request.page_size))
        more = next(matches, None) is not None
        # In no documented order: a client that leans on the sorting by time is found out.
        shown = sorted(page, key=lambda hit: hit[0][1])
        orders = [visible(order, request.included, recipients=grant.sees_recipients) for _, order in shown]
        body: dict[str, Any] = {"orders": orders, f"{request.axis}Before": cursor.answered_bound}
        if more:
            behind = cursor.behind if self._repeats(trouble) else page[-1][0]
            token = self._pages.issue(replace(cursor, behind=behind, issued_at=now))
            body["pagination"] = {"nextToken": token}
        return FoundPage(body, [order["orderId"] for order in orders], cursor.window_orders)

    def _first(self, grant: Grant, request: SearchRequest, now: datetime) -> Cursor:
        asked = request.before if request.before is not None else (now - SAFETY_LAG).replace(microsecond=0)
        bound = asked - self.lag
        start = Cursor(
            seller_id=grant.seller_id,
            signature=request.signature,
            before=microseconds(bound),
            answered_bound=exact_stamp(bound),
            behind=None,
            window_orders=0,
            issued_at=now,
        )
        return replace(start, window_orders=sum(1 for _ in self._matches(grant, request, start, now)))

    def _matches(self, grant: Grant, request: SearchRequest, cursor: Cursor, now: datetime) -> "_Matches":
        return _Matches(self.orders_of(grant.seller_id), grant, request, cursor, now)

    def _repeats(self, trouble: Trouble | None) -> bool:
        """Whether the next token must lead to this page again, as sellers saw it happen."""
        if trouble is None or trouble.kind != "duplicate_page":
            return False
        self.troubles.spend(trouble)
        return True


class _Matches:
    """The orders of a window that a search asks for, in order of time from the cursor on."""

    def __init__(self, store: OrderStore, grant: Grant, request: SearchRequest, cursor: Cursor, now: datetime) -> None:
        self._hits = store.between(request.axis, microseconds(request.after), cursor.before, cursor.behind)
        self._grant = grant
        self._request = request
        self._oldest = now - _ARCHIVE

    def __iter__(self) -> "_Matches":
        return self

    def __next__(self) -> tuple[Key, Order]:
        while True:
            key, order = next(self._hits)
            if self._asked_for(order):
                return key, order

    def _asked_for(self, order: Order) -> bool:
        request, marketplace = self._request, marketplace_of(order)
        oldest = _EARLIEST if marketplace in EARLY_ARCHIVES else self._oldest
        return (
            _authorised(order, self._grant)
            and _among(marketplace, request.marketplace_ids)
            and _among(status_of(order), request.statuses)
            and _among(fulfilled_by(order), request.fulfilled_by)
            and instant(order["createdTime"]) >= oldest
        )


def _among(value: str | None, allowed: frozenset[str] | None) -> bool:
    return allowed is None or value in allowed


def _authorised(order: Order, grant: Grant) -> bool:
    """Orders of a marketplace that was not authorised stay hidden; those sold elsewhere belong to none."""
    channel: Mapping[str, Any] = order["salesChannel"]
    return channel["channelName"] == "NON_AMAZON" or channel.get("marketplaceId") in grant.marketplace_ids
