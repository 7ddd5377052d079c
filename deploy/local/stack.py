"""Everything in order: servers, topics, schemas, stand-ins, services; and all of it down again."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from .databases import create_database
from .environments import SERVICES, Environments, new_admin_key, new_master_key
from .errors import StartError
from .infrastructure import Infrastructure
from .ports import HOST, Ports, require_free
from .process_log import ProcessLog
from .run import Run
from .supervisor import Process, Supervisor

DATABASE = "orderbridge"
STANDINS = ("amazon", "shopify")
WORKERS = ("ingestor", "matcher", "creator")


@dataclass(frozen=True)
class Options:
    """How many instances of a service, one where nothing is said; where the prefixed log lines go, None for nowhere.

    Without ``ports`` the processes listen on the fixed ones.
    """

    instances: Mapping[str, int] = field(default_factory=dict)
    log_stream: TextIO | None = None
    ports: Ports | None = None


@dataclass(frozen=True)
class Stack:
    """The running stack; a service is named by its plain name, whatever the number of its instances."""

    infrastructure: Infrastructure
    environments: Environments
    supervisor: Supervisor

    @property
    def api_url(self) -> str:
        return self.url_of("api")

    @property
    def amazon_url(self) -> str:
        return self.url_of("amazon")

    @property
    def shopify_url(self) -> str:
        return self.url_of("shopify")

    def url_of(self, name: str) -> str:
        """Where the process listens: of a service its first instance."""
        return f"http://{HOST}:{self.environments.ports.of(name)}"

    @property
    def admin_key(self) -> str:
        return self.environments.admin_key

    async def kill(self, service: str) -> None:
        """SIGKILL to every instance; they stay down until `start`."""
        for name in self._instances(service):
            await self.supervisor.kill(name)

    async def start(self, service: str) -> None:
        """Start again what `kill` ended, and wait until it is ready. Raises ``StartError``."""
        for name in self._instances(service):
            await self.supervisor.start_again(name)

    def pids(self, service: str) -> tuple[int, ...]:
        return tuple(pid for name in self._instances(service) for pid in self.supervisor.pids(name))

    def _instances(self, service: str) -> list[str]:
        return [name for name in self.supervisor.names() if name.partition("-")[0] == service]


def api_port() -> int:
    """The operator's `ORDERBRIDGE_API_PORT`, else the usual one. Raises ``StartError``."""
    given = os.environ.get("ORDERBRIDGE_API_PORT") or str(Ports().api)
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise StartError(f"ORDERBRIDGE_API_PORT is {given!r}", "set it to a port, or leave it out")
    return int(given)


def require_free_ports() -> None:
    """Looked at before anything starts. Raises ``StartError`` naming the first port that is taken."""
    require_free(api_port(), "api", ", or set another in ORDERBRIDGE_API_PORT")
    for service in WORKERS:
        require_free(Ports().of(service), f"ORDERBRIDGE_HEALTH_PORT of the {service}")
    for standin in STANDINS:
        require_free(Ports().of(standin), f"{standin} stand-in")


@contextlib.asynccontextmanager
async def open_stack(
    run: Run, infrastructure: Infrastructure, options: Options, say: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """Start all and wait until ready; at the end all processes are stopped, the newest first.

    ``say`` takes one line of progress for the operator. Raises ``StartError``.
    """
    environments = await _environments(infrastructure, options.ports or Ports(api=api_port()))
    log = ProcessLog(run.subfolder("logs"), options.log_stream)
    supervisor = Supervisor(guard=run.guard, log=log, folder=run.folder, say=say)
    try:
        await _start(supervisor, environments, options, say)
        yield Stack(infrastructure, environments, supervisor)
    finally:
        await supervisor.stop()


async def _environments(infrastructure: Infrastructure, ports: Ports) -> Environments:
    postgres = infrastructure.postgres
    admin_url = os.environ.get("DATABASE_ADMIN_URL") or None
    if postgres.is_ours:
        admin_url = await create_database(postgres.url, DATABASE)
    return Environments(
        kafka=infrastructure.kafka.bootstrap,
        admin_url=admin_url,
        shared_url=None if admin_url else postgres.url,
        ports=ports,
        # With a database that outlives the run, its vault has to be opened by the same key again.
        master_key=os.environ.get("ORDERBRIDGE_MASTER_KEY") or new_master_key(),
        admin_key=os.environ.get("ORDERBRIDGE_ADMIN_KEY") or new_admin_key(),
    )


async def _start(
    supervisor: Supervisor, environments: Environments, options: Options, say: Callable[[str], None]
) -> None:
    say("topics and schemas")
    await supervisor.run_once(
        Process("topics", (sys.executable, "-m", "orderbridge.topics", "create"), environments.topics())
    )
    for service in SERVICES:
        argv = (sys.executable, "-m", f"orderbridge_{service}", "migrate")
        await supervisor.run_once(Process(f"{service}-migrate", argv, environments.migrate(service)))
    say("stand-ins of Amazon and Shopify")
    await supervisor.start(*(_standin(name, environments) for name in STANDINS))
    services = [process for service in SERVICES for process in _services(service, environments, options)]
    say(f"services: {', '.join(process.name for process in services)}")
    await supervisor.start(*services)


def _standin(name: str, environments: Environments) -> Process:
    port = environments.ports.of(name)
    argv = (sys.executable, "-m", "orderbridge_standins", name, "--port", str(port))
    return Process(name, argv, environments.plain(), f"http://{HOST}:{port}/_control/health")


def _services(service: str, environments: Environments, options: Options) -> list[Process]:
    """The first instance has the service's port, the others a free one that only they know."""
    argv = (sys.executable, "-m", f"orderbridge_{service}", "run")
    port = environments.ports.of(service)
    first = Process(service, argv, environments.service(service), f"http://{HOST}:{port}/readyz")
    more = (
        Process(f"{service}-{number}", argv, environments.service(service, instance=number))
        for number in range(2, options.instances.get(service, 1) + 1)
    )
    return [first, *more]
