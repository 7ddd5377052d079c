"""Identifiers: what they look like and how they are composed (contract section 1)."""

from __future__ import annotations

import re
from typing import NewType

ConnectionId = NewType("ConnectionId", str)
AmazonOrderId = NewType("AmazonOrderId", str)
OrderId = NewType("OrderId", str)
VariantId = NewType("VariantId", str)
"""A Shopify gid, ``gid://shopify/ProductVariant/<digits>``."""
CommandId = NewType("CommandId", str)

CONNECTION_ID = re.compile(r"[a-z0-9-]{1,32}")
AMAZON_ORDER_ID = re.compile(r"[0-9A-Z]{3}-[0-9]{7}-[0-9]{7}")


def order_id_of(connection_id: str, amazon_order_id: str) -> OrderId:
    return OrderId(f"{connection_id}:{amazon_order_id}")


def connection_of(key: str) -> ConnectionId:
    """The connection that a topic key belongs to: every key begins with it."""
    return ConnectionId(key.partition(":")[0])


def amazon_order_id_of(order_id: str) -> AmazonOrderId:
    return AmazonOrderId(order_id.partition(":")[2])


def is_order_id(text: str) -> bool:
    connection, _, amazon = text.partition(":")
    return bool(CONNECTION_ID.fullmatch(connection) and AMAZON_ORDER_ID.fullmatch(amazon))


def ce_id_of(topic: str, service: str, key: str, n: int | str) -> str:
    """The CloudEvents id: the same for the same fact published twice, for no two facts the same."""
    return f"{topic}/{service}/{key}/{n}"
