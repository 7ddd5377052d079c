"""One function per thing a user can do; each opens one transaction and ends in a value or a ``Problem``."""

from .commands import get_command
from .connections import (
    create_connection,
    get_connection,
    list_connections,
    put_connection,
    test_connection,
)
from .desk import Answer, Caller, Desk, Once
from .keys import identify, install_admin_key
from .orders import OrderCounts, OrderPage, count_orders, get_order, list_orders, retry_order, timeline
from .parked import list_parked, replay_parked

__all__ = [
    "Answer",
    "Caller",
    "Desk",
    "Once",
    "OrderCounts",
    "OrderPage",
    "count_orders",
    "create_connection",
    "get_command",
    "get_connection",
    "get_order",
    "identify",
    "install_admin_key",
    "list_connections",
    "list_orders",
    "list_parked",
    "put_connection",
    "replay_parked",
    "retry_order",
    "test_connection",
    "timeline",
]
