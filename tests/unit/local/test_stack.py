"""Who gets which variables, and how a stack in the background is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import background, stack
from deploy.local.environments import SERVICES, Environments, with_role
from deploy.local.errors import StartError
from deploy.local.guard import Guard
from deploy.local.ports import Ports
from deploy.local.stopping import stop_on_signals

ROOT = Path(__file__).parents[3]
ADMIN = "postgresql://postgres:secret@127.0.0.1:15432/orderbridge"
EVERYWHERE = {
    "PATH",
    "HOME",
    "LANG",
    "PYTHONUNBUFFERED",
    "DATABASE_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "ORDERBRIDGE_MASTER_KEY",
    "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS",
}
OWN = {
    "ingestor": {"ORDERBRIDGE_AMAZON_URL", "ORDERBRIDGE_LWA_URL", "ORDERBRIDGE_HEALTH_PORT"},
    "matcher": {"ORDERBRIDGE_SHOPIFY_URL", "ORDERBRIDGE_HEALTH_PORT"},
    "creator": {
        "ORDERBRIDGE_SHOPIFY_URL",
        "ORDERBRIDGE_HEALTH_PORT",
        "ORDERBRIDGE_SETTLE_S",
        "ORDERBRIDGE_SHOPIFY_DEADLINE_S",
        "ORDERBRIDGE_SHOPIFY_LATE_S",
        "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S",
        "ORDERBRIDGE_STOCK_REREAD_S",
    },
    "api": {
        "ORDERBRIDGE_SHOPIFY_URL",
        "ORDERBRIDGE_ADMIN_KEY",
        "ORDERBRIDGE_API_PORT",
        "ORDERBRIDGE_PUBLIC_URL",
    },
}


@pytest.fixture
def guard() -> Iterator[Guard]:
    started = Guard()
    yield started
    started.finish()


def environments(*, admin_url: str | None = ADMIN, shared_url: str | None = None, **given: str) -> Environments:
    values = {"PATH": "/bin", "HOME": "/home/someone", "SECRET_OF_THE_SHELL": "x", **given}
    return Environments(kafka="127.0.0.1:19092", admin_url=admin_url, shared_url=shared_url, given=values)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_only_its_own_variables(service: str) -> None:
    assert set(environments().service(service)) == EVERYWHERE | OWN[service]


def test_only_migrate_is_told_the_administrators_address() -> None:
    known = environments()
    assert known.migrate("matcher")["DATABASE_ADMIN_URL"] == ADMIN
    for service in SERVICES:
        assert "secret" not in known.service(service)["DATABASE_URL"]


def test_each_service_has_a_role_of_its_own() -> None:
    known = environments()
    urls = {known.service(service)["DATABASE_URL"] for service in SERVICES}
    assert len(urls) == len(SERVICES)
    assert all(f"orderbridge_{service}:" in known.service(service)["DATABASE_URL"] for service in SERVICES)
    assert all(url.endswith("@127.0.0.1:15432/orderbridge") for url in urls)


def test_a_stack_on_other_ports_tells_each_process_of_them() -> None:
    ports = Ports(api=1, ingestor=2, matcher=3, creator=4, amazon=5, shopify=6)
    known = Environments(kafka="127.0.0.1:19092", admin_url=ADMIN, shared_url=None, ports=ports, given={})
    assert known.service("api")["ORDERBRIDGE_API_PORT"] == "1"
    assert [known.service(one)["ORDERBRIDGE_HEALTH_PORT"] for one in ("ingestor", "matcher", "creator")] == [
        "2",
        "3",
        "4",
    ]
    assert known.service("ingestor")["ORDERBRIDGE_AMAZON_URL"] == "http://127.0.0.1:5"
    assert known.service("creator")["ORDERBRIDGE_SHOPIFY_URL"] == "http://127.0.0.1:6/{shop}"
    assert known.service("matcher", instance=2)["ORDERBRIDGE_HEALTH_PORT"] == "0"


def test_with_one_given_address_all_services_share_it() -> None:
    known = environments(admin_url=None, shared_url="postgresql://one@db.example/x")
    assert {known.service(service)["DATABASE_URL"] for service in SERVICES} == {"postgresql://one@db.example/x"}
    assert "DATABASE_ADMIN_URL" not in known.migrate("api")


def test_further_instances_take_a_free_port() -> None:
    assert environments().service("matcher")["ORDERBRIDGE_HEALTH_PORT"] == "9102"
    assert environments().service("matcher", instance=2)["ORDERBRIDGE_HEALTH_PORT"] == "0"


def test_a_given_brokers_credentials_reach_topics_and_services() -> None:
    known = environments(KAFKA_SASL_USERNAME="someone", OTEL_SERVICE_NAME="x")
    for environment in (known.topics(), known.service("api")):
        assert environment["KAFKA_SASL_USERNAME"] == "someone"
        assert environment["OTEL_SERVICE_NAME"] == "x"
    assert "KAFKA_SASL_USERNAME" not in known.plain()


def test_a_password_with_reserved_characters_survives_in_an_address() -> None:
    assert with_role("postgresql://a:b@h:1/d?x=y", "r", "p@/:") == "postgresql://r:p%40%2F%3A@h:1/d?x=y"


def test_an_api_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERBRIDGE_API_PORT", "eighty")
    with pytest.raises(StartError, match="ORDERBRIDGE_API_PORT is 'eighty' — set it to a port"):
        stack.api_port()


def test_a_second_stack_of_the_same_tree_is_refused(guard: Guard, tmp_path: Path) -> None:
    folder = tmp_path / ".run"
    with background.claimed_folder(guard, "up", folder):
        owner = background.current_owner(folder)
        assert owner is not None
        assert owner.pid == os.getpid()
        with (
            pytest.raises(StartError, match="already up — make down stops it"),
            background.claimed_folder(guard, "up", folder),
        ):
            pass
    assert not folder.exists()
    assert background.current_owner(folder) is None


def test_what_a_dead_owner_left_is_taken_over(guard: Guard, tmp_path: Path) -> None:
    folder = tmp_path / ".run"
    folder.mkdir()
    stale = {"pid": os.getpid(), "created": psutil.Process().create_time() - 1, "what": "up"}
    (folder / "owner.json").write_text(json.dumps(stale))
    assert background.current_owner(folder) is None
    with background.claimed_folder(guard, "up", folder):
        assert background.current_owner(folder) is not None


def test_why_a_stack_ended_by_itself_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(background, "FOLDER", tmp_path / ".run")
    monkeypatch.setattr(background, "current_owner", lambda: None)
    background.leave_last_words(StartError("api cannot run (code 2)", "set ORDERBRIDGE_X"))
    told: list[str] = []

    assert background.down(told.append) == 0
    assert background.down(told.append) == 0

    assert told == ["the stack had ended by itself: api cannot run (code 2) — set ORDERBRIDGE_X", "the stack is not up"]
    assert not (tmp_path / ".run").exists()


def test_sigterm_unwinds_like_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        os.kill(os.getpid(), 15)


@pytest.mark.parametrize("arguments", [["up", "--matcher", "0"], ["up", "--matcher", "many"], ["sideways"], []])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
