"""One seller's orders, kept in the two orders of time in which they are searched."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .clock import instant, microseconds

Order = dict[str, Any]
Axis = Literal["created", "lastUpdated"]
Key = tuple[int, str]


@dataclass(frozen=True)
class _Keys:
    created: Key
    lastUpdated: Key  # noqa: N815 - the name of the axis


def readable_order(order: Order) -> Order:
    """``order`` itself if it can be indexed and answers with Amazon's required fields; else :class:`ValueError`."""
    for name, kind in (("orderId", str), ("createdTime", str), ("lastUpdatedTime", str)):
        if not isinstance(order.get(name), kind):
            raise ValueError(f"{name} is missing or no string")
    channel, items = order.get("salesChannel"), order.get("orderItems")
    if not isinstance(channel, dict) or not isinstance(channel.get("channelName"), str):
        raise ValueError("salesChannel.channelName is missing")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("orderItems is no list of objects")
    instant(order["createdTime"])
    instant(order["lastUpdatedTime"])
    return order


def _keys_of(order: Order) -> _Keys:
    order_id = order["orderId"]
    return _Keys(
        (microseconds(instant(order["createdTime"])), order_id),
        (microseconds(instant(order["lastUpdatedTime"])), order_id),
    )


class OrderStore:
    """Orders by id, sorted by creation and by last update; a page of 100 out of 20 000 costs no scan."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._keys: dict[str, _Keys] = {}
        self._sorted: dict[Axis, list[Key]] = {"created": [], "lastUpdated": []}

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def all(self) -> list[Order]:
        """Every order, oldest update first."""
        return [self._orders[order_id] for _, order_id in self._sorted["lastUpdated"]]

    def put(self, order: Order) -> None:
        """Store a readable order in place of the one with its id."""
        order_id = order["orderId"]
        keys = _keys_of(order)
        old = self._keys.get(order_id)
        for axis, index in self._sorted.items():
            if old is not None:
                index.pop(bisect_left(index, getattr(old, axis)))
            insort(index, getattr(keys, axis))
        self._orders[order_id], self._keys[order_id] = order, keys

    def put_many(self, orders: Iterable[Order]) -> None:
        """Store many at once: one sort instead of one insertion each."""
        for order in orders:
            self._orders[order["orderId"]] = order
            self._keys[order["orderId"]] = _keys_of(order)
        for axis in self._sorted:
            self._sorted[axis] = sorted(getattr(keys, axis) for keys in self._keys.values())

    def between(self, axis: Axis, after: int, before: int, behind: Key | None) -> Iterator[tuple[Key, Order]]:
        """Orders with ``after <= time <= before`` in microseconds by time; of those, what lies behind a key."""
        index = self._sorted[axis]
        start = bisect_left(index, (after, "")) if behind is None else bisect_right(index, behind)
        for place in range(start, len(index)):
            key = index[place]
            if key[0] > before:
                return
            yield key, self._orders[key[1]]
