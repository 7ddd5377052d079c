"""The folder of one run, and all that has to vanish with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .child import Account, unprivileged_account
from .errors import StartError
from .guard import Guard


@dataclass(frozen=True)
class Run:
    """``folder`` may be entered by every account of the machine: a server that dropped its rights works inside it."""

    folder: Path
    guard: Guard
    account: Account | None

    def subfolder(self, name: str, account: Account | None = None) -> Path:
        """A new private folder, of ``account`` where one is given."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        return folder


@contextlib.contextmanager
def open_run() -> Iterator[Run]:
    """Make the run's folder; at the end it is removed, whatever is in it, even if this process is killed."""
    guard = Guard()
    try:
        folder = Path(tempfile.mkdtemp(prefix="orderbridge-", dir=_parent_folder()))
        guard.watch_folder(folder)
        folder.chmod(0o755)
        try:
            yield Run(folder, guard, unprivileged_account())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        guard.finish()


def _parent_folder() -> Path:
    """Where temporary files go; as root, only where an unprivileged account can follow."""
    candidates = dict.fromkeys(Path(name).resolve() for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"))  # noqa: S108
    for folder in candidates:
        if folder.is_dir() and (os.geteuid() != 0 or _is_open_to_all(folder)):
            return folder
    raise StartError(
        "no temporary folder can be entered by an unprivileged account", "set TMPDIR to one that can, such as /tmp"
    )


def _is_open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))
