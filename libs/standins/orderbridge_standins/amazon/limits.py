"""Token buckets, one per seller and operation, as Amazon's usage plans are."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .problems import quota_exceeded


@dataclass(frozen=True)
class Plan:
    """``rate`` requests a second refill a bucket that holds ``burst``."""

    rate: float
    burst: int


DEFAULT_PLANS: Final = {"searchOrders": Plan(0.0056, 20), "getOrder": Plan(0.5, 30)}


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Limits:
    """The buckets run on real time: moving the stand-in's clock must not give anybody calls for nothing."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._plans = dict(DEFAULT_PLANS)
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def announced(self, operation: str) -> str | None:
        """What ``x-amzn-RateLimit-Limit`` says of an operation."""
        plan = self._plans.get(operation)
        return None if plan is None else str(float(plan.rate))

    def change(self, operation: str, plan: Plan) -> None:
        """Use ``plan`` from now on; every bucket of the operation starts full."""
        self._plans[operation] = plan
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[1] != operation}

    def take(self, seller_id: str, operation: str) -> None:
        """Pay for one call, or raise the 429."""
        plan = self._plans[operation]
        now = self._monotonic()
        bucket = self._buckets.setdefault((seller_id, operation), _Bucket(plan.burst, now))
        bucket.tokens = min(plan.burst, bucket.tokens + (now - bucket.filled_at) * plan.rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            raise quota_exceeded()
        bucket.tokens -= 1
