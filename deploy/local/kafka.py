"""Kafka: a given one, else a container, else Apache Kafka in KRaft mode from its published jars."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from .child import Child, plain_environment
from .docker_engine import engine_answers
from .errors import StartError
from .kafka_jars import find_jars, find_java
from .kafka_protocol import broker_answers
from .ports import HOST, free_port, require_free
from .run import Run
from .servers import KafkaServer
from .waiting import wait_until

# A killed JVM would leave its performance counters behind.
JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData")
STATED_VERSION = re.compile(r"Kafka version: (\S+)")
ATTEMPTS = 3
LOGGING = """<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="org.apache.kafka.common.utils" level="INFO"/>
    <Logger name="kafka.server" level="INFO"/>
  </Loggers>
</Configuration>
"""


@contextlib.contextmanager
def open_kafka(run: Run, *, port: int | None = None) -> Iterator[KafkaServer]:
    """The first Kafka that works: given by address, in Docker, native; stopped at the end if it is ours.

    ``port`` None takes a free one; `ORDERBRIDGE_KAFKA=docker|native` forces. Raises ``StartError``.
    """
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield GivenKafka(given)
        return
    in_docker = _wants_docker()
    if port is not None:
        require_free(port, "Kafka", ", or give another broker in KAFKA_BOOTSTRAP_SERVERS")
    server: KafkaServer
    if in_docker:
        from .containers import KafkaInDocker

        server = KafkaInDocker(port or free_port())
    else:
        server = start_native(run, find_java(), find_jars(), port=port)
    try:
        yield server
    finally:
        server.stop()


def _wants_docker() -> bool:
    forced = os.environ.get("ORDERBRIDGE_KAFKA", "")
    if forced not in {"", "docker", "native"}:
        raise StartError(f"ORDERBRIDGE_KAFKA is {forced!r}", "set it to docker or native, or leave it out")
    if forced == "docker" and not engine_answers():
        raise StartError("ORDERBRIDGE_KAFKA is docker, and no Docker engine answers", "start Docker, or unset it")
    return forced != "native" and engine_answers()


def start_native(run: Run, java: str, jars: Path, *, port: int | None = None) -> NativeKafka:
    """Format a one-node cluster in the run's folder and start it. Raises ``StartError``."""
    for attempt in range(1, ATTEMPTS + 1):
        server = NativeKafka(run, java, jars, run.subfolder(f"kafka-{attempt}"), port or free_port())
        try:
            server.start()
        except StartError:
            # Between our look and the broker's own, somebody may have taken a free port.
            if port is not None or attempt == ATTEMPTS:
                raise
        else:
            return server
    raise AssertionError("unreachable")


class NativeKafka:
    """One KRaft node, broker and controller in one process; its version is the one that it logs at start."""

    is_ours = True

    def __init__(self, run: Run, java: str, jars: Path, folder: Path, port: int) -> None:
        self.port = port
        self.bootstrap = f"{HOST}:{port}"
        self._run = run
        # Compression libraries unpack themselves into the temporary folder: it goes with the run.
        options = [f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}", f"-Djava.io.tmpdir={folder}"]
        self._command = [java, *JVM, *options, "-cp", f"{jars}/*"]
        self._folder = folder
        self._properties = folder / "server.properties"
        self._log = folder / "kafka.log"
        self._child: Child | None = None
        self.version = "Kafka that has not started"
        (folder / "log4j2.xml").write_text(LOGGING)
        self._properties.write_text(server_properties(port, free_port(), folder / "data"))
        self._format()

    @property
    def described(self) -> str:
        return f"{self.version} (native, KRaft, port {self.port})"

    def start(self) -> None:
        self._child = child = Child(
            [*self._command, "kafka.Kafka", str(self._properties)],
            guard=self._run.guard,
            log=self._log,
            folder=self._folder,
            abandon=signal.SIGKILL,
        )
        wait_until(lambda: broker_answers(self.bootstrap) or child.has_ended())
        if child.has_ended() or not broker_answers(self.bootstrap):
            child.kill()
            raise StartError(f"Kafka did not start: {child.last_words()}", "see that line")
        self.version = stated_version(self._log.read_text(encoding="utf-8", errors="replace"))

    def restart(self, *, kill: bool = True) -> None:
        if kill and self._child is not None:
            self._child.kill()
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop(signal.SIGTERM)
            self._child = None

    def _format(self) -> None:
        # Joined to its option: an id may begin with a dash.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *self._command,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._properties),
        ]
        done = subprocess.run(
            command, cwd=self._folder, env=plain_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise StartError(f"Kafka's storage could not be formatted: {said[-1] if said else '?'}", "see that line")


def stated_version(log: str) -> str:
    """The version in a broker's own log."""
    stated = STATED_VERSION.search(log)
    return f"Apache Kafka {stated[1]}" if stated else "Kafka that does not state its version"


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """The node's settings, in Kafka's own names."""
    return "\n".join(
        (
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{HOST}:{controller_port}",
            "controller.listener.names=CONTROLLER",
            f"listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
            f"advertised.listeners=PLAINTEXT://{HOST}:{port}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            f"log.dirs={data}",
            "auto.create.topics.enable=false",
            "default.replication.factor=1",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            # A killed broker may come back only when its old session has ended: 9 s by default.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            "",
        )
    )


class GivenKafka:
    """Somebody else's brokers, named in the environment."""

    is_ours = False

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        # The protocol tells what a broker can do, not which release it is.
        self.version = f"Kafka at {bootstrap} (given; a broker does not tell its release)"
        self.described = self.version

    def restart(self, *, kill: bool = True) -> None:
        raise StartError(f"Kafka at {self.bootstrap} is not ours to restart", "unset KAFKA_BOOTSTRAP_SERVERS")

    def stop(self) -> None:
        """It stays up."""
