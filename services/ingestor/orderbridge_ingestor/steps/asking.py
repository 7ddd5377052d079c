"""Asking Amazon for one order, for somebody who waits for the answer."""

from __future__ import annotations

from orderbridge.events import ConnectionChanged
from orderbridge.ids import amazon_order_id_of
from orderbridge.step.unit import DueRow

from ..domain.orders import ReadOrder, UnreadableOrder
from ..ports import Amazon, RequestRefused

WAITS_FOR_A_REFUSED = 5
"""After so many waits a refusal is Amazon's answer: nobody may wait for ever for a request that stays refused."""

Answer = ReadOrder | UnreadableOrder | RequestRefused | None
"""None: Amazon has no such order."""


async def ask_for(
    order_id: str, connection: ConnectionChanged, row: DueRow, amazon: Amazon, reserve: float = 0.0
) -> Answer:
    """``reserve`` is the part of the quota that is left to others.

    :raises Transient: the work is due again later. :raises Blocked: the connection does not work.
    """
    try:
        return await amazon.get_order(connection, amazon_order_id_of(order_id), reserve)
    except RequestRefused as error:
        if row.waits < WAITS_FOR_A_REFUSED:
            raise
        return error
