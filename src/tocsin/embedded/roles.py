"""The roles that ``tocsin up`` runs, and how one of them is started and stopped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tocsin.embedded import process
from tocsin.settings import Settings

STOP_SECONDS: Final = 25  # more than the grace the http role gives its clients


@dataclass(frozen=True, slots=True)
class Command:
    """``arguments`` of ``python -m tocsin``."""

    name: str
    arguments: tuple[str, ...]


# In the order they are stopped: first what takes work in. The n-th serves its metrics on METRICS_PORT + n.
ROLES: Final = (
    Command("http", ("http",)),
    Command("stream", ("stream",)),
    Command("project", ("project",)),
)


class Role:
    """One child process of the supervisor."""

    def __init__(self, command: Command, environment: Mapping[str, str], data_dir: Path) -> None:
        self.name = command.name
        self.process: psutil.Popen | None = None
        self._command = [sys.executable, "-m", "tocsin", *command.arguments]
        self._environment = environment
        self._pid_file = data_dir / "run" / f"{command.name}.pid"
        self._console = data_dir / "logs" / f"{command.name}-console.log"

    def prepare(self) -> None:
        """Stops the one a killed supervisor left behind (where the system could not end it)."""
        self._pid_file.parent.mkdir(exist_ok=True)
        if orphan := process.recall(self._pid_file):
            process.stop(orphan, signal.SIGTERM, STOP_SECONDS)
        self._console.unlink(missing_ok=True)

    def spawn(self) -> None:
        # SIGKILL if the supervisor dies: without its backends a role could not finish anything
        self.process = process.spawn(
            self._command, log=self._console, environment=self._environment, death_signal=signal.SIGKILL
        )
        process.remember(self._pid_file, self.process)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, timeout)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        if self.process is not None:
            process.kill(self.process)


def environment(
    settings: Settings, kafka: str, database: str, secrets: Mapping[str, str], number: int
) -> dict[str, str]:
    """What the n-th role is told: everything explicitly, so that no role depends on the directory it runs in."""
    data_dir = settings.data_dir.absolute()
    return {
        **os.environ,
        **secrets,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": database,
        "TOCSIN_DATA_DIR": str(data_dir),
        "TOCSIN_LOG_DIR": str(settings.log_dir or data_dir / "logs"),
        "METRICS_PORT": str(settings.metrics_port + number),
        "PYTHONUNBUFFERED": "1",
    }
