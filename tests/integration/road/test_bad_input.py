"""Bad input at the start: one line that names it and the remedy, exit code 2, no traceback; by the real commands."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.databases import create_database, drop_database, with_database
from deploy.local.errors import StartError
from deploy.local.kafka import NativeKafka
from deploy.local.kafka_jars import find_jars, find_java
from deploy.local.ports import HOST, free_port
from deploy.local.run import Run
from deploy.local.servers import KafkaServer, PostgresServer
from orderbridge.kafka import create_topics
from orderbridge.postgres import open_engine
from orderbridge.settings import KafkaSettings, load_settings
from orderbridge.vault import MasterKeys, Vault
from orderbridge_ingestor.app import READS, WRITES
from tests.support.road import migrate
from tests.support.servers import in_a_loop_of_its_own
from tests.support.step import MASTER_KEY

pytestmark = pytest.mark.xdist_group("bad_input")
OTHER_KEY = "test:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
"""Of the same generation's name as the tests' own key, and not the same key."""
ENDS_WITHIN_S = 60.0
AT_ONCE = 6


@dataclass(frozen=True)
class Case:
    """``changed`` variables (None: left out) and the ``words`` that must be in the line; both name places in braces."""

    name: str
    service: str
    action: str
    changed: Mapping[str, str | None]
    words: tuple[str, ...]
    never: tuple[str, ...] = field(default=())
    """What must not be in the line: a secret."""


WAITING = (
    Case(
        "unreachable_broker",
        "matcher",
        "run",
        {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{{closed_port}}"},
        ("KAFKA_BOOTSTRAP_SERVERS", f"{HOST}:{{closed_port}}", "start it or correct the address"),
    ),
    Case(
        "unreachable_database",
        "creator",
        "run",
        {"DATABASE_URL": f"postgresql://creator:hidden-password@{HOST}:{{closed_port}}/orders"},
        ("DATABASE_URL", "{closed_port}", "start it, or correct the address"),
        ("hidden-password",),
    ),
    Case(
        "unreachable_admin_database",
        "ingestor",
        "migrate",
        {"DATABASE_ADMIN_URL": f"postgresql://admin:hidden-password@{HOST}:{{closed_port}}/orders"},
        ("DATABASE_ADMIN_URL", "{closed_port}", "start it, or correct the address"),
        ("hidden-password",),
    ),
    Case(
        "wrong_kafka_credentials",
        "api",
        "check",
        {
            "KAFKA_BOOTSTRAP_SERVERS": "{sasl}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": "bridge",
            "KAFKA_SASL_PASSWORD": "hidden-password",
        },
        ("{sasl}", "the credentials of bridge (KAFKA_SASL_*) are wrong"),
        ("hidden-password",),
    ),
)
"""They are given ten seconds each to come up, so they begin first."""

AT_ONCE_WRONG = (
    Case("no_database", "ingestor", "run", {"DATABASE_URL": None}, ("DATABASE_URL is not set", "postgresql://")),
    Case("no_master_key", "matcher", "check", {"ORDERBRIDGE_MASTER_KEY": None}, ("ORDERBRIDGE_MASTER_KEY is not set",)),
    Case("no_admin_key", "api", "run", {"ORDERBRIDGE_ADMIN_KEY": None}, ("ORDERBRIDGE_ADMIN_KEY is not set",)),
    Case(
        "database_is_no_address",
        "matcher",
        "migrate",
        {"DATABASE_URL": "hidden-password"},
        ("DATABASE_URL", "write postgresql://"),
        ("hidden-password",),
    ),
    Case("port_is_no_number", "ingestor", "run", {"ORDERBRIDGE_HEALTH_PORT": "x"}, ("ORDERBRIDGE_HEALTH_PORT", "'x'")),
    Case(
        "plain_http_to_elsewhere",
        "ingestor",
        "check",
        {"ORDERBRIDGE_LWA_URL": "http://amazon.example"},
        ("ORDERBRIDGE_LWA_URL", "use https"),
    ),
    Case(
        "settles_too_soon",
        "creator",
        "run",
        {"ORDERBRIDGE_SETTLE_S": "3"},
        ("ORDERBRIDGE_SETTLE_S", "raise the first or lower the others"),
    ),
    Case(
        "secret_file_is_not_there",
        "matcher",
        "run",
        {"ORDERBRIDGE_MASTER_KEY": None, "ORDERBRIDGE_MASTER_KEY_FILE": "/nowhere/key"},
        ("ORDERBRIDGE_MASTER_KEY_FILE", "/nowhere/key", "mount"),
    ),
    Case(
        "master_key_is_malformed",
        "creator",
        "check",
        {"ORDERBRIDGE_MASTER_KEY": "test:hidden-key"},
        ("ORDERBRIDGE_MASTER_KEY",),
        ("hidden-key",),
    ),
    Case(
        "master_key_is_another",
        "ingestor",
        "run",
        {"ORDERBRIDGE_MASTER_KEY": OTHER_KEY},
        ("ORDERBRIDGE_MASTER_KEY", "test"),
        (OTHER_KEY.partition(":")[2],),
    ),
    Case(
        "database_is_not_there",
        "creator",
        "run",
        {"DATABASE_URL": "{no_such_database}"},
        ("DATABASE_URL", "nowhere", "correct user, password or database"),
    ),
    *(
        Case(
            f"port_is_taken_{service}",
            service,
            "run",
            {variable: "{taken_port}"},
            (variable, "{taken_port}", "set another port"),
        )
        for service, variable in (
            ("ingestor", "ORDERBRIDGE_HEALTH_PORT"),
            ("api", "ORDERBRIDGE_API_PORT"),
        )
    ),
    Case(
        "schema_is_old",
        "matcher",
        "run",
        {"DATABASE_URL": "{old_database}"},
        ("schema matcher is at revision 0000", "run python -m orderbridge_matcher migrate"),
    ),
    Case(
        "schema_is_not_there",
        "creator",
        "check",
        {"DATABASE_URL": "{empty_database}"},
        ("schema creator is at revision none", "run python -m orderbridge_creator migrate"),
    ),
    Case(
        "topics_are_not_there",
        "api",
        "run",
        {"ORDERBRIDGE_TOPIC_PREFIX": "nowhere."},
        ("nowhere.orders.status.v1", "run python -m orderbridge.topics create"),
    ),
    Case(
        "cleanup_policy_is_wrong",
        "ingestor",
        "run",
        {"ORDERBRIDGE_TOPIC_PREFIX": "{wrong_prefix}"},
        ("{wrong_prefix}connections.status.v1", "cleanup.policy delete", "kafka-configs --alter"),
    ),
)
CASES = (*WAITING, *AT_ONCE_WRONG)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def prefix(kafka_server: KafkaServer) -> Iterator[str]:
    """Topics as they must be under ``<prefix>``, and the ingestor's with a wrong policy under ``<prefix>wrong.``."""
    name = f"bad{secrets.token_hex(4)}."
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap, "ORDERBRIDGE_TOPIC_PREFIX": name}
    in_a_loop_of_its_own(create_topics(load_settings(KafkaSettings, settings)))
    in_a_loop_of_its_own(_wrong_topics(kafka_server.bootstrap, f"{name}wrong."))
    yield name
    if not kafka_server.is_ours:
        in_a_loop_of_its_own(_delete_topics(kafka_server.bootstrap, name))


