"""What the Shopify stand-in does later, and what it does no more."""

from datetime import UTC, datetime

from orderbridge_standins.shopify.profile import Profile, WebhookSettings
from orderbridge_standins.shopify.timetable import Timetable
from orderbridge_standins.shopify.webhooks import Subscription, Webhooks

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Clock:
    passed = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.passed


def test_what_is_due_happens_in_the_order_of_its_time_and_then_of_asking() -> None:
    clock = Clock()
    happened: list[str] = []
    timetable = Timetable(clock, lambda: happened.append("|"))
    for name, delay_s in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("now", 0.0)):
        timetable.at(delay_s, lambda name=name: happened.append(name))  # type: ignore[misc]

    clock.passed = 2.0
    timetable.catch_up()

    assert happened == ["|", "now", "|", "first", "|", "second", "|"]


def test_what_an_effect_asks_for_at_once_happens_with_it() -> None:
    clock = Clock()
    happened: list[str] = []
    timetable = Timetable(clock, lambda: None)
    timetable.at(1.0, lambda: timetable.at(0.0, lambda: happened.append("inner")))

    clock.passed = 1.0
    timetable.catch_up()

    assert happened == ["inner"]


async def test_webhooks_that_were_closed_tell_nobody_what_still_happens() -> None:
    async def deliver(_uri: str, _headers: object, _body: bytes) -> int:
        return 200

    webhooks = Webhooks(Profile("shop.example", "id", "secret"), Clock(), WebhookSettings(), deliver)
    webhooks.put(Subscription(1, "PRODUCTS_DELETE", "https://bridge.example/hook", NOW, NOW))

    webhooks.close()
    webhooks.tell("PRODUCTS_DELETE", {"id": 1})

    assert not webhooks.sent
    assert not webhooks.wants("PRODUCTS_DELETE")
