"""What is missing or in the way is one clear line with its remedy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import docker_engine, kafka, postgres, postgres_binaries
from deploy.local.errors import StartError
from deploy.local.kafka import open_kafka, server_properties, stated_version
from deploy.local.kafka_jars import cache_folder, find_jars, find_java, pinned_version
from deploy.local.kafka_protocol import broker_answers
from deploy.local.ports import free_port, is_taken, require_free
from deploy.local.postgres import open_postgres
from deploy.local.run import Run, open_run


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No given server, no Docker, no cache."""
    for name in ("DATABASE_URL", "DATABASE_ADMIN_URL", "KAFKA_BOOTSTRAP_SERVERS", "ORDERBRIDGE_KAFKA", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (kafka, postgres):
        monkeypatch.setattr(module, "engine_answers", lambda: False)


@pytest.fixture
def run() -> Iterator[Run]:
    with open_run() as opened:
        yield opened


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_taken_port_is_named_with_who_has_it_and_the_remedy(taken_port: int, run: Run) -> None:
    database = rf"port {taken_port} \(PostgreSQL\) is taken.* — stop what listens there.*DATABASE_ADMIN_URL"
    broker = rf"port {taken_port} \(Kafka\) is taken.* — stop what listens there.*KAFKA_BOOTSTRAP_SERVERS"
    with pytest.raises(StartError, match=database), open_postgres(run, port=taken_port):
        pass
    with pytest.raises(StartError, match=broker), open_kafka(run, port=taken_port):
        pass


def test_a_free_port_can_be_had(taken_port: int) -> None:
    port = free_port()
    require_free(port, "anything")
    assert not is_taken(port)
    assert is_taken(taken_port)


def test_without_java_the_line_says_which_one_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"no java was found — install Java 17 .*KAFKA_BOOTSTRAP_SERVERS"):
        find_java()


def test_a_java_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path / "bin", "java", "echo 'openjdk version \"11.0.2\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StartError, match="is not Java 17 or newer"):
        find_java()


def test_java_home_wins_over_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path / "bin", "java", "echo 'openjdk version \"21\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == str(tmp_path / "bin" / "java")


def test_without_maven_the_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"no mvn was found — install maven"):
        find_jars()


def test_without_a_network_mavens_first_error_is_shown_and_no_half_cache_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _program(tmp_path / "bin", "mvn", "echo '[ERROR] Could not transfer artifact: Unknown host'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    with pytest.raises(StartError, match=r"could not fetch Apache Kafka: Could not transfer artifact: Unknown host — "):
        find_jars()
    assert list(cache_folder().iterdir()) == []


def test_jars_are_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetching = (
        "for word; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done; "
        f'echo x >> {tmp_path}/calls; mkdir -p "$folder"; touch "$folder/kafka-server-1.jar"'
    )
    _program(tmp_path / "bin", "mvn", fetching)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")

    first, second = find_jars(), find_jars()

    assert first == second == tmp_path / "cache" / "orderbridge" / f"kafka-{pinned_version()}"
    assert [path.name for path in first.iterdir()] == ["kafka-server-1.jar"]
    assert (tmp_path / "calls").read_text() == "x\n"


def test_a_forced_docker_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("ORDERBRIDGE_KAFKA", "docker")
    with pytest.raises(StartError, match="no Docker engine answers"), open_kafka(run):
        pass


def test_an_unknown_kind_of_kafka_is_an_error(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("ORDERBRIDGE_KAFKA", "redpanda")
    with (
        pytest.raises(StartError, match="ORDERBRIDGE_KAFKA is 'redpanda' — set it to docker or native"),
        open_kafka(run),
    ):
        pass


def test_given_addresses_come_first_and_are_left_alone(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker.example:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql://one@db.example:6543/x")
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://admin@db.example/x")
    with open_kafka(run, port=1) as broker, open_postgres(run, port=1) as database:
        assert (broker.bootstrap, database.url) == ("broker.example:9092", "postgresql://admin@db.example/x")
        assert (broker.is_ours, database.is_ours, database.port) == (False, False, 5432)
        with pytest.raises(StartError, match="not ours to restart"):
            broker.restart()
        with pytest.raises(StartError, match="not ours to restart"):
            database.restart()


def test_without_any_postgres_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(postgres_binaries, "_system_folders", lambda: iter(()))
    monkeypatch.setattr(postgres_binaries, "WHEEL", "no_such_wheel")
    with (
        pytest.raises(StartError, match=r"no PostgreSQL 15 or newer was found — install postgresql"),
        open_postgres(run),
    ):
        pass


def test_an_old_or_incomplete_postgres_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version in ("14.9", "16.2", "17.1"):
        _program(tmp_path / version, "postgres", f"echo 'postgres (PostgreSQL) {version}'")
        if version != "17.1":
            _program(tmp_path / version, "initdb", "")
    monkeypatch.setattr(postgres_binaries, "_system_folders", tmp_path.iterdir)
    found = postgres_binaries.system_binaries()
    assert found is not None
    assert found.version == "16.2"


def test_an_engine_that_nobody_serves_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    docker_engine.engine_answers.cache_clear()
    try:
        assert docker_engine.engine_answers() is False
    finally:
        docker_engine.engine_answers.cache_clear()


def test_a_version_is_the_brokers_own_word() -> None:
    assert stated_version("… INFO AppInfoParser Kafka version: 4.4.0\n… ") == "Apache Kafka 4.4.0"
    assert "4." not in stated_version("an empty log")


def test_topics_are_never_made_by_asking_for_them(tmp_path: Path) -> None:
    settings = dict(line.split("=", 1) for line in server_properties(1, 2, tmp_path).splitlines())
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (b"\x00\x00\x00\x0a" + b"\x00\x00\x00\x01" + b"\x00\x00" + b"\x00\x00\x00\x00", True),
        (b"\x00\x00\x00\x0a" + b"\x00\x00\x00\x01" + b"\x00\x23" + b"\x00\x00\x00\x00", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_an_answer_in_kafkas_protocol_counts(answer: bytes, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1000)
                line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert broker_answers(f"127.0.0.1:{server.getsockname()[1]}") is answers
        thread.join()
    assert not broker_answers(f"127.0.0.1:{free_port()}")
