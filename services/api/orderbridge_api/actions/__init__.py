"""One function per thing a user can do; each opens one transaction and ends in a value or a ``Problem``."""

from .backfills import ask_backfill
from .commands import get_command
from .connections import (
    create_connection,
    get_connection,
    list_connections,
    put_connection,
    remove_connection,
    test_connection,
)
from .desk import Answer, Caller, Desk, Once
from .keys import identify, install_admin_key
from .looking import search_variants
from .mapping_files import export_mappings, import_mappings
from .mappings import delete_mapping, get_mapping, list_mappings, publish_mapping, put_mapping
from .orders import OrderCounts, OrderPage, ask_order, count_orders, get_order, list_orders, timeline
from .parked import list_parked, replay_parked
from .retries import RETRIES, get_retry, retry_orders, work_off
from .webhooks import SUBSCRIBE, keep_subscribed, subscribe_all, take_webhook

__all__ = [
    "RETRIES",
    "SUBSCRIBE",
    "Answer",
    "Caller",
    "Desk",
    "Once",
    "OrderCounts",
    "OrderPage",
    "ask_backfill",
    "ask_order",
    "count_orders",
    "create_connection",
    "delete_mapping",
    "export_mappings",
    "get_command",
    "get_connection",
    "get_mapping",
    "get_order",
    "get_retry",
    "identify",
    "import_mappings",
    "install_admin_key",
    "keep_subscribed",
    "list_connections",
    "list_mappings",
    "list_orders",
    "list_parked",
    "publish_mapping",
    "put_connection",
    "put_mapping",
    "remove_connection",
    "replay_parked",
    "retry_orders",
    "search_variants",
    "subscribe_all",
    "take_webhook",
    "test_connection",
    "timeline",
    "work_off",
]
