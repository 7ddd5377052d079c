"""Who writes and who reads each topic, and with which model: contract section 2 beside ``orderbridge.topics``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from orderbridge import events, topics
from orderbridge.topics import TOPICS, Topic
from orderbridge_api.domain.resource import OrderResource

ORDER_KEY = "order_id, `<connection_id>:<amazon_order_id>`"
COMMAND_KEY = "order_id, or connection_id where the command is for the whole connection"


@dataclass(frozen=True)
class Channel:
    """One topic: the model of its values, what its keys are, and which services stand at either end."""

    topic: Topic
    model: type[BaseModel]
    key: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    says: str

    @property
    def name(self) -> str:
        """The topic without the characters that AsyncAPI keeps for itself: ``orders-imported-v1``."""
        return self.topic.name.replace(".", "-")

    @property
    def message(self) -> str:
        return self.model.__name__


@dataclass(frozen=True)
class _Traffic:
    model: type[BaseModel]
    key: str
    writers: str
    readers: str
    says: str


_WORKERS = "ingestor matcher creator"

_TRAFFIC: dict[str, _Traffic] = {
    topics.IMPORTED: _Traffic(
        events.OrderImported,
        ORDER_KEY,
        "ingestor",
        "matcher creator api",
        "what Amazon says of the order now, and its disposition",
    ),
    topics.MATCHED: _Traffic(
        events.OrderMatched,
        ORDER_KEY,
        "matcher",
        "creator api",
        "a variant and quantity for every line, and by which rule",
    ),
    topics.UNMATCHED: _Traffic(
        events.OrderUnmatched,
        ORDER_KEY,
        "matcher",
        "creator api",
        "which lines found none or several, why, and candidates",
    ),
    topics.PROGRESS: _Traffic(
        events.OrderProgress,
        ORDER_KEY,
        "creator",
        "api",
        "the creation's phase: planned, sending, unknown, holding, resolved, canceled",
    ),
    topics.CREATED: _Traffic(events.OrderCreated, ORDER_KEY, "creator", "matcher api", "the Shopify order"),
    topics.FAILED: _Traffic(events.OrderFailed, ORDER_KEY, "creator", "api", "why it was not created"),
    topics.COMMANDS: _Traffic(events.Command, COMMAND_KEY, "api", _WORKERS, "what an operator wants"),
    topics.COMMANDS_ENDED: _Traffic(
        events.CommandEnded, "as the command's", _WORKERS, "api", "done or rejected, with the reason"
    ),
    topics.SHOP_CHANGES: _Traffic(
        events.ShopChanged,
        "`<connection_id>:` and the Shopify id of the product, variant, inventory item or order",
        "matcher api",
        "matcher creator api",
        "a product, variant, stock level or order changed or went away",
    ),
    topics.CONNECTIONS: _Traffic(
        events.ConnectionChanged,
        "connection_id",
        "api",
        _WORKERS,
        "a connection's settings, never a secret; a tombstone when it is removed",
    ),
    topics.CONNECTIONS_STATUS: _Traffic(
        events.ConnectionStatus,
        "`<connection_id>:<service>`",
        _WORKERS,
        "api",
        "ok, unauthorized or misconfigured, and what is missing; the check it answers",
    ),
    topics.SKU_MAPPINGS: _Traffic(
        events.SkuMapping,
        "`<connection_id>:<amazon_sku>`",
        "api",
        "matcher",
        "what an Amazon SKU is at Shopify; a tombstone when the mapping is deleted",
    ),
    topics.STATUS: _Traffic(
        OrderResource,
        ORDER_KEY,
        "api",
        "dashboards",
        "the order now, as `GET /v1/orders/{order_id}` answers it; the latest wins, a tombstone erases",
    ),
    topics.PARKED: _Traffic(
        events.MessageParked,
        ORDER_KEY,
        "ingestor matcher creator api",
        "api",
        "parked, replayed or superseded: coordinates and reason, never the body",
    ),
}


def channels() -> Iterator[Channel]:
    """Every topic of ``orderbridge.topics`` with its traffic; raises ``LookupError`` when the two lists differ."""
    listed = {topic.name for topic in TOPICS}
    if listed != set(_TRAFFIC):
        raise LookupError(f"described in one of topics.py and channels.py only: {sorted(listed ^ set(_TRAFFIC))}")
    for topic in TOPICS:
        traffic = _TRAFFIC[topic.name]
        yield Channel(
            topic,
            traffic.model,
            traffic.key,
            tuple(traffic.writers.split()),
            tuple(traffic.readers.split()),
            traffic.says,
        )
