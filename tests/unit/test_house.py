"""The house keeps its own rules, and each rule bites when it is broken on purpose."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("ingestor", "matcher", "creator", "api")
BIN = Path(sys.executable).parent


Run = subprocess.CompletedProcess[str]


def run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None, text: str | None = None) -> Run:
    return subprocess.run(
        command, cwd=cwd, env=env, input=text, capture_output=True, text=True, timeout=60, check=False
    )


def house_files() -> Iterator[Path]:
    """Every file that is, or would be, in git."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            yield path


def house_texts() -> Iterator[tuple[str, str]]:
    for path in house_files():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


# --- walls

PLANTED = [
    ("strangers", "orderbridge_matcher.adapters.stranger", "import orderbridge_creator"),
    ("rooms", "orderbridge_creator.utils", ""),
    ("rooms", "orderbridge_creator.domain.outward", "from orderbridge_creator import ports"),
    ("domain", "orderbridge_matcher.domain.waiting", "import asyncio"),
    ("domain", "orderbridge_ingestor.domain.clock", "from time import monotonic"),
    ("domain", "orderbridge_creator.domain.indirect", "from orderbridge import postgres"),
    ("ports", "orderbridge_api.ports.driver", "import sqlalchemy"),
    ("work", "orderbridge_matcher.steps.driver", "from orderbridge.kafka import Consumer"),
    ("kafka-home", "orderbridge_ingestor.adapters.kafka", "import aiokafka"),
    ("http-home", "orderbridge_ingestor.adapters.http", "from httpx import AsyncClient"),
    ("sql-home", "orderbridge_api.console.sql", "from sqlalchemy import text"),
    ("pure", "orderbridge.money", "import orderbridge.kafka"),
    ("standins", "orderbridge_standins.ours", "from orderbridge import money"),
    ("no-standins", "orderbridge_creator.adapters.pretend", "import orderbridge_standins"),
    ("common", "orderbridge.upwards", "import orderbridge_api"),
]


def copy_of_the_house(house: Path) -> Path:
    """The packages and their rules in another folder, without what they were installed with."""
    shutil.copy(ROOT / ".importlinter", house)
    for package in [*ROOT.glob("libs/*/orderbridge*"), *ROOT.glob("services/*/orderbridge_*")]:
        if package.suffix != ".egg-info":
            shutil.copytree(package, house / package.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    return house


def check_walls(house: Path) -> Run:
    """Run import-linter on ``house`` and on nothing else: its packages come before the installed ones."""
    roots = [*house.glob("libs/*"), *house.glob("services/*")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots)), "NO_COLOR": "1"}
    return run(str(BIN / "lint-imports"), "--no-logo", "--no-cache", cwd=house, env=env)


