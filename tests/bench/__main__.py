"""``python -m tests.bench``: one hop of the real matcher beside the straightforward consumer and a raw copy, and a
catalogue of a million variants.

The first three in one run, round by round, so that whatever else the machine does hits them alike; the median counts.
Writes ``docs/benchmark.json``. Exit code 1 when something is slower than promised, 2 when something needed is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.local.environments import SERVICES
from deploy.local.errors import StartError
from deploy.local.infrastructure import Infrastructure, open_infrastructure
from deploy.local.ports import HOST
from deploy.local.run import Run, open_run
from deploy.local.stopping import stop_on_signals

from .machine import described, rss_mib
from .report import Catalogue, Result, Rounds
from .rig import ROOT, Rig, connect, open_rig
from .rounds import WARM_UP, Measuring

OUTPUT: Final = ROOT / "docs" / "benchmark.json"
IDLE_S: Final = 5.0
"""How long the services have been ready, with a connection, when their memory is read."""


def say(line: str) -> None:
    print(line, flush=True)


async def memory_at_rest(rig: Rig) -> dict[str, float]:
    """Each service once, all together, after they have taken the connection in and come to rest."""
    async with rig.running(*map(rig.service, SERVICES)) as running:
        await connect(rig)
        await asyncio.sleep(IDLE_S)
        return {name: rss_mib(pid) for name in SERVICES for pid in running.pids(name)}


async def large_catalogue(rig: Rig, variants: int) -> Catalogue:
    """In a matcher process of its own, from a shop that can only be exported."""
    output = rig.run.subfolder("catalogue") / "figures.json"
    port = rig.environments.ports.matcher
    shop = rig.program("big_shop", str(port), str(variants))
    say(f"loading a catalogue of {variants:,} variants")
    async with rig.running(replace(shop, ready_url=f"http://{HOST}:{port}/")):
        program = rig.program("load", rig.database_url, f"http://{HOST}:{port}", str(variants), str(output))
        await rig.once(program)
    return Catalogue(variants, **json.loads(output.read_text(encoding="utf-8")))


async def measured(run: Run, infrastructure: Infrastructure, options: argparse.Namespace) -> Result:
    async with open_rig(run, infrastructure, say) as rig:
        at_rest = await memory_at_rest(rig)
        measuring = Measuring(rig, options.orders, options.peer_orders, options.profile)
        say(f"warming up with {WARM_UP:,} orders")
        await measuring.prepare()
        hop, peer, raw = [], [], []
        for number in range(1, options.rounds + 1):
            hop.append(await measuring.hop())
            raw.append(await measuring.raw())
            peer.append(await measuring.peer())
            say(f"round {number}: hop {hop[-1]:,.0f}/s, raw {raw[-1]:,.0f}/s, peer {peer[-1]:,.0f}/s")
        catalogue = await large_catalogue(rig, options.variants)
    return Result(
        machine=described(infrastructure),
        date=datetime.now(UTC).date().isoformat(),
        orders={"hop": options.orders, "peer": options.peer_orders, "raw": options.orders},
        rounds=Rounds(tuple(hop), tuple(peer), tuple(raw)),
        rss_mib=at_rest | {"matcher_at_work": measuring.matcher_rss_mib},
        catalogue=catalogue,
    )


def main() -> int:
    options = _options()
    try:
        with stop_on_signals(), open_run() as run, open_infrastructure(run, ports="free") as infrastructure:
            say(infrastructure.described)
            result = asyncio.run(measured(run, infrastructure, options))
    except StartError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    say(result.table())
    shortfalls = result.shortfalls()
    for shortfall in shortfalls:
        say(f"too slow: {shortfall}")
    if not options.profile:
        result.write(options.output)
    say(json.dumps(result.as_json()))
    return 1 if shortfalls else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--orders", type=int, default=50_000, help="orders a round through the matcher and the copy")
    parser.add_argument("--peer-orders", type=int, default=5_000, help="orders a round through the other consumer")
    parser.add_argument("--variants", type=int, default=1_000_000, help="variants of the large catalogue")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--profile", help="write the matcher's profile to this file; the figures are not kept then")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
