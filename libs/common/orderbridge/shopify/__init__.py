"""Shopify: reading the catalogue and the stock, setting up the shop, creating orders (Admin GraphQL 2026-10).

``order_input`` is pure and imported by itself: it needs neither a network nor this client.
"""

from .cancelling import CancelAccepted, CancelRefused, OrderCanceller, ShownOrder
from .catalogue import CatalogueReader, Page, Variant
from .client import DEFAULT_BASE_URL, Budget, OutOfPoints
from .exports import CatalogueExporter, Export
from .fulfillments import (
    FULFILLMENTS_SCOPE,
    FulfillmentMover,
    OpenFulfillmentOrder,
    Reassigned,
    ReassignmentRefused,
)
from .keys import ShopKeys
from .orders import (
    CreateOutcome,
    FoundOrder,
    IdentityTaken,
    OrderAccepted,
    OrderRefused,
    OrderWriter,
    StockRefused,
    admin_url,
)
from .privacy import Problem
from .search import VariantSearch
from .setup import ShopSetup
from .stock import Stock, StockLevel, StockReader
from .stock_moves import (
    MOVE_SCOPE,
    MOVES_A_CALL,
    ItemsGone,
    Moved,
    MoveOutcome,
    MoveRefused,
    MoveStale,
    StockMove,
    StockMover,
)
from .tokens import Shop
from .webhooks import WebhookSubscriber


class Shopify(
    CatalogueReader,
    CatalogueExporter,
    StockReader,
    StockMover,
    OrderWriter,
    OrderCanceller,
    FulfillmentMover,
    ShopSetup,
    WebhookSubscriber,
    VariantSearch,
):
    """All that we do with a shop; one for a service, whatever number of shops it serves."""


__all__ = [
    "DEFAULT_BASE_URL",
    "FULFILLMENTS_SCOPE",
    "MOVES_A_CALL",
    "MOVE_SCOPE",
    "Budget",
    "CancelAccepted",
    "CancelRefused",
    "CreateOutcome",
    "Export",
    "FoundOrder",
    "IdentityTaken",
    "ItemsGone",
    "MoveOutcome",
    "MoveRefused",
    "MoveStale",
    "Moved",
    "OpenFulfillmentOrder",
    "OrderAccepted",
    "OrderRefused",
    "OutOfPoints",
    "Page",
    "Problem",
    "Reassigned",
    "ReassignmentRefused",
    "Shop",
    "ShopKeys",
    "Shopify",
    "ShownOrder",
    "Stock",
    "StockLevel",
    "StockMove",
    "StockRefused",
    "Variant",
    "admin_url",
]
