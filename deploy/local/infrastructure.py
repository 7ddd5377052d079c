"""PostgreSQL and Kafka together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .kafka import open_kafka
from .ports import KAFKA_PORT, POSTGRES_PORT
from .postgres import open_postgres
from .run import Run
from .servers import KafkaServer, PostgresServer


@dataclass(frozen=True)
class Infrastructure:
    postgres: PostgresServer
    kafka: KafkaServer

    @property
    def described(self) -> str:
        """One line: what a run or a test stands on."""
        return f"{self.postgres.described}, {self.kafka.described}"


@contextlib.contextmanager
def open_infrastructure(run: Run, *, ports: Literal["fixed", "free"]) -> Iterator[Infrastructure]:
    """Both servers, up; those that are ours are stopped at the end. Raises ``StartError``."""
    fixed = ports == "fixed"
    with (
        open_postgres(run, port=POSTGRES_PORT if fixed else None) as postgres,
        open_kafka(run, port=KAFKA_PORT if fixed else None) as kafka,
    ):
        yield Infrastructure(postgres, kafka)
