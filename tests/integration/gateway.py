"""A role that serves HTTP in a process of its own, as in production."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GatewayProcess:
    """``tocsin ingest`` (or another ``role``) on a free port; ``url`` once entered."""

    def __init__(
        self, kafka: str, database: str, directory: Path, *, role: str = "ingest", port: int = 0, **environment: str
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._role = role
        self._log = directory / f"{role}-{self.port}.log"
        self._directory = directory
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": database,
            "API_PORT": str(self.port),
            "METRICS_PORT": str(free_port()),
            "TOCSIN_DATA_DIR": str(directory / "data"),
            "TOCSIN_KEY_PEPPER": "pepper",
            "TICKETS_CONFIG_PATH": str(directory / "tickets.yaml"),
            **environment,
        }

    def __enter__(self) -> Self:
        role = self._role
        command = f"from tocsin import log; log.configure('{role}'); from tocsin.http import run_{role}; run_{role}()"
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", command],
                cwd=self._directory,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        try:
            self._until_listening()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 20) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def memory_bytes(self, name: str = "VmRSS") -> int:
        """Resident memory, or with ``VmHWM`` the most there has been."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise LookupError(name)

    def _until_listening(self, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                httpx.get(self.url)  # whatever it answers
                return
            except httpx.TransportError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the gateway did not start:\n{self.log}") from None
                time.sleep(0.05)
