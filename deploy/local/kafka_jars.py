"""Apache Kafka's published jars, fetched once by Maven into the cache that outlives the run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import StartError

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
OLDEST_JAVA = 17
OTHERWISE = "start Docker, or give a broker in KAFKA_BOOTSTRAP_SERVERS"


def find_java() -> str:
    """The `java` to run. Raises ``StartError`` when there is none or it is too old."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    remedy = f"install Java {OLDEST_JAVA} or newer (such as openjdk-17-jre-headless), {OTHERWISE}"
    if java is None:
        raise StartError("Apache Kafka needs Java, and no java was found", remedy)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise StartError(f"{java} is not Java {OLDEST_JAVA} or newer", remedy)
    return java


def find_jars() -> Path:
    """The folder of the jars, fetched if it is not there. Raises ``StartError`` without Maven or a network."""
    folder = cache_folder() / f"kafka-{pinned_version()}"
    if not folder.is_dir():
        _fetch(folder)
    return folder


def cache_folder() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME")
    return (Path(configured) if configured else Path.home() / ".cache") / "orderbridge"


def pinned_version() -> str:
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if found is None:
        raise StartError(f"{POM} names no kafka.version", "restore that file")
    return found[1]


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StartError(
            "Apache Kafka's jars are fetched by Maven, and no mvn was found", f"install maven, {OTHERWISE}"
        )
    print(f"fetching Apache Kafka {pinned_version()} once, into {folder}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as name:
        work = Path(name)
        _run_maven(maven, work / "jars", work / "repository")
        try:
            # Whole or not at all: a run that is cut off leaves no half cache behind.
            (work / "jars").rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was quicker, with the same jars
                raise


def _run_maven(maven: str, jars: Path, repository: Path) -> None:
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    command += [f"-DoutputDirectory={jars}", f"-Dmaven.repo.local={repository}"]
    done = subprocess.run(command, cwd=jars.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not any(jars.glob("kafka-server-*.jar")):
        errors = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "[ERROR]" in line]
        first = re.sub(r"\x1b\[[0-9;]*m|\[ERROR\]\s*", "", errors[0])[:300] if errors else "it said nothing"
        raise StartError(f"Maven could not fetch Apache Kafka: {first}", f"mend the network or Maven, {OTHERWISE}")