async def _wrong_topics(bootstrap: str, prefix: str) -> None:
    compacted = {"cleanup.policy": "compact"}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await admin.create_topics(
            [
                NewTopic(
                    prefix + topic,
                    1,
                    1,
                    topic_configs=compacted if topic.startswith("connections.v") else {"cleanup.policy": "delete"},
                )
                for topic in (*READS, *WRITES)
            ]
        )
    finally:
        await admin.close()


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await admin.delete_topics([topic for topic in await admin.list_topics() if topic.startswith(prefix)])
    finally:
        await admin.close()


@pytest.fixture(scope="module")
def databases(postgres_server: PostgresServer) -> Iterator[dict[str, str]]:
    """One as it must be, with something in its vault; one whose matcher is old; one with nothing."""
    tail = secrets.token_hex(4)
    names = {name: f"bad_{name}_{tail}" for name in ("good_database", "old_database", "empty_database")}
    urls = {key: with_database(postgres_server.url, name) for key, name in names.items()}
    in_a_loop_of_its_own(_make_databases(postgres_server.url, names))
    yield urls | {"no_such_database": with_database(postgres_server.url, "nowhere")}
    for name in names.values():
        in_a_loop_of_its_own(drop_database(postgres_server.url, name))


async def _make_databases(server: str, names: Mapping[str, str]) -> None:
    good = await create_database(server, names["good_database"])
    await migrate(good)
    async with open_engine(good, schema="creator") as engine, engine.begin() as connection:
        await Vault(MasterKeys.parse(MASTER_KEY)).check(connection)
    await create_database(server, names["empty_database"])
    admin = await asyncpg.connect(server)
    await admin.execute(f'create database "{names["old_database"]}" template "{names["good_database"]}"')
    await admin.close()
    old = await asyncpg.connect(with_database(server, names["old_database"]))
    await old.execute("update matcher.alembic_version set version_num = '0000'")
    await old.close()


