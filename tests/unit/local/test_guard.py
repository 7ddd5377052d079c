"""The guard clears up after an owner that had no chance to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.guard import Guard, keep_watch
from deploy.local.run import open_run

ROOT = Path(__file__).parents[3]
WAITS = "import signal; signal.pause()"
KILLED_OWNER = """
import os, signal, subprocess, sys
from deploy.local.run import open_run
with open_run() as run:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    run.guard.watch_process(child.pid, signal.SIGTERM)
    (run.subfolder("data") / "file").write_text("x")
    print(child.pid, run.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WAITS], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_an_owner_killed_outright_leaves_neither_process_nor_folder() -> None:
    owner = subprocess.run([sys.executable, "-c", KILLED_OWNER], cwd=ROOT, capture_output=True, text=True, check=False)
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    pid, folder = owner.stdout.split()

    deadline = time.monotonic() + 15
    while _lives(int(pid)) or Path(folder).exists():
        assert time.monotonic() < deadline, "left behind"
        time.sleep(0.02)


def test_a_process_that_got_the_same_id_later_is_left_alone(stranger: subprocess.Popen[bytes]) -> None:
    keep_watch([f'{{"process": {stranger.pid}, "created": 1.0, "signal": 9}}'])

    assert stranger.poll() is None


def test_what_the_owner_left_running_is_ended_when_it_finishes(stranger: subprocess.Popen[bytes]) -> None:
    guard = Guard()
    guard.watch_process(stranger.pid, signal.SIGTERM)

    guard.finish()

    assert stranger.wait(10) == -signal.SIGTERM


def test_a_run_folder_can_be_entered_by_everyone_and_vanishes() -> None:
    with open_run() as run:
        folder = run.folder
        assert folder.stat().st_mode & 0o777 == 0o755
        assert run.subfolder("private").stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
