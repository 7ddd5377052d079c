"""`up` and `down`: the stack as one process in the background, known by the folder `.run/` of the working tree."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from .errors import StartError
from .guard import Guard
from .infrastructure import open_infrastructure
from .run import open_run
from .stack import Options, Stack, open_stack, require_free_ports

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".run"
READY = "ready"
STOPPED_WITHIN_S = 180.0


@dataclass(frozen=True)
class Owner:
    """The process that runs the stack; the start time tells it from a later one that was given the same id."""

    pid: int
    created: float
    what: str

    def process(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def current_owner(folder: Path = FOLDER) -> Owner | None:
    """Who runs a stack of this working tree now."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        owner = Owner(**json.loads((folder / "owner.json").read_text()))
        return owner if owner.process() else None
    return None


@contextlib.contextmanager
def claimed_folder(guard: Guard, what: str, folder: Path = FOLDER) -> Iterator[Path]:
    """Have `.run/` for this process alone, until the end. Raises ``StartError`` when a stack is up already."""
    with _one_at_a_time(folder.parent):
        if current_owner(folder) is not None:
            raise StartError("the stack is already up", "make down stops it")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        guard.watch_folder(folder)
        owner = Owner(os.getpid(), psutil.Process().create_time(), what)
        (folder / "owner.json").write_text(json.dumps(asdict(owner)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def up(instances: Mapping[str, int]) -> int:
    """Start the stack in the background and wait until it is ready. The exit code."""
    if current_owner() is not None:
        print("the stack is already up; make down stops it")
        return 0
    require_free_ports()
    counts = [f"--{service}={count}" for service, count in instances.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "serve", *counts],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        return _wait_until_ready(process)
    except BaseException:
        process.terminate()
        process.wait(STOPPED_WITHIN_S)
        raise


def _wait_until_ready(process: subprocess.Popen[str]) -> int:
    """Show its lines until the one that says ready; when its output ends before, it has failed."""
    assert process.stdout is not None  # noqa: S101 - asked for in Popen
    for line in process.stdout:
        if line.strip() == READY:
            # It goes on without us: a warning that our child still runs would be beside the point.
            process.returncode = 0
            process.stdout.close()
            return 0
        stream = sys.stderr if line.startswith("orderbridge:") else sys.stdout
        stream.write(line)
        stream.flush()
    return process.wait()


def serve(instances: Mapping[str, int]) -> None:
    """Run the stack until a signal: what `up` starts. Its output is read until it says that it is ready.

    Raises ``StartError``; once nobody reads the output any more, the error is left for the next command.
    """
    announcer = Announcer()
    try:
        _serve(instances, announcer)
    except StartError as error:
        if not announcer.is_heard:
            leave_last_words(error)
        raise


def _serve(instances: Mapping[str, int], say: Announcer) -> None:
    with (
        open_run() as run,
        claimed_folder(run.guard, "up") as folder,
        (folder / "stack.log").open("a", encoding="utf-8") as log,
    ):
        (folder / "logs").symlink_to(run.folder / "logs")
        say.log = log
        require_free_ports()
        say("PostgreSQL and Kafka")
        with open_infrastructure(run, ports="fixed") as infrastructure:
            say(infrastructure.described)

            async def live() -> None:
                async with open_stack(run, infrastructure, Options(instances, log), say) as stack:
                    for line in described(stack, folder):
                        say(line)
                    say.goes_on_alone()
                    raise await stack.supervisor.failure()

            asyncio.run(live())


class Announcer:
    """Says each line into the log and, until the stack is ready, to whoever started it."""

    def __init__(self) -> None:
        self.log: TextIO | None = None
        self.is_heard = True

    def __call__(self, line: str) -> None:
        if self.log is not None and not self.log.closed:
            self.log.write(f"{'runner':<12} | {line}\n")
            self.log.flush()
        if self.is_heard:
            print(line, flush=True)

    def goes_on_alone(self) -> None:
        """Say that all is ready and let go of the output: nobody reads it from now on."""
        print(READY, flush=True)
        self.is_heard = False
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.close(silence)


def described(stack: Stack, folder: Path) -> list[str]:
    """Where everything is and how to stop it."""
    where = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    return [
        f"api      {stack.api_url}/openapi.json   Authorization: Bearer {stack.admin_key}",
        f"Kafka    {stack.infrastructure.kafka.bootstrap}",
        f"Amazon   {stack.amazon_url} (stand-in)   Shopify {stack.shopify_url} (stand-in)",
        f"logs     {where}/stack.log, {where}/logs/",
        "make down stops all of it",
    ]


def leave_last_words(error: StartError) -> None:
    """Keep why a stack in the background ended by itself, for the next `down` to tell."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "ended").write_text(f"{error}\n", encoding="utf-8")


def _last_words() -> str | None:
    with contextlib.suppress(FileNotFoundError):
        words = (FOLDER / "ended").read_text(encoding="utf-8").strip()
        shutil.rmtree(FOLDER, ignore_errors=True)
        return f"the stack had ended by itself: {words}"
    return None


def down(tell: Callable[[str], None] = print) -> int:
    """Stop what runs a stack of this working tree and wait until it has cleared up. The exit code."""
    owner = current_owner()
    process = owner.process() if owner else None
    if process is None:
        tell(_last_words() or "the stack is not up")
        return 0
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except psutil.TimeoutExpired:
        remedy = f"kill -9 {process.pid}: its guard then clears up"
        raise StartError(f"process {process.pid} does not stop", remedy) from None
    tell("the stack is down")
    return 0
