"""What a record from outside may look like without stopping the line."""

from __future__ import annotations

import pytest

from orderbridge_api.adapters.store import order_of


@pytest.mark.parametrize(
    ("ce_id", "order"),
    [
        ("orders.imported.v1/ingestor/main:113-1234567-7654321/1", "main:113-1234567-7654321"),
        ("messages.parked.v1/creator/main:113-1234567-7654321/p1/parked", "main:113-1234567-7654321"),
        ("commands.ended.v1/creator/main:113-1234567-7654321/c1", None),
        ("orders.imported.v1/?/3/17", None),
        ("nonsense", None),
        ("", None),
        ("///", None),
    ],
)
def test_only_the_id_of_an_orders_fact_names_an_order(ce_id: str, order: str | None) -> None:
    assert order_of(ce_id) == order
