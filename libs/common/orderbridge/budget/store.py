"""Token buckets in PostgreSQL, by the database's clock: whoever asks, from wherever, spends from the same one."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

DEFAULT_RATE = 1.0
"""Tokens a second of a bucket of which nobody has said more."""
DEFAULT_BURST = 1.0

# The clock is read after the row is locked: a wait for that lock must not count as time gone backwards. What
# ``taken`` updates is the version that ``bucket`` locked.
# A cost that never fits beside the reserve waits for a full bucket, and one larger than the bucket leaves a debt:
# both would wait for ever else, and the rate is kept all the same.
_TAKE = text("""
    with bucket as materialized (
        select rate, burst, tokens, updated_at, paused_until from budget.buckets where name = :name for update
    ), present as materialized (
        select *, clock_timestamp() as at from bucket
    ), filled as (
        select rate, at,
               least(burst, tokens + rate * greatest(0, extract(epoch from at - updated_at)::float8)) as tokens,
               least(burst, cast(:cost as float8) + burst * cast(:reserve as float8)) as needed,
               greatest(0, extract(epoch from paused_until - at)::float8) as pause
        from present
    ), decided as (
        select tokens, at, greatest(pause, 0, (needed - tokens) / rate) as wait from filled
    ), taken as (
        update budget.buckets set tokens = decided.tokens - cast(:cost as float8), updated_at = at
        from decided where name = :name and wait = 0
    )
    select wait from decided
""")
_CREATE = text("""
    insert into budget.buckets (name, rate, burst, tokens, updated_at)
    values (:name, :rate, cast(:burst as float8), cast(:burst as float8), clock_timestamp())
    on conflict (name) do nothing
""")
_TEACH = text("""
    update budget.buckets as known set (rate, burst, tokens, updated_at) = (
        select cast(:rate as float8), new.burst,
               least(new.burst, cast(:tokens as float8),
                     known.tokens + cast(:given_back as float8)
                     + case when cast(:tokens as float8) is null then 0 else greatest(0, new.burst - known.burst) end
                     + known.rate * greatest(0, extract(epoch from at - known.updated_at)::float8)),
               at
        from (select clock_timestamp() as at, coalesce(cast(:burst as float8), known.burst) as burst) as new
    )
    where name = :name
""")
_PAUSE = text("""
    update budget.buckets
    set paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => :seconds))
    where name = :name
""")
_LEFT = text("""
    select case when paused_until > clock_timestamp() then 0 else greatest(0, least(burst,
        tokens + rate * greatest(0, extract(epoch from clock_timestamp() - updated_at)::float8))) end
    from budget.buckets where name = :name
""")


class Budget:
    """One bucket per name, such as a seller and operation, or a shop. Every call is one short transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def take(
        self,
        name: str,
        cost: float,
        *,
        reserve: float = 0.0,
        rate: float | None = None,
        burst: float | None = None,
    ) -> float:
        """Take ``cost`` tokens: 0.0 when granted, else the seconds after which to ask again, and nothing is taken.

        ``reserve`` is the part of the burst, 0 to 1, that must remain for others after this. ``rate`` (tokens a
        second) and ``burst`` are for the first use, when the bucket is made, full; what was taught later wins.
        """
        if cost <= 0 or not 0 <= reserve < 1:
            raise ValueError(f"a cost of {cost} or a reserve of {reserve} makes no sense")
        asked = {"name": name, "cost": cost, "reserve": reserve}
        async with self._engine.connect() as connection:
            wait = await connection.scalar(_TAKE, asked)
            if wait is None:
                await connection.execute(_CREATE, _first(name, rate, burst))
                wait = await connection.scalar(_TAKE, asked)
        return float(wait)

    async def teach(
        self,
        name: str,
        *,
        rate: float,
        burst: float | None = None,
        tokens: float | None = None,
        given_back: float = 0.0,
    ) -> None:
        """Keep what the vendor announced; ``tokens`` can only lower what is left, once ``given_back`` was added.

        With ``tokens`` a larger burst than was known is there at once: the bucket held more than we dared to assume.
        The vendor does not know yet of calls that are on their way, for which we have taken already. ``given_back`` is
        what was taken for a call beyond what it turned out to cost.
        """
        taught = {"name": name, "rate": rate, "burst": burst, "tokens": tokens, "given_back": given_back}
        async with self._engine.connect() as connection:
            if (await connection.execute(_TEACH, taught)).rowcount == 0:
                await connection.execute(_CREATE, _first(name, rate, burst))
                await connection.execute(_TEACH, taught)

    async def pause(self, name: str, seconds: float) -> None:
        """Grant nothing for that long, as after a 429; a longer pause stays. ``LookupError`` if never taken from."""
        async with self._engine.connect() as connection:
            if (await connection.execute(_PAUSE, {"name": name, "seconds": seconds})).rowcount == 0:
                raise LookupError(f"there is no budget {name} to pause")

    async def left(self, name: str) -> float | None:
        """Tokens that could be taken now, 0 during a pause; None for a bucket nobody has used."""
        async with self._engine.connect() as connection:
            left = await connection.scalar(_LEFT, {"name": name})
        return None if left is None else float(left)


def _first(name: str, rate: float | None, burst: float | None) -> dict[str, str | float]:
    return {
        "name": name,
        "rate": DEFAULT_RATE if rate is None else rate,
        "burst": DEFAULT_BURST if burst is None else burst,
    }
