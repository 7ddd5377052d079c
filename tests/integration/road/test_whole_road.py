"""Orders of all kinds from Amazon to Shopify through all four services, while the messages between them come oddly."""

from __future__ import annotations

import pytest

from tests.support.road import Road
from tests.support.road_bus import Interleaved, Plan, everything_twice

from .story import assert_accounted_for, open_story, operate


@pytest.mark.parametrize(
    "plan",
    [pytest.param(everything_twice, id="everything_twice"), pytest.param(Interleaved(1), id="interleaved")],
)
async def test_every_order_ends_as_one_shopify_order_or_as_one_visible_reason(road: Road, plan: Plan) -> None:
    road.bus.plan = plan
    async with road.running():
        story = await open_story(road)
        await road.poll()
        await road.settled()
        await assert_accounted_for(road, story)

        await operate(road, story)
        await assert_accounted_for(road, story)
