"""The supervisor over small programs: what it starts again, what it stops for, and what it leaves."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import StartError
from deploy.local.guard import Guard
from deploy.local.ports import free_port
from deploy.local.process_log import ProcessLog
from deploy.local.supervisor import Process, Supervisor

WITHIN_S = 15.0
WAITS = "import signal; print('up', flush=True); signal.pause()"
ANSWERS = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Ready.asked += 1
        self.send_response(200 if Ready.asked > 2 else 503)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@dataclass
class Bench:
    """A supervisor, what it printed and what it said to the operator."""

    supervisor: Supervisor
    folder: Path
    printed: io.StringIO
    said: list[str] = field(default_factory=list)


def program(name: str, code: str, *arguments: str, ready_url: str | None = None) -> Process:
    return Process(name, (sys.executable, "-c", code, *arguments), {"PATH": os.defpath, "WHO": name}, ready_url)


async def until(condition: Callable[[], bool], claim: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, claim
        await asyncio.sleep(0.02)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    guard = Guard()
    printed = io.StringIO()
    said: list[str] = []
    log = ProcessLog(tmp_path, printed, width=6)
    supervisor = Supervisor(guard=guard, log=log, folder=tmp_path, say=said.append, first_pause_s=0.01)
    yield Bench(supervisor, tmp_path, printed, said)
    await supervisor.stop()
    await asyncio.to_thread(guard.finish)


async def test_every_line_names_its_process_and_stands_in_its_file(bench: Bench) -> None:
    await bench.supervisor.run_once(program("one", "print('a'); print('b' * 200_000)"))
    await bench.supervisor.run_once(program("two", "import sys; sys.stderr.write('no newline')"))

    lines = bench.printed.getvalue().splitlines()
    assert lines == ["one    | a", f"one    | {'b' * 200_000}", "two    | no newline"]
    assert (bench.folder / "two.log").read_text() == "no newline"


async def test_a_process_gets_its_own_variables_and_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://not-for-everyone")
    await bench.supervisor.run_once(
        program("one", "import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'))")
    )

    assert bench.printed.getvalue() == "one    | ['PATH', 'WHO']\n"


async def test_a_step_that_fails_is_named_with_its_last_line(bench: Bench) -> None:
    with pytest.raises(StartError, match=r"migrate cannot run \(code 1\) — no such schema"):
        await bench.supervisor.run_once(
            program("migrate", "import sys; print('x', flush=True); sys.exit('no such schema')")
        )


async def test_what_ends_by_itself_is_started_again_with_growing_pauses(bench: Bench) -> None:
    counting = "import sys; open('starts', 'a').write('x'); sys.exit(3)"
    await bench.supervisor.start(program("one", counting))

    await until(lambda: len(bench.said) >= 4, "it was not started again")
    assert bench.said[:4] == [
        f"one ended by itself (code 3), starting it again in {pause:g} s" for pause in (0.01, 0.02, 0.04, 0.08)
    ]
    assert len((bench.folder / "starts").read_text()) >= 4


async def test_a_wrong_setup_is_not_tried_again_and_says_why(bench: Bench) -> None:
    refusing = "import sys; open('starts', 'a').write('x'); print('ORDERBRIDGE_X is not set: set it'); sys.exit(2)"
    await bench.supervisor.start(program("waits", WAITS), program("one", refusing))

    error = await asyncio.wait_for(bench.supervisor.failure(), WITHIN_S)

    assert str(error) == "one cannot run (code 2) — ORDERBRIDGE_X is not set: set it"
    assert (bench.folder / "starts").read_text() == "x"
    assert bench.said == []


async def test_start_waits_for_a_200_and_nothing_less(bench: Bench) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/readyz"
    await asyncio.wait_for(bench.supervisor.start(program("one", ANSWERS, str(port), ready_url=url)), WITHIN_S)

    assert len(bench.supervisor.pids("one")) == 1


async def test_a_wrong_setup_ends_the_waiting_for_the_others(bench: Bench) -> None:
    never = program("never", WAITS, ready_url=f"http://127.0.0.1:{free_port()}/readyz")
    with pytest.raises(StartError, match="bad cannot run"):
        await asyncio.wait_for(bench.supervisor.start(never, program("bad", "raise SystemExit(2)")), WITHIN_S)


async def test_a_killed_process_stays_down_until_it_is_started_again(bench: Bench) -> None:
    await bench.supervisor.start(program("one", WAITS))
    await until(lambda: bool(bench.supervisor.pids("one")), "it did not start")
    [before] = bench.supervisor.pids("one")

    await bench.supervisor.kill("one")
    assert bench.supervisor.pids("one") == ()
    assert not psutil.pid_exists(before)
    await bench.supervisor.start_again("one")

    await until(lambda: bool(bench.supervisor.pids("one")), "it did not start again")
    assert bench.supervisor.pids("one") != (before,)
    assert bench.said == []


async def test_all_stop_the_newest_first_and_none_stays(bench: Bench) -> None:
    saying = (
        "import os, signal, sys\n"
        "def end(*_): open('ends', 'a').write(os.environ['WHO'] + ' '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    names = ("first", "second", "third")
    await bench.supervisor.start(*(program(name, saying) for name in names))
    await until(lambda: bench.printed.getvalue().count("up") == len(names), "they did not start")
    pids = [pid for name in names for pid in bench.supervisor.pids(name)]

    await bench.supervisor.stop()

    assert (bench.folder / "ends").read_text() == "third second first "
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


async def test_what_ignores_sigterm_is_killed_and_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.supervisor.STOP_WITHIN_S", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    await bench.supervisor.start(program("deaf", deaf))
    await until(lambda: "up" in bench.printed.getvalue(), "it did not start")
    [pid] = bench.supervisor.pids("deaf")

    await bench.supervisor.stop()

    assert bench.said == ["deaf does not stop, killing it"]
    assert not psutil.pid_exists(pid)


async def test_a_step_that_is_cut_off_does_not_stay(bench: Bench) -> None:
    step = asyncio.create_task(
        bench.supervisor.run_once(program("one", "import os; print(os.getpid(), flush=True)\n" + WAITS))
    )
    await until(lambda: "up" in bench.printed.getvalue(), "it did not start")
    pid = int(bench.printed.getvalue().split()[2])

    step.cancel()
    await asyncio.wait({step})

    await until(lambda: not psutil.pid_exists(pid), "it is still there")
