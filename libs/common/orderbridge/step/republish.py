"""Publishing what was published before: so that a reader who lost its tables can be filled again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from ..events import Fact
from .parking import republish_parked
from .unit import Store

_PAGE = 1000
_FACTS = text("""
    select order_id, cast(fact as text) as fact from orders where fact is not null and order_id > :after
    order by order_id limit :page
""")


async def republish_facts(store: Store[Any], read: Callable[[str], tuple[str, Fact]]) -> int:
    """Put the newest fact of every order, and the word of what is parked, into the outbox again, as the same events.

    Returns how many.

    The service's ``orders`` keep the fact in the column ``fact``, as JSON; ``read`` gives its topic and its value.
    """
    async with store.transaction() as unit:
        count, after = await republish_parked(unit), ""
    while True:
        async with store.transaction() as unit:
            rows = (await unit.connection.execute(_FACTS, {"after": after, "page": _PAGE})).all()
            for row in rows:
                topic, fact = read(row.fact)
                unit.publish_fact(topic, fact)
        if not rows:
            return count
        count, after = count + len(rows), rows[-1].order_id
