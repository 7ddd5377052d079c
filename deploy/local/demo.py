"""`make demo`: a shop's Amazon orders on their way to Shopify, what goes wrong on such a day, and the books."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path

from .background import claimed_folder, described
from .demo_progress import Progress
from .demo_remedies import Wrong
from .demo_report import last_line, report
from .demo_story import Scale, Story
from .demo_world import Refused, TooLate, World
from .infrastructure import open_infrastructure
from .run import open_run
from .stack import Options, Stack, open_stack, require_free_ports

FAILED = 1
SCALE = Scale(
    first={
        "unshipped": 340,
        "fulfilled_by_amazon": 25,
        "pending": 12,
        "unknown_sku": 10,
        "shipped": 3,
        "canceled": 2,
    },
    out_of_stock=(5, 3),
    relisted=(3, 6),
    later={"unshipped": 90, "fulfilled_by_amazon": 4, "pending": 3, "unknown_sku": 3},
    killed_after=20,
)


def demo() -> int:
    """Play it on the fixed ports. The exit code: 0 only if every order is accounted for. Raises ``StartError``."""
    with Progress() as progress, open_run() as run, claimed_folder(run.guard, "demo") as folder:
        (folder / "logs").symlink_to(run.folder / "logs")
        require_free_ports()
        with (
            (folder / "stack.log").open("a", encoding="utf-8") as log,
            open_infrastructure(run, ports="fixed") as infrastructure,
        ):
            progress.say(infrastructure.described)

            async def live() -> int:
                async with open_stack(run, infrastructure, Options(log_stream=log), progress.say) as stack:
                    code = await _unless_a_process_fails(stack, _play(stack, progress, folder))
                    if _is_kept():
                        await _stay(stack)
                    return code

            return asyncio.run(live())


def _is_kept() -> bool:
    return os.environ.get("KEEP", "") not in ("", "0")


async def _play(stack: Stack, progress: Progress, folder: Path) -> int:
    story = Story(stack, world := World(stack), SCALE, progress)
    went_well = await _goes_well(story.play(), progress)
    try:
        account, counts = await story.settle(), await world.counts()
    except (TooLate, Refused) as error:
        progress.say(f"WRONG: {error}")
        return FAILED
    progress.finish()
    for line in report(account, counts):
        print(line)
    if _is_kept():
        print("\n".join([*described(stack, folder)[:-1], "Ctrl-C stops all of it"]))
    print(last_line(account, stack.infrastructure.kafka.version, progress.seconds), flush=True)
    return 0 if went_well and account.holds else FAILED


async def _goes_well(playing: Coroutine[None, None, None], progress: Progress) -> bool:
    """Whether the story came to its end; if not, the books show how far it came."""
    try:
        await playing
    except (Wrong, TooLate, Refused) as error:
        progress.say(f"WRONG: {error}")
        return False
    return True


async def _unless_a_process_fails(stack: Stack, story: Coroutine[None, None, int]) -> int:
    """The story's exit code. A process whose set-up is wrong ends it: raises ``StartError``."""
    playing = asyncio.create_task(story)
    failing = asyncio.create_task(stack.supervisor.failure())
    try:
        await asyncio.wait({playing, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            raise failing.result()
        return playing.result()
    finally:
        playing.cancel()
        failing.cancel()
        await asyncio.gather(playing, failing, return_exceptions=True)


async def _stay(stack: Stack) -> None:
    """Until Ctrl-C, which is the way to end this and no failure. Raises ``StartError``."""
    try:
        failure = await stack.supervisor.failure()
    except asyncio.CancelledError:
        return
    raise failure
