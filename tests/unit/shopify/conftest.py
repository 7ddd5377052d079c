"""The shop that the client's tests speak to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .shop import ShopUnderTest, shop_under_test


@pytest.fixture
async def shop() -> AsyncIterator[ShopUnderTest]:
    """The demo shop without its metafield definition; its search shows everything at once, and points abound."""
    async with shop_under_test() as under_test:
        await under_test.control("POST", "settings", search_lag_s=0, bucket={"maximum": 100_000, "restore": 100})
        yield under_test
