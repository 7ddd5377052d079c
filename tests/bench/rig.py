"""What the bench runs on: servers of its own on free ports, the stand-ins, and services as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.databases import create_database, drop_database
from deploy.local.environments import SERVICES, Environments
from deploy.local.errors import StartError
from deploy.local.infrastructure import Infrastructure
from deploy.local.ports import HOST, free_ports
from deploy.local.process_log import ProcessLog
from deploy.local.run import Run
from deploy.local.supervisor import DIRECT, Process, Supervisor
from orderbridge.topics import MATCHED

from .broker import Broker
from .orders import CONNECTION

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Rig:
    """Everything a measurement needs; services are started by `running`, one group at a time."""

    run: Run
    infrastructure: Infrastructure
    broker: Broker
    environments: Environments
    database_url: str
    log: ProcessLog
    say: Callable[[str], None]

    def url_of(self, name: str) -> str:
        """Of a service or a stand-in, by its name."""
        return f"http://{HOST}:{self.environments.ports.of(name)}"

    @asynccontextmanager
    async def running(self, *processes: Process) -> AsyncIterator[Supervisor]:
        """Start them and wait until all are ready; at the end each is stopped in order, SIGTERM first."""
        supervisor = Supervisor(guard=self.run.guard, log=self.log, folder=self.run.folder, say=self.say)
        try:
            await supervisor.start(*processes)
            yield supervisor
        finally:
            await supervisor.stop()

    def service(self, name: str, python: Sequence[str] = ()) -> Process:
        """A service as in production but for its addresses; ``python`` are options for the interpreter."""
        argv = (sys.executable, *python, "-m", f"orderbridge_{name}", "run")
        return Process(name, argv, self.environments.service(name), f"{self.url_of(name)}/readyz")

    def standin(self, vendor: str) -> Process:
        argv = (sys.executable, "-m", "orderbridge_standins", vendor, "--port", str(self.environments.ports.of(vendor)))
        return Process(vendor, argv, self.environments.plain(), f"{self.url_of(vendor)}/_control/health")

    def program(self, name: str, *arguments: str) -> Process:
        """One of the bench's own programs, without a setting of ours."""
        argv = (sys.executable, "-m", f"tests.bench.{name}", *arguments)
        return Process(name, argv, self.environments.plain() | {"PYTHONPATH": str(ROOT)})

    async def once(self, process: Process) -> None:
        """Run it to its end; raises ``StartError`` when that is not 0."""
        supervisor = Supervisor(guard=self.run.guard, log=self.log, folder=self.run.folder, say=self.say)
        await supervisor.run_once(process)


@asynccontextmanager
async def open_rig(run: Run, infrastructure: Infrastructure, say: Callable[[str], None]) -> AsyncIterator[Rig]:
    """Topics, schemas and stand-ins, under names of the bench's own; all gone at the end."""
    token = secrets.token_hex(4)
    broker = Broker(infrastructure.kafka.bootstrap, f"bench-{token}.")
    database = f"bench_{token}"
    database_url = await create_database(infrastructure.postgres.url, database)
    environments = Environments(
        kafka=broker.bootstrap,
        admin_url=database_url,
        shared_url=None,
        ports=free_ports(),
        given=os.environ | {"ORDERBRIDGE_TOPIC_PREFIX": broker.prefix},
    )
    rig = Rig(run, infrastructure, broker, environments, database_url, ProcessLog(run.subfolder("logs"), None), say)
    try:
        await _prepare(rig)
        async with rig.running(*(rig.standin(vendor) for vendor in ("amazon", "shopify"))):
            yield rig
    finally:
        await drop_database(infrastructure.postgres.url, database)
        await asyncio.to_thread(broker.delete_all)


async def _prepare(rig: Rig) -> None:
    create = (sys.executable, "-m", "orderbridge.topics", "create")
    await rig.once(Process("topics", create, rig.environments.topics()))
    await asyncio.to_thread(rig.broker.stamp_arrivals, MATCHED)
    for service in SERVICES:
        argv = (sys.executable, "-m", f"orderbridge_{service}", "migrate")
        await rig.once(Process(f"{service}-migrate", argv, rig.environments.migrate(service)))


async def connect(rig: Rig) -> None:
    """Add the connection between the two stand-ins by REST, as an operator would."""
    body: dict[str, Any] = {
        "connection_id": CONNECTION,
        "amazon": {
            "region": "na",
            "seller_id": "A1ORDERBRIDGE",
            "marketplace_ids": ["ATVPDKIKX0DER"],
            "client_id": "amzn1.application-oa2-client.demo",
            "client_secret": "demo-secret",
            "refresh_token": "Atzr|demo",
        },
        "shopify": {
            "shop": "orderbridge-demo.myshopify.com",
            "client_id": "demo-client",
            "client_secret": "demo-secret",
        },
        "settings": {},
    }
    request = urllib.request.Request(
        f"{rig.url_of('api')}/v1/connections",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {rig.environments.admin_key}", "Content-Type": "application/json"},
    )
    await asyncio.to_thread(_send, request)


def _send(request: urllib.request.Request) -> None:
    try:
        with DIRECT.open(request, timeout=20):
            return
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise StartError(f"the api refuses the bench's connection ({error.code})", said) from None
