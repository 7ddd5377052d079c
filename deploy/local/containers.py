"""PostgreSQL and Apache Kafka in Docker, through testcontainers, whose reaper removes them should we be killed."""

from __future__ import annotations

import re
import secrets

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer

from .docker_engine import DockerException
from .errors import StartError
from .kafka_protocol import broker_answers
from .waiting import wait_until

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.3.1"
# Inside the container; the controller's port is not published.
KAFKA_INSIDE = 9092
CONTROLLER_INSIDE = 9093
WITHIN_S = 60.0


class PostgresInDocker:
    """A PostgreSQL container; ``port`` is published on the same number after a restart too."""

    is_ours = True

    def __init__(self, port: int) -> None:
        self.port = port
        self._container = PostgresContainer(
            POSTGRES_IMAGE, username="postgres", password=secrets.token_urlsafe(18), dbname="postgres", driver="asyncpg"
        )
        self._container.with_bind_ports(5432, port)
        self._container.with_command("postgres -c shared_buffers=256MB -c max_connections=200")
        try:
            self._container.start()
        except DockerException as error:
            raise StartError(f"{POSTGRES_IMAGE} did not start in Docker: {error}", "see that line") from error
        self.url = self._container.get_connection_url(driver=None)
        self.described = f"PostgreSQL {self._version()} (Docker, {POSTGRES_IMAGE}, port {port})"

    def restart(self, *, immediate: bool = False) -> None:
        container = self._container.get_wrapped_container()
        if immediate:
            container.kill()
            container.start()
        else:
            container.restart()
        if not wait_until(self._is_ready, within_s=WITHIN_S):
            raise StartError(f"{POSTGRES_IMAGE} did not come back", "see docker logs")

    def stop(self) -> None:
        self._container.stop()

    def _is_ready(self) -> bool:
        return self._container.exec(["pg_isready", "-h", "127.0.0.1", "-U", "postgres"]).exit_code == 0

    def _version(self) -> str:
        said = self._container.exec(["postgres", "--version"]).output.decode()
        stated = re.search(r"\d+(\.\d+)*", said)
        return stated[0] if stated else "of unknown version"


class KafkaInDocker:
    """Apache's own image as a plain container, since testcontainers' Kafka is Confluent's."""

    is_ours = True

    def __init__(self, port: int) -> None:
        self.port = port
        self._container = DockerContainer(KAFKA_IMAGE).with_bind_ports(KAFKA_INSIDE, port)
        host = self._container.get_docker_client().host()
        self.bootstrap = f"{host}:{port}"
        self._container.with_envs(**kafka_environment(self.bootstrap))
        try:
            self._container.start()
        except DockerException as error:
            raise StartError(f"{KAFKA_IMAGE} did not start in Docker: {error}", "see that line") from error
        self._wait()

    @property
    def version(self) -> str:
        output, errors = self._container.get_logs()
        stated = re.search(r"Kafka version: (\S+)", (output + errors).decode(errors="replace"))
        return f"Apache Kafka {stated[1]}" if stated else "Kafka that does not state its version"

    @property
    def described(self) -> str:
        return f"{self.version} (Docker, {KAFKA_IMAGE}, port {self.port})"

    def restart(self, *, kill: bool = True) -> None:
        container = self._container.get_wrapped_container()
        if kill:
            container.kill()
            container.start()
        else:
            container.restart()
        self._wait()

    def stop(self) -> None:
        self._container.stop()

    def _wait(self) -> None:
        if not wait_until(lambda: broker_answers(self.bootstrap), within_s=WITHIN_S):
            raise StartError(f"{KAFKA_IMAGE} does not answer at {self.bootstrap}", "see docker logs")


def kafka_environment(advertised: str) -> dict[str, str]:
    """One KRaft node; the image turns `KAFKA_X_Y` into the setting `x.y`, and needs all of them once one is given."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{KAFKA_INSIDE},CONTROLLER://:{CONTROLLER_INSIDE}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{advertised}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{CONTROLLER_INSIDE}",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
    }
