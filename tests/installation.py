"""``tocsin up`` in a directory of its own: the product as its users run it, for journeys and faults."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import httpx
import psutil

from tocsin.embedded import ports, process, runtime
from tocsin.embedded.readiness import is_ready
from tocsin.embedded.roles import ROLES
from tocsin.settings import Settings

TOCSIN = [sys.executable, "-m", "tocsin"]
QUICK_JVM = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}
"""A broker that compiles less: it starts sooner and runs slower. Nothing here is measured."""
CHILDREN = (*(command.name for command in ROLES), "kafka", "postgres")


def victims(rounds: int) -> Iterator[str]:
    """At random, but none again before all others had their turn."""
    while rounds > 0:
        yield from random.sample(CHILDREN, min(rounds, len(CHILDREN)))
        rounds -= len(CHILDREN)


class Installation:
    """One ``tocsin up`` and its children. ``settings``: environment variables besides ports and directory."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.api_port = ports.choose(1)[0]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "API_"))},
            "API_PORT": str(self.api_port),
            "METRICS_PORT": str(_free_row(len(ROLES) + 2)),
            "TOCSIN_DATA_DIR": str(self.data),
            **QUICK_JVM,
            **settings,
        }
        self.process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def addresses(self) -> runtime.Runtime:
        """Where its Kafka and PostgreSQL are."""
        return runtime.running(self.data)

    @property
    def settings(self) -> Settings:
        """As its roles have them: for what would otherwise take a ``tocsin`` command each time."""
        at = self.addresses
        return Settings(
            _env_file=None, api_port=self.api_port, kafka_bootstrap_servers=at.kafka, database_url=at.database
        )

    def start(self) -> None:
        """Returns when it says that it is ready, or has ended; ``output`` has what it said."""
        self.process = subprocess.Popen(
            [*TOCSIN, "up"], cwd=self.directory, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.output = _until(self.process.stdout, "tocsin is ready")

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A ``tocsin`` command of another shell in the same directory."""
        return subprocess.run(
            [*TOCSIN, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            input=text,
        )

    def child(self, name: str) -> psutil.Process:
        if name == "postgres":
            return psutil.Process(int((self.data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        file = self.data / "kafka" / "kafka.pid" if name == "kafka" else self.data / "run" / f"{name}.pid"
        found = process.recall(file)
        assert found is not None, name
        return found

    def replaced(self, name: str, before: psutil.Process) -> bool:
        """Whether another process has taken the place of that child."""
        try:
            return self.child(name) != before
        except (AssertionError, OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return False

    def ready(self) -> bool:
        return is_ready("127.0.0.1", self.api_port)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(120)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            yield client


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[Installation]:
    """An installation in a new directory, ready; ended afterwards."""
    directory.mkdir()
    installed = Installation(directory, **settings)
    installed.start()
    try:
        assert installed.output[-1].startswith("tocsin is ready"), installed.output
        yield installed
    finally:
        installed.end()


T = TypeVar("T")


def eventually(look: Callable[[], T | None], seconds: float = 20, pause: float = 0.05) -> T:
    """The first true result of ``look``; fails after ``seconds`` with the last one.

    Looking may take a third of the time at most: what is waited for needs the processor too.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if seen := look():
            return seen
        now = time.monotonic()
        assert now < deadline, f"still {seen!r} after {seconds} s"
        time.sleep(max(pause, 2 * (now - began)))


def _free_row(count: int) -> int:
    while True:
        first = ports.choose(1)[0]
        if all(ports.is_free(port) for port in range(first, first + count)):
            return first


def _until(stream: IO[str], beginning: str) -> list[str]:
    lines = []
    for line in stream:
        lines.append(line.rstrip())
        if line.startswith(beginning):
            break
    return lines
