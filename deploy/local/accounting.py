"""The three-way comparison: what Amazon has, what OrderBridge says, what Shopify got. Pure: figures in, faults out."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]

IMPORTABLE = ("UNSHIPPED", "PARTIALLY_SHIPPED")
PAGE = 100
# A reason is due where no Shopify order is; what is undecided is no outcome at all.
WITHOUT_ORDER = ("pending", "skipped", "unmatched", "failed", "canceled")
# An attempt that was written down but never left: the process was killed in between, or there was no connection.
NEVER_SENT = ("not_sent", "not_found")
# What the attempt says of an orderCreate, by what the shop's ledger says of it. Who is killed between the call and its
# record looks the order up later, and finds it or does not.
RECORDED_AS = {
    "accepted": ("accepted", "found"),
    "refused": ("refused", "throttled", "identity_taken", "blocked", "not_found"),
    "cut_off": ("not_found",),
}


@dataclass(frozen=True)
class Books:
    """Everything there is to compare, of one seller and one shop.

    ``amazon``: orders as the seller has them; ``calls``: every call to Amazon; ``ours``: order resources of contract
    section 5; ``attempts``: the creator's records of calls (`amazon_order_id`, `attempt`, `outcome`); ``shopify``:
    orders; ``creates``: every orderCreate with its outcome. ``expected`` maps an Amazon order id to the status and
    reason code that the story gives it.
    """

    amazon: Sequence[Record]
    calls: Sequence[Record]
    ours: Sequence[Record]
    attempts: Sequence[Record]
    shopify: Sequence[Record]
    creates: Sequence[Record]
    expected: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """The figures of contract section 9, and one clear line for each thing that is not as it must be."""

    by_status: Mapping[str, int]
    at_amazon: int
    importable: int
    known: int
    with_reason: int
    at_shopify: int
    forced: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    polls: int
    amazon_calls: int
    accepted: int
    refused: int
    cut_off: int
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


def settle(books: Books) -> Account:
    """Compare the three."""
    amazon = {order["orderId"]: order for order in books.amazon}
    ours = {order["amazon_order_id"]: order for order in books.ours}
    shopify = _by_amazon_id(books.shopify)
    importable = {order_id for order_id, order in amazon.items() if is_importable(order)}
    lost = tuple(sorted(o for o in importable if o not in shopify and not _has_reason(ours.get(o))))
    doubled = tuple(sorted(o for o, made in shopify.items() if len(made) > 1))
    outcomes = Counter(create["outcome"] for create in books.creates)
    polls = polls_of(books.calls)
    return Account(
        by_status=Counter(order["status"] for order in books.ours),
        at_amazon=len(amazon),
        importable=len(importable),
        known=len(ours),
        with_reason=sum(_has_reason(order) for order in books.ours),
        at_shopify=len(books.shopify),
        forced=sum("amazon-forced" in order["tags"] for order in books.shopify),
        lost=lost,
        doubled=doubled,
        polls=len(polls),
        amazon_calls=sum(call["operation"] != "token" for call in books.calls),
        accepted=outcomes["accepted"],
        refused=outcomes["refused"],
        cut_off=outcomes["cut_off"],
        faults=(
            *(f"{order} is lost: importable at Amazon, no Shopify order and no reason" for order in lost),
            *(f"{order} is doubled: {_gids(shopify[order])}" for order in doubled),
            *_strangers(amazon, books.ours, shopify),
            *_unknown(amazon, ours, lost),
            *_contradictions(_without(ours, lost), shopify),
            *_surprises(_without(ours, lost), books.expected),
            *_faults_of_polls(polls, books.calls),
            *_faults_of_creates(books, ours),
        ),
    )


def is_importable(order: Record) -> bool:
    """Whether it has to end as a Shopify order, or with a reason, as the seller sees it."""
    fulfillment = order.get("fulfillment", {})
    return fulfillment.get("fulfilledBy") == "MERCHANT" and fulfillment.get("fulfillmentStatus") in IMPORTABLE


def polls_of(calls: Iterable[Record]) -> list[list[Record]]:
    """The searchOrders calls, grouped into polls: each begins with the call for a first page."""
    polls: list[list[Record]] = []
    for call in calls:
        if call["operation"] != "searchOrders":
            continue
        if call["first_page"] or not polls:
            polls.append([])
        polls[-1].append(call)
    return polls


def pages_needed(window_orders: int) -> int:
    return max(1, -(-window_orders // PAGE))


def is_whole(poll: Sequence[Record]) -> bool:
    """Whether every page of it has been asked for; one that was refused has no more pages."""
    orders = poll[0]["window_orders"]
    return orders is None or len(poll) >= pages_needed(orders)


def _by_amazon_id(orders: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for order in orders:
        found[str(order["amazon_order_id"])].append(order)
    return dict(found)


def _gids(orders: Sequence[Record]) -> str:
    return " and ".join(order["gid"] for order in orders)


def _has_reason(order: Record | None) -> bool:
    """A status that says why there is no Shopify order, with a code for programs and a sentence for people."""
    if order is None or order["status"] not in WITHOUT_ORDER:
        return False
    reason = order["reason"] or {}
    return bool(reason.get("code") and reason.get("message"))


def _strangers(amazon: Collection[str], ours: Sequence[Record], shopify: Mapping[str, list[Record]]) -> Iterator[str]:
    for order_id, made in shopify.items():
        if order_id not in amazon:
            yield f"{_gids(made)} in Shopify has no Amazon order ({order_id})"
    listed = Counter(order["amazon_order_id"] for order in ours)
    for order_id, times in listed.items():
        if order_id not in amazon:
            yield f"{order_id} is listed by us but is no Amazon order"
        if times > 1:
            yield f"{order_id} is listed {times} times by us"


def _without(ours: Mapping[str, Record], lost: Collection[str]) -> dict[str, Record]:
    """One line is enough for an order that is lost, unless we even call it created."""
    return {order_id: order for order_id, order in ours.items() if order_id not in lost or order["status"] == "created"}


def _unknown(amazon: Collection[str], ours: Collection[str], lost: Collection[str]) -> Iterator[str]:
    for order_id in sorted(set(amazon) - set(ours) - set(lost)):
        yield f"{order_id} of Amazon is not listed by us"


def _contradictions(ours: Mapping[str, Record], shopify: Mapping[str, list[Record]]) -> Iterator[str]:
    """Exactly one Shopify order, or exactly one visible reason: never both, never neither."""
    for order_id, order in ours.items():
        made = shopify.get(order_id, [])
        if order["status"] == "created":
            shown = (order["shopify"] or {}).get("order_id")
            if not made:
                yield f"{order_id} is created by our word ({shown}), but Shopify has no such order"
            elif shown not in [one["gid"] for one in made]:
                yield f"{order_id} is {_gids(made)} in Shopify, but {shown} by our word"
            elif any(one.get("cancelled") for one in made) and not order.get("attention"):
                yield f"{order_id} is created by our word, but {_gids(made)} is canceled in Shopify, and nobody says so"
            if order["reason"] is not None:
                yield f"{order_id} is created and still has the reason {order['reason']['code']}"
        elif made and not (order["status"] == "canceled" and all(one.get("cancelled") for one in made)):
            yield f"{order_id} is {order['status']} by our word, but {_gids(made)} is in Shopify"
        elif not _has_reason(order):
            yield f"{order_id} is {order['status']}, without a Shopify order and without a reason"


def _surprises(ours: Mapping[str, Record], expected: Mapping[str, tuple[str, str | None]]) -> Iterator[str]:
    for order_id, (status, code) in expected.items():
        if (order := ours.get(order_id)) is None:
            continue  # not listed: said already
        found = (order["status"], (order["reason"] or {}).get("code"))
        if found != (status, code):
            yield f"{order_id} is {_outcome(*found)}, by its story {_outcome(status, code)}"


def _outcome(status: str, code: str | None) -> str:
    return f"{status} ({code})" if code else status


def _faults_of_polls(polls: Sequence[Sequence[Record]], calls: Sequence[Record]) -> Iterator[str]:
    """One call carries up to 100 orders, and nothing else is called but for tokens."""
    for operation, times in Counter(call["operation"] for call in calls).items():
        if operation not in ("searchOrders", "token"):
            yield f"Amazon was called {times} times for {operation}; searchOrders and tokens are all that is needed"
    if not polls:
        yield "Amazon was never polled"
    for poll in polls:
        first = poll[0]
        if wrong := [call for call in poll if call["status"] != 200]:
            yield f"searchOrders number {wrong[0]['n']} was answered {wrong[0]['status']}"
        elif not first["first_page"]:
            yield f"searchOrders number {first['n']} asks for a later page of no poll"
        elif len(poll) != pages_needed(first["window_orders"]):
            yield (
                f"the poll of call {first['n']} made {len(poll)} calls for {first['window_orders']} orders, "
                f"not {pages_needed(first['window_orders'])}"
            )


def _faults_of_creates(books: Books, ours: Mapping[str, Record]) -> Iterator[str]:
    """Accepted calls are orders, exactly; every call is an attempt that we wrote down before it.

    An order that was canceled after its creation is still one of Shopify's.
    """
    accepted = [create for create in books.creates if create["outcome"] == "accepted"]
    created = sum(order["status"] in ("created", "canceled") and bool(order["shopify"]) for order in ours.values())
    if not len(accepted) == created == len(books.shopify):
        yield (
            f"{len(accepted)} orderCreates were accepted, {created} orders are created by our word, "
            f"{len(books.shopify)} are in Shopify: the three must be equal"
        )
    for order_id in sorted(_ids(books.creates) | _ids(books.attempts) | ours.keys()):
        creates = [one for one in books.creates if str(one["amazon_order_id"]) == order_id]
        attempts = [one for one in books.attempts if one["amazon_order_id"] == order_id]
        told = (ours[order_id]["attempts"] or 0) if order_id in ours else 0
        if told != len(attempts):
            yield f"{order_id} shows {told} attempts, {len(attempts)} were written down"
        if not _are_the_same(creates, attempts):
            yield f"{order_id}: Shopify saw {_outcomes(creates)}, written down were {_outcomes(attempts)}"


def _ids(records: Iterable[Record]) -> set[str]:
    return {str(record["amazon_order_id"]) for record in records}


def _outcomes(records: Sequence[Record]) -> str:
    return ", ".join(str(record["outcome"]) for record in records) or "nothing"


def _are_the_same(creates: Sequence[Record], attempts: Sequence[Record]) -> bool:
    """Whether each call is the next attempt, in order; attempts that never left lie between them."""
    seen = deque(create["outcome"] for create in creates)
    for attempt in sorted(attempts, key=lambda one: int(one["attempt"])):
        if seen and attempt["outcome"] in RECORDED_AS[seen[0]]:
            seen.popleft()
        elif attempt["outcome"] not in NEVER_SENT:
            return False
    return not seen
