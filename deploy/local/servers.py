"""What the stack and the tests need of a PostgreSQL and a Kafka, wherever they run."""

from __future__ import annotations

from typing import Protocol


class PostgresServer(Protocol):
    @property
    def url(self) -> str:
        """`postgresql://…` of a role that may create databases, roles and schemas."""

    @property
    def port(self) -> int: ...

    @property
    def described(self) -> str:
        """Product, version as the server itself states it, and where it runs; for one line to a person."""

    @property
    def is_ours(self) -> bool:
        """False for a given address: we must neither restart it nor expect it empty."""

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same port with the same data; ``immediate`` as after a crash. Blocks until ready.

        Raises ``StartError`` where the server is not ours.
        """

    def stop(self) -> None: ...


class KafkaServer(Protocol):
    @property
    def bootstrap(self) -> str:
        """`host:port[,host:port]`, as `KAFKA_BOOTSTRAP_SERVERS` has it."""

    @property
    def version(self) -> str:
        """Product and version, such as `Apache Kafka 4.4.0`, learned from the broker itself."""

    @property
    def described(self) -> str: ...

    @property
    def is_ours(self) -> bool: ...

    def restart(self, *, kill: bool = True) -> None:
        """Stop (SIGKILL, or in order) and start on the same port with the same data. Blocks until it answers.

        Raises ``StartError`` where the broker is not ours.
        """

    def stop(self) -> None: ...
