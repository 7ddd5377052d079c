"""PostgreSQL: a given one, else a container, else a server of our own from installed programs."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from .child import Child, plain_environment
from .docker_engine import engine_answers
from .errors import StartError
from .ports import HOST, free_port, require_free
from .postgres_binaries import Binaries, find_binaries
from .run import Run
from .servers import PostgresServer
from .waiting import wait_until

# Light tuning: a larger cache and room for four services and tests. Durability stays as delivered.
SETTINGS = {
    "listen_addresses": f"'{HOST}'",
    "unix_socket_directories": "''",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "'UTC'",
    "lc_messages": "'C'",
    "log_line_prefix": "'%m [%p] '",
}
ATTEMPTS = 3


@contextlib.contextmanager
def open_postgres(run: Run, *, port: int | None = None) -> Iterator[PostgresServer]:
    """The first PostgreSQL that works: given by address, in Docker, native; stopped at the end if it is ours.

    ``port`` None takes a free one. Raises ``StartError``.
    """
    given = os.environ.get("DATABASE_ADMIN_URL") or os.environ.get("DATABASE_URL")
    if given:
        yield GivenPostgres(given)
        return
    if port is not None:
        require_free(port, "PostgreSQL", ", or give another server in DATABASE_URL and DATABASE_ADMIN_URL")
    server: PostgresServer
    if engine_answers():
        from .containers import PostgresInDocker

        server = PostgresInDocker(port or free_port())
    else:
        server = start_native(run, find_binaries(run), port=port)
    try:
        yield server
    finally:
        server.stop()


def start_native(run: Run, binaries: Binaries, *, port: int | None = None) -> NativePostgres:
    """Make a cluster in the run's folder and start it. Raises ``StartError`` with the server's own last line."""
    cluster = create_cluster(run, binaries)
    for attempt in range(1, ATTEMPTS + 1):
        server = NativePostgres(run, binaries, cluster, port or free_port())
        try:
            server.start()
        except StartError:
            # Between our look and the server's own, somebody may have taken a free port.
            if port is not None or attempt == ATTEMPTS:
                raise
        else:
            return server
    raise AssertionError("unreachable")


class Cluster:
    """A data folder and the password of its superuser `postgres`."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.password = password


def create_cluster(run: Run, binaries: Binaries) -> Cluster:
    """`initdb`, with passwords asked for as anywhere else, so a service's role is proven by its own."""
    home = run.subfolder("postgres", run.account)
    password = secrets.token_urlsafe(18)
    password_file = home / "password"
    password_file.write_text(password)
    password_file.chmod(0o644)  # inside a folder that only the server's account may enter
    command = [binaries.initdb, "-D", str(home / "data"), "-U", "postgres", "--encoding=UTF8", "--locale=C"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    account = run.account
    made = subprocess.run(
        command,
        cwd=home,
        env=plain_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        capture_output=True,
        text=True,
        check=False,
    )
    password_file.unlink()
    if made.returncode != 0:
        said = (made.stderr or made.stdout).strip().splitlines()
        raise StartError(f"initdb failed: {said[-1] if said else 'it said nothing'}", "see that line")
    return Cluster(home / "data", password)


class NativePostgres:
    """A server of our own, from installed programs."""

    is_ours = True

    def __init__(self, run: Run, binaries: Binaries, cluster: Cluster, port: int) -> None:
        self.port = port
        self.described = f"PostgreSQL {binaries.version} ({binaries.origin}, port {port})"
        self.url = f"postgresql://postgres:{cluster.password}@{HOST}:{port}/postgres"
        self._run = run
        self._binaries = binaries
        self._data = cluster.folder
        self._child: Child | None = None

    def start(self) -> None:
        settings = [f"--{name}={value.strip(chr(39))}" for name, value in SETTINGS.items()]
        self._child = child = Child(
            [self._binaries.postgres, "-D", str(self._data), f"--port={self.port}", *settings],
            guard=self._run.guard,
            log=self._run.folder / "postgres.log",
            folder=self._data,
            account=self._run.account,
            abandon=signal.SIGQUIT,
        )
        wait_until(lambda: self._is_ready() or child.has_ended())
        if child.has_ended() or not self._is_ready():
            self.stop()
            raise StartError(f"PostgreSQL did not start: {child.last_words()}", "see that line")

    def restart(self, *, immediate: bool = False) -> None:
        self._stop(signal.SIGQUIT if immediate else signal.SIGINT)
        self.start()

    def stop(self) -> None:
        self._stop(signal.SIGINT)

    def _stop(self, first: signal.Signals) -> None:
        # SIGINT cuts clients off and writes a checkpoint; SIGQUIT leaves recovery to the next start.
        if self._child is not None:
            self._child.stop(first, signal.SIGQUIT)
            self._child = None

    def _is_ready(self) -> bool:
        # The server keeps its state in the eighth line of its pid file, where pg_ctl looks too; the first is its pid.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        mine = self._child is not None and lines[:1] == [str(self._child.pid)]
        return mine and len(lines) >= 8 and lines[7].strip() == "ready"


class GivenPostgres:
    """Somebody else's server, named in the environment."""

    is_ours = False

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            address = urlsplit(url)
            self.port = address.port or 5432
        except ValueError:
            raise StartError("DATABASE_URL is no address", "write postgresql://user:password@host:port/name") from None
        self.described = f"PostgreSQL at {address.hostname}:{self.port} (given)"

    def restart(self, *, immediate: bool = False) -> None:
        raise StartError(f"{self.described} is not ours to restart", "unset DATABASE_URL and DATABASE_ADMIN_URL")

    def stop(self) -> None:
        """It stays up."""
