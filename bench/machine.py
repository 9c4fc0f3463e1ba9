"""Which machine and which versions the figures belong to."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from tocsin.embedded.jars import KAFKA_VERSION
from tocsin.embedded.postgres import binaries


def description() -> dict[str, Any]:
    """CPU, cores, memory (GiB), and the versions of Python, Kafka and PostgreSQL."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kafka": KAFKA_VERSION,
        "postgresql": _postgresql_version(),
    }


def load_average() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _postgresql_version() -> str:
    told = subprocess.run([str(binaries() / "postgres"), "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[-1]
