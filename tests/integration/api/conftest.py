from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .support import Api, open_api


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with open_api(database_url) as opened:
        yield opened
