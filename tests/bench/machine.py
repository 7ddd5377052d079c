"""What a result was measured on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import psutil

from deploy.local.infrastructure import Infrastructure


def described(infrastructure: Infrastructure) -> dict[str, Any]:
    """Cores, memory and versions; nothing that names this machine."""
    return {
        "cores": psutil.cpu_count(),
        "cpu": _cpu(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "kafka": infrastructure.kafka.version,
        "postgres": infrastructure.postgres.described.partition(" (")[0],
    }


def _cpu() -> str:
    """The processor's model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


def rss_mib(pid: int) -> float:
    """Resident memory of one process, in MiB."""
    return round(psutil.Process(pid).memory_info().rss / 2**20, 1)
