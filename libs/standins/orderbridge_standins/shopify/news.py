"""What happens in a shop, told to whoever subscribed; a payload that nobody wants is not even made."""

from collections.abc import Iterable

from . import webhook_payloads as payloads
from .bulk import BulkOperation
from .orders import Order
from .stock import InventoryItem, InventoryLevel, Product
from .webhooks import Webhooks


class News:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def product(self, topic: str, product: Product) -> None:
        if self._webhooks.wants(topic):
            self._webhooks.tell(topic, payloads.product(product))

    def product_gone(self, product: Product) -> None:
        self._webhooks.tell("PRODUCTS_DELETE", payloads.deleted(product.id))

    def levels(self, levels: Iterable[InventoryLevel]) -> None:
        if self._webhooks.wants("INVENTORY_LEVELS_UPDATE"):
            for level in levels:
                self._webhooks.tell("INVENTORY_LEVELS_UPDATE", payloads.level(level))

    def item(self, item: InventoryItem) -> None:
        if self._webhooks.wants("INVENTORY_ITEMS_UPDATE"):
            self._webhooks.tell("INVENTORY_ITEMS_UPDATE", payloads.item(item))

    def order(self, order: Order, *topics: str) -> None:
        for topic in topics:
            if self._webhooks.wants(topic):
                self._webhooks.tell(topic, payloads.order(order))

    def order_gone(self, order: Order) -> None:
        self._webhooks.tell("ORDERS_DELETE", payloads.deleted(order.id))

    def bulk_operation(self, operation: BulkOperation) -> None:
        if self._webhooks.wants("BULK_OPERATIONS_FINISH"):
            self._webhooks.tell("BULK_OPERATIONS_FINISH", payloads.bulk_operation(operation))