@pytest.fixture(scope="module")
def sasl(server_run: Run) -> Iterator[str]:
    """The address of a broker that asks for a password; empty where there is no Java to run one."""
    try:
        java, jars = find_java(), find_jars()
    except StartError:
        yield ""
        return
    port, asking = free_port(), free_port()
    folder = server_run.subfolder("kafka-sasl")
    broker = NativeKafka(server_run, java, jars, folder, port)
    properties = folder / "server.properties"
    properties.write_text(_asking_for_passwords(properties.read_text(), port, asking))
    broker.start()
    yield f"{HOST}:{asking}"
    broker.stop()


def _asking_for_passwords(properties: str, port: int, asking: int) -> str:
    plain, sasl = f"PLAINTEXT://{HOST}:{port}", f"SASL_PLAINTEXT://{HOST}:{asking}"
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return "\n".join(
        (
            properties.replace(plain, f"{plain},{sasl}").replace(
                "map=PLAINTEXT:", "map=SASL_PLAINTEXT:SASL_PLAINTEXT,PLAINTEXT:"
            ),
            "sasl.enabled.mechanisms=PLAIN",
            f'listener.name.sasl_plaintext.plain.sasl.jaas.config={module} user_bridge="the right one";',
            "",
        )
    )


@dataclass(frozen=True)
class Ends:
    """How each case ends, by its name; ``places`` is what stands for the names in braces."""

    cases: Mapping[str, Future[Ended]]
    places: Mapping[str, str]


@pytest.fixture(scope="module")
def ends(databases: dict[str, str], kafka_server: KafkaServer, prefix: str, sasl: str) -> Iterator[Ends]:
    """All are started once, some at a time."""
    with socket.create_server(("0.0.0.0", 0)) as taken, ThreadPoolExecutor(AT_ONCE) as threads:
        places = databases | {
            "closed_port": str(free_port()),
            "taken_port": str(taken.getsockname()[1]),
            "wrong_prefix": f"{prefix}wrong.",
            "sasl": sasl,
        }
        usual = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": databases["good_database"],
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
            "ORDERBRIDGE_TOPIC_PREFIX": prefix,
            "ORDERBRIDGE_MASTER_KEY": MASTER_KEY,
            "ORDERBRIDGE_ADMIN_KEY": "an invented key for tests",
            "ORDERBRIDGE_HEALTH_PORT": "0",
            "ORDERBRIDGE_API_PORT": "0",
        }
        cases = [case for case in CASES if sasl or "{sasl}" not in case.words]
        yield Ends({case.name: threads.submit(_run, case, usual, places) for case in cases}, places)


def _run(case: Case, usual: Mapping[str, str], places: Mapping[str, str]) -> Ended:
    changed = {name: value and value.format_map(places) for name, value in case.changed.items()}
    environment = {name: value for name, value in {**usual, **changed}.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", f"orderbridge_{case.service}", case.action],
        env=environment,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_mistake_in_the_setup_is_one_line_and_exit_code_2(case: Case, ends: Ends) -> None:
    if case.name not in ends.cases:
        pytest.skip("no Java for a broker that asks for passwords")
    ended = ends.cases[case.name].result()
    assert ended.code == 2, ended
    assert ended.err.count("\n") == 1, ended.err
    for words in case.words:
        assert words.format_map(ends.places) in ended.err
    for secret in case.never:
        assert secret not in ended.err + ended.out
    assert "Traceback" not in ended.err + ended.out
