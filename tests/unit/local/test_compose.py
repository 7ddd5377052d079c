"""The compose file: valid, and the same stack as the local runner's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.containers import KAFKA_IMAGE, POSTGRES_IMAGE, kafka_environment
from deploy.local.environments import SERVICES, Environments

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose.yaml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
PLAIN = {"PATH", "HOME", "LANG", "PYTHONUNBUFFERED"}


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def runner() -> Environments:
    return Environments(kafka="kafka:9092", admin_url="postgresql://a:b@h/d", shared_url=None, given={})


def check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_specification_accepts_the_file_and_not_a_misspelt_one(tmp_path: Path) -> None:
    accepted = check(COMPOSE)
    assert accepted.returncode == 0, accepted.stdout
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text(COMPOSE.read_text(encoding="utf-8").replace("healthcheck:", "healtcheck:", 1), encoding="utf-8")
    assert check(misspelt).returncode != 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_variables_that_the_runner_gives_it(service: str) -> None:
    assert set(services()[service]["environment"]) == set(runner().service(service)) - PLAIN
    for_run_alone = {"ORDERBRIDGE_HEALTH_PORT", "ORDERBRIDGE_API_PORT", "ORDERBRIDGE_PUBLIC_URL"}
    migration = set(runner().migrate(service)) - PLAIN - for_run_alone
    assert set(services()[f"migrate-{service}"]["environment"]) == migration


@pytest.mark.parametrize("service", SERVICES)
def test_fixed_values_are_those_of_the_runner(service: str) -> None:
    expected = runner().service(service)
    varying = {"DATABASE_URL", "ORDERBRIDGE_MASTER_KEY", "ORDERBRIDGE_ADMIN_KEY"}
    for name, value in services()[service]["environment"].items():
        assert name in varying or value == expected[name], name


def test_images_and_broker_settings_are_those_of_the_runner() -> None:
    found = services()
    assert (found["postgres"]["image"], found["kafka"]["image"]) == (POSTGRES_IMAGE, KAFKA_IMAGE)
    listeners = re.compile("LISTENER|QUORUM")
    for name, value in kafka_environment("kafka:9092").items():
        assert listeners.search(name) or found["kafka"]["environment"][name] == value, name


def test_every_image_is_built_from_a_stage_and_a_lock_that_exist() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    built = [service["build"] for service in services().values() if "build" in service]
    assert {build["target"] for build in built} == {"service", "standins"} <= stages
    locks = {build["args"]["SERVICE"] for build in built if "args" in build}
    assert locks == set(SERVICES)
    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in locks)


def test_no_container_of_ours_runs_as_root_or_may_write() -> None:
    assert "USER 10001:10001" in DOCKERFILE
    for name, service in services().items():
        if "build" in service:
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name


def test_stand_ins_never_get_into_a_services_image() -> None:
    stage = re.search(r"FROM tools AS build-service\n(.*?)\nFROM ", DOCKERFILE, re.DOTALL)
    assert stage is not None
    assert "standins" not in stage[1]
