"""A server started as our own child process."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .guard import Guard


@dataclass(frozen=True)
class Account:
    """The unprivileged account that a program runs under when we are root."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Whom to become, as PostgreSQL refuses to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


class Child:
    """A running program, in a session of its own: a Ctrl-C reaches us alone, and we end things in order."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        guard: Guard,
        log: Path,
        folder: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
        abandon: signal.Signals = signal.SIGTERM,
    ) -> None:
        """``abandon`` is the signal that the guard sends should we be killed ourselves."""
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment or plain_environment()),
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        guard.watch_process(self._process.pid, abandon)

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The last line that it wrote, for an error message."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"

    def stop(self, *signals: signal.Signals, patience_s: float = 20.0) -> None:
        """Send each signal in turn until it has ended, at last SIGKILL to it and its own children."""
        for number in signals:
            if self.has_ended():
                return
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self.kill()

    def kill(self) -> None:
        """End it and its own children at once, without giving them a word."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def plain_environment() -> dict[str, str]:
    """What any program needs and no setting of ours: the search path, the home and a plain locale."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LANG": "C.UTF-8"}