def plant(house: Path, module: str, line: str) -> None:
    """Add a line to a module; the packages above it are made, and a room that was one file becomes a package."""
    package = module.partition(".")[0]
    service = package.removeprefix("orderbridge_")
    member = {"orderbridge": "libs/common", "orderbridge_standins": "libs/standins"}.get(package, f"services/{service}")
    path = house / member / Path(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in path.relative_to(house / member).parents:
        if folder.name:
            (house / member / folder.with_suffix(".py")).unlink(missing_ok=True)
            (house / member / folder / "__init__.py").touch()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What import-linter says of each broken contract, once everything in ``PLANTED`` is in a copy of the house."""
    house = copy_of_the_house(tmp_path_factory.mktemp("planted"))
    for _, module, line in PLANTED:
        plant(house, module, line)
    checked = check_walls(house)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    rules = configparser.ConfigParser()
    rules.read(house / ".importlinter")
    names = {rules[section]["name"]: section.rpartition(":")[2] for section in rules.sections() if ":" in section}
    told = re.split(r"^(.+)\n-{5,}\n", checked.stdout.partition("Broken contracts")[2], flags=re.MULTILINE)
    return {names[title]: text for title, text in zip(told[1::2], told[2::2], strict=True)}


def test_the_house_as_it_stands_keeps_every_wall(tmp_path: Path) -> None:
    checked = check_walls(copy_of_the_house(tmp_path))

    assert checked.returncode == 0, checked.stdout
    assert " 0 broken" in checked.stdout


@pytest.mark.parametrize(("contract", "module", "line"), PLANTED)
def test_a_planted_import_breaks_its_wall(complaints: dict[str, str], contract: str, module: str, line: str) -> None:
    assert re.search(rf"(^|\W){re.escape(module)}($|\W)", complaints[contract]), complaints[contract]


@pytest.mark.parametrize(
    ("path", "line", "refused"),
    [
        ("services/matcher/orderbridge_matcher/domain/planted.py", "print(datetime.now(UTC))", True),
        ("services/matcher/orderbridge_matcher/adapters/planted.py", "print(datetime.now(UTC))", True),
        ("libs/common/orderbridge/planted.py", "print(time.time())", True),
        ("services/matcher/orderbridge_matcher/app.py", "clock = partial(datetime.now, UTC)", False),
    ],
)
def test_only_app_may_name_the_clock(path: str, line: str, refused: bool) -> None:
    source = f"import time\nfrom datetime import UTC, datetime\nfrom functools import partial\n\n{line}\n"

    checked = run(
        str(BIN / "ruff"), "check", "--no-cache", "--stdin-filename", path, "--select=TID251", "-", text=source
    )

    assert checked.returncode == (1 if refused else 0), checked.stdout
    assert ("a clock is an argument" in checked.stdout) is refused


def test_no_module_has_a_name_that_says_nothing() -> None:
    banned = {"common", "utils", "util", "helpers", "helper", "base", "manager", "misc"}

    named = [path for path, _ in house_texts() if path.endswith(".py") and Path(path).stem in banned]

    assert named == []


# --- the lock


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", [*SERVICES, "dev"])
def test_every_requirement_in_a_lock_is_pinned_and_hashed(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

    assert len(blocks) > 10
    assert [block for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []
    assert "://" not in text


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_and_development_run_the_same_versions(service: str) -> None:
    assert pins(service).items() <= pins("dev").items()


def test_the_lock_holds_what_the_members_ask_for() -> None:
    locked = pins("dev")

    for project in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        described = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        extras = described.get("optional-dependencies", {}).values()
        asked = [*described["dependencies"], *(entry for extra in extras for entry in extra)]
        exact = [re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ;]+)", entry) for entry in asked]
        wanted = {match[1]: match[2] for match in exact if match}
        assert wanted.items() <= locked.items(), project


# --- what is written down


_REGISTRIES = re.compile(
    r"pypi\.org|p[y]thonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|repo1?\.maven\.(apache\.)?org|"
    r"proxy\.golang\.org|crates\.io|rubygems\.org|deb\.debian\.org|(index|extra-index|find-links|registry)-?(url)?=http"
)
_MACHINE = re.compile(r"(?<![\w.~*-])/(?:root|work|home/[a-z]\w*|opt/wheels|Users/\w+)/[\w.]")
_ISSUE = re.compile(r"(?i)\bissue (?:#|no\. ?)?\d")


@pytest.mark.parametrize(
    ("what", "pattern", "example"),
    [
        ("a registry's address", _REGISTRIES, "--find " + "https://files.python" + "hosted.org/x"),
        ("a path of somebody's machine", _MACHINE, "see " + "/ro" + "ot/.cache"),
        ("an issue's number", _ISSUE, "as issue " + "3 says"),
    ],
    ids=["registry", "path", "issue"],
)
def test_no_file_names_what_only_one_machine_knows(what: str, pattern: re.Pattern[str], example: str) -> None:
    assert pattern.search(example)

    found = [f"{path}: {match[0]}" for path, text in house_texts() for match in pattern.finditer(text)]

    assert found == [], f"{what} in a file"


# --- the commands

TARGETS = {"help", "setup", "test", "check", "format", "demo", "up", "down", "bench", "contracts", "lock", "clean"}


def test_make_help_names_every_public_target() -> None:
    shown = run("make", "help")

    assert shown.returncode == 0, shown.stderr
    targets = {line.split()[0] for line in re.sub(r"\x1b\[\d*m", "", shown.stdout).splitlines()}
    assert targets >= TARGETS


def test_the_gate_runs_what_the_readme_tells_a_person_to_run() -> None:
    gate = ROOT / ".ci" / "run"

    assert os.access(gate, os.X_OK)
    assert {"make check", "make test"} <= set(gate.read_text(encoding="utf-8").splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme
