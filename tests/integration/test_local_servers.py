"""The servers under every other test: what they promise to survive, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.containers import KafkaInDocker, PostgresInDocker
from deploy.local.docker_engine import engine_answers
from deploy.local.kafka_protocol import broker_answers
from deploy.local.ports import free_port
from deploy.local.postgres import start_native
from deploy.local.postgres_binaries import wheel_binaries
from deploy.local.run import open_run
from deploy.local.servers import KafkaServer, PostgresServer

ROOT = Path(__file__).parents[2]
KILLED_OWNER = """
import os, signal
from deploy.local.infrastructure import open_infrastructure
from deploy.local.run import open_run
with open_run() as run, open_infrastructure(run, ports="free") as servers:
    print(run.folder, servers.postgres.port, servers.kafka.bootstrap, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _require_ours(server: PostgresServer | KafkaServer) -> None:
    if not server.is_ours:
        pytest.skip(f"{server.described} is not ours to restart")


@pytest.mark.parametrize("immediate", [False, True])
async def test_a_restarted_postgres_keeps_its_address_and_what_was_committed(
    postgres_server: PostgresServer, database_url: str, immediate: bool
) -> None:
    _require_ours(postgres_server)
    before = await asyncpg.connect(database_url)
    await before.execute("CREATE TABLE kept (n integer); INSERT INTO kept VALUES (7)")

    await asyncio.to_thread(postgres_server.restart, immediate=immediate)

    assert before.is_closed()
    after = await asyncpg.connect(database_url)
    assert await after.fetchval("SELECT n FROM kept") == 7
    assert await after.fetchval("SHOW fsync") == "on"
    await after.close()


async def test_a_wrong_password_is_refused(database_url: str, postgres_server: PostgresServer) -> None:
    _require_ours(postgres_server)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database_url, password="not-the-password")


@pytest.mark.parametrize("kill", [True, False])
async def test_a_restarted_broker_keeps_its_address_and_what_was_acknowledged(
    kafka_server: KafkaServer, topic_prefix: str, kill: bool
) -> None:
    _require_ours(kafka_server)
    topic = f"{topic_prefix}kept"
    await _create_topic(kafka_server.bootstrap, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, b"one")

    await asyncio.to_thread(kafka_server.restart, kill=kill)

    assert await _first_value(kafka_server.bootstrap, topic) == b"one"


async def test_the_broker_says_itself_which_kafka_it_is(kafka_server: KafkaServer) -> None:
    _require_ours(kafka_server)
    assert kafka_server.version.startswith("Apache Kafka 4.")
    assert kafka_server.version in kafka_server.described


async def test_a_topic_that_nobody_created_is_not_made_by_asking(kafka_server: KafkaServer, topic_prefix: str) -> None:
    _require_ours(kafka_server)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap)
    await admin.start()
    await admin.describe_topics([f"{topic_prefix}absent"])
    names = await admin.list_topics()
    await admin.close()
    assert f"{topic_prefix}absent" not in names


async def test_the_wheel_alone_gives_a_working_postgres() -> None:
    with open_run() as run:
        binaries = wheel_binaries(run)
        assert binaries is not None
        server = start_native(run, binaries)
        connection = await asyncpg.connect(server.url)
        version = await connection.fetchval("SHOW server_version")
        await connection.close()
        server.stop()
        folder = run.folder
    assert version == binaries.version
    assert not folder.exists()


def test_an_owner_killed_outright_leaves_no_server_and_no_folder(kafka_server: KafkaServer) -> None:
    # kafka_server: the jars are there by now, so the time limit below is not spent on fetching them.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "KAFKA_"))}
    owner = subprocess.run(
        [sys.executable, "-c", KILLED_OWNER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    folder, port, bootstrap = owner.stdout.splitlines()[-1].split()
    assert owner.returncode == -signal.SIGKILL

    deadline = time.monotonic() + 30
    while left := _left_of(folder, bootstrap, f"127.0.0.1:{port}"):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.1)


@pytest.mark.docker
@pytest.mark.timeout(600)  # the first time, an image has to be fetched
async def test_postgres_in_docker_keeps_its_port_and_data_over_a_crash() -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    server = await asyncio.to_thread(PostgresInDocker, free_port())
    try:
        await _execute(server.url, "CREATE TABLE kept (n integer)")
        await asyncio.to_thread(server.restart, immediate=True)
        await _execute(server.url, "INSERT INTO kept VALUES (7)")
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.docker
@pytest.mark.timeout(600)  # the first time, an image has to be fetched
async def test_kafka_in_docker_keeps_its_port_and_records_over_a_crash() -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    server = await asyncio.to_thread(KafkaInDocker, free_port())
    try:
        assert server.version.startswith("Apache Kafka 4.")
        await _create_topic(server.bootstrap, "kept")
        async with AIOKafkaProducer(bootstrap_servers=server.bootstrap, enable_idempotence=True) as producer:
            await producer.send_and_wait("kept", b"one")
        await asyncio.to_thread(server.restart, kill=True)
        assert await _first_value(server.bootstrap, "kept") == b"one"
    finally:
        await asyncio.to_thread(server.stop)


def _left_of(folder: str, bootstrap: str, postgres: str) -> list[object]:
    left: list[object] = list(_processes_in(folder))
    if Path(folder).exists():
        left.append(folder)
    host, port = postgres.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        left.append(postgres)
    if broker_answers(bootstrap):
        left.append(bootstrap)
    return left


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def _processes_in(folder: str) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(folder in word for word in process.info["cmdline"] or ())
    ]


async def _create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()


async def _first_value(bootstrap: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        record = await asyncio.wait_for(consumer.getone(), 30)
        value: bytes | None = record.value
        return value
    finally:
        await consumer.stop()
