"""All shops of one stand-in, by domain."""

from collections.abc import Iterator

from .clock import Clock
from .posting import Deliver, post
from .profile import Profile
from .shop import Shop


class World:
    def __init__(self, clock: Clock, deliver: Deliver = post) -> None:
        self.clock = clock
        self._deliver = deliver
        self._shops: dict[str, Shop] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything but one freshly made demo shop."""
        for shop in self:
            shop.webhooks.close()
        self._shops.clear()
        self.put(Profile("orderbridge-demo.myshopify.com", "demo-client", "demo-secret"))

    def put(self, profile: Profile) -> Shop:
        if (before := self._shops.get(profile.domain)) is not None:
            before.webhooks.close()
        shop = Shop(profile, self.clock, self._deliver)
        self._shops[profile.domain] = shop
        return shop

    def find(self, domain: str) -> Shop | None:
        return self._shops.get(domain)

    def __iter__(self) -> Iterator[Shop]:
        return iter(self._shops.values())
