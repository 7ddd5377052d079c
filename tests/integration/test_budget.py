"""The shared rate budgets on PostgreSQL. Time is moved by moving what the bucket remembers, never by waiting."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from orderbridge.budget import DEFAULT_BURST, DEFAULT_RATE, GRANTS, MIGRATIONS, Budget
from orderbridge.postgres import check_schema, open_engine, sqlstate, upgrade

SHOP = "shopify/invented.myshopify.com"
SLOW = 0.001
"""Tokens a second: what comes in during a test does not count."""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url, schema="public", pool_size=10) as engine:
        await upgrade(engine, MIGRATIONS)
        yield engine


@pytest.fixture
def budget(engine: AsyncEngine) -> Budget:
    return Budget(engine)


async def pass_time(engine: AsyncEngine, seconds: float) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("""
                update budget.buckets set updated_at = updated_at - make_interval(secs => :s),
                                          paused_until = paused_until - make_interval(secs => :s)
            """),
            {"s": seconds},
        )


async def test_a_new_bucket_is_full_and_refuses_what_it_does_not_hold(budget: Budget) -> None:
    granted = [await budget.take(SHOP, 10, rate=SLOW, burst=30) for _ in range(3)]
    wait = await budget.take(SHOP, 10, rate=SLOW, burst=30)

    assert granted == [0.0, 0.0, 0.0]
    assert wait == pytest.approx(10 / SLOW, rel=0.01)


async def test_a_refusal_takes_nothing(budget: Budget) -> None:
    await budget.take(SHOP, 7, rate=SLOW, burst=10)

    assert await budget.take(SHOP, 4) > 0

    assert await budget.take(SHOP, 3) == 0.0


async def test_tokens_come_back_at_the_rate_and_never_above_the_burst(engine: AsyncEngine, budget: Budget) -> None:
    await budget.take(SHOP, 10, rate=SLOW, burst=10)

    await pass_time(engine, 4 / SLOW)
    assert await budget.left(SHOP) == pytest.approx(4, abs=0.1)
    assert await budget.take(SHOP, 4) == 0.0
    await pass_time(engine, 1_000 / SLOW)

    assert await budget.left(SHOP) == pytest.approx(10)
    assert await budget.take(SHOP, 10) == 0.0
    assert await budget.take(SHOP, 1) > 0


async def test_the_wait_it_names_is_enough(engine: AsyncEngine, budget: Budget) -> None:
    await budget.take(SHOP, 10, rate=SLOW, burst=10)

    wait = await budget.take(SHOP, 6)
    await pass_time(engine, wait)

    assert await budget.take(SHOP, 6) == 0.0


async def test_a_reserve_is_left_for_those_who_need_none(budget: Budget) -> None:
    assert await budget.take(SHOP, 70, reserve=0.2, rate=SLOW, burst=100) == 0.0

    assert await budget.take(SHOP, 20, reserve=0.2) == pytest.approx(10 / SLOW, rel=0.01)
    assert await budget.take(SHOP, 20) == 0.0


async def test_a_cost_that_never_fits_beside_the_reserve_is_granted_from_a_full_bucket(budget: Budget) -> None:
    assert await budget.take("one at a time", 1, reserve=0.25, rate=SLOW, burst=1) == 0.0
    assert await budget.take("one at a time", 1, reserve=0.25) == pytest.approx(1 / SLOW, rel=0.01)


async def test_a_cost_above_the_burst_leaves_a_debt_so_that_the_rate_is_kept(
    engine: AsyncEngine, budget: Budget
) -> None:
    assert await budget.take(SHOP, 25, rate=SLOW, burst=10) == 0.0

    assert await budget.left(SHOP) == 0.0
    assert await budget.take(SHOP, 1) == pytest.approx(16 / SLOW, rel=0.01)
    await pass_time(engine, 16 / SLOW)
    assert await budget.take(SHOP, 1) == 0.0


async def test_a_bucket_of_which_nothing_is_said_gets_the_defaults(budget: Budget) -> None:
    assert await budget.take(SHOP, DEFAULT_BURST) == 0.0
    assert 0 < await budget.take(SHOP, DEFAULT_BURST) <= DEFAULT_BURST / DEFAULT_RATE


async def test_names_do_not_share(budget: Budget) -> None:
    await budget.take("amazon/a/searchOrders", 20, rate=SLOW, burst=20)

    assert await budget.take("amazon/a/getOrder", 20, rate=SLOW, burst=20) == 0.0
    assert await budget.left("amazon/b/searchOrders") is None


@pytest.mark.parametrize(
    "nonsense", [{"cost": 0}, {"cost": -1}, {"cost": 1, "reserve": 1.0}, {"cost": 1, "reserve": -0.1}]
)
async def test_a_take_that_makes_no_sense_is_a_bug(budget: Budget, nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        await budget.take(SHOP, nonsense["cost"], reserve=nonsense.get("reserve", 0.0))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
async def test_a_rate_that_never_refills_or_always_does_is_refused(budget: Budget, rate: float) -> None:
    await budget.take(SHOP, 1, rate=SLOW, burst=5)

    with pytest.raises(DBAPIError) as caught:
        await budget.teach(SHOP, rate=rate)
    assert sqlstate(caught.value) == "23514"


# --- what the vendor says


async def test_what_is_taught_wins_over_what_a_caller_says(engine: AsyncEngine, budget: Budget) -> None:
    await budget.take(SHOP, 10, rate=SLOW, burst=10)

    await budget.teach(SHOP, rate=SLOW * 10, burst=50)
    wait = await budget.take(SHOP, 20, rate=SLOW, burst=10)

    assert wait == pytest.approx(20 / (SLOW * 10), rel=0.01)
    await pass_time(engine, 100 / SLOW)
    assert await budget.left(SHOP) == pytest.approx(50)


async def test_a_new_rate_does_not_change_what_came_in_before_it(engine: AsyncEngine, budget: Budget) -> None:
    await budget.take(SHOP, 10, rate=SLOW, burst=10)
    await pass_time(engine, 2 / SLOW)

    await budget.teach(SHOP, rate=SLOW * 100)

    assert await budget.left(SHOP) == pytest.approx(2, abs=0.2)


async def test_a_smaller_burst_cuts_what_is_left(budget: Budget) -> None:
    await budget.take(SHOP, 10, rate=SLOW, burst=100)

    await budget.teach(SHOP, rate=SLOW, burst=5)

    assert await budget.left(SHOP) == pytest.approx(5)


async def test_announced_tokens_lower_what_is_left_and_never_raise_it(budget: Budget) -> None:
    await budget.take(SHOP, 40, rate=SLOW, burst=100)

    await budget.teach(SHOP, rate=SLOW, burst=100, tokens=90)
    assert await budget.left(SHOP) == pytest.approx(60, abs=0.1)
    await budget.teach(SHOP, rate=SLOW, burst=100, tokens=12)

    assert await budget.left(SHOP) == pytest.approx(12, abs=0.1)


async def test_what_a_call_did_not_use_is_given_back(budget: Budget) -> None:
    await budget.take(SHOP, 80, rate=SLOW, burst=100)

    await budget.teach(SHOP, rate=SLOW, burst=100, given_back=50)
    assert await budget.left(SHOP) == pytest.approx(70, abs=0.1)
    await budget.teach(SHOP, rate=SLOW, burst=100, tokens=60, given_back=10)
    assert await budget.left(SHOP) == pytest.approx(60, abs=0.1)
    await budget.teach(SHOP, rate=SLOW, burst=100, given_back=500)

    assert await budget.left(SHOP) == pytest.approx(100)


async def test_a_larger_burst_is_there_at_once_as_far_as_the_vendor_says_so(budget: Budget) -> None:
    await budget.take(SHOP, 30, rate=SLOW, burst=100)

    await budget.teach(SHOP, rate=SLOW, burst=200, tokens=165)
    assert await budget.left(SHOP) == pytest.approx(165, abs=0.1)
    await budget.teach(SHOP, rate=SLOW, burst=300, tokens=299)

    assert await budget.left(SHOP) == pytest.approx(265, abs=0.1)


async def test_an_unknown_bucket_can_be_taught_first(budget: Budget) -> None:
    await budget.teach(SHOP, rate=SLOW, burst=100, tokens=8)

    assert await budget.take(SHOP, 8, rate=50, burst=50) == 0.0
    assert await budget.take(SHOP, 1) > 0


async def test_a_pause_grants_nothing_until_it_is_over(engine: AsyncEngine, budget: Budget) -> None:
    await budget.take(SHOP, 1, rate=SLOW, burst=10)

    await budget.pause(SHOP, 600)

    assert await budget.take(SHOP, 1) == pytest.approx(600, abs=30)
    assert await budget.left(SHOP) == 0.0
    await pass_time(engine, 600)
    assert await budget.take(SHOP, 1) == 0.0


async def test_a_shorter_pause_does_not_end_a_longer_one(budget: Budget) -> None:
    await budget.take(SHOP, 1, rate=SLOW, burst=10)
    await budget.pause(SHOP, 600)

    await budget.pause(SHOP, 5)

    assert await budget.take(SHOP, 1) == pytest.approx(600, abs=30)


async def test_an_unknown_bucket_cannot_be_paused(budget: Budget) -> None:
    with pytest.raises(LookupError, match=SHOP):
        await budget.pause(SHOP, 5)


# --- replicas


async def test_twenty_at_once_make_one_bucket_and_never_take_more_than_it_holds(
    engine: AsyncEngine, database_url: str
) -> None:
    async def taker(budget: Budget) -> int:
        answers = [await budget.take(SHOP, 1, rate=SLOW, burst=50) for _ in range(10)]
        return answers.count(0.0)

    async with open_engine(database_url, schema="public", pool_size=10) as another:
        takers = [taker(Budget(replica)) for replica in (engine, another) for _ in range(10)]
        granted = await asyncio.gather(*takers)

    assert sum(granted) == 50


async def test_while_it_refills_takers_at_once_get_what_the_rate_allows_and_no_more(budget: Budget) -> None:
    rate, burst = 200.0, 10.0
    loop = asyncio.get_running_loop()
    before = loop.time()

    async def taker() -> int:
        answers = [await budget.take(SHOP, 1, rate=rate, burst=burst) for _ in range(20)]
        return answers.count(0.0)

    granted = sum(await asyncio.gather(*(taker() for _ in range(20))))

    assert burst < granted <= burst + rate * (loop.time() - before)


# --- roles


async def test_the_migrations_satisfy_the_check_of_the_schema(engine: AsyncEngine) -> None:
    await check_schema(engine, [MIGRATIONS], "python -m orderbridge_matcher migrate")


@pytest.mark.parametrize("service", GRANTS)
async def test_each_services_role_may_take_teach_and_pause_but_not_remove(engine: AsyncEngine, service: str) -> None:
    role = engine.url.set(username="budget_test_role", password="invented")
    async with engine.begin() as connection:
        await connection.execute(text("create role budget_test_role login password 'invented'"))
        for grant in GRANTS[service]:
            await connection.execute(text(grant.format(role="budget_test_role")))
    try:
        async with open_engine(role.render_as_string(hide_password=False), schema="public") as acting:
            budget = Budget(acting)
            assert await budget.take(SHOP, 1, rate=SLOW, burst=10) == 0.0
            await budget.teach(SHOP, rate=SLOW, burst=20)
            await budget.pause(SHOP, 60)
            assert await budget.left(SHOP) == 0.0
            async with acting.connect() as connection:
                with pytest.raises(ProgrammingError) as caught:
                    await connection.execute(text("delete from budget.buckets"))
            assert sqlstate(caught.value) == "42501"
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("drop owned by budget_test_role"))
            await connection.execute(text("drop role budget_test_role"))
