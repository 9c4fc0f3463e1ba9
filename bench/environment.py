"""What the rows stand on: a real Kafka and PostgreSQL in a temporary directory, and processes of tocsin beside them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from tocsin.broker import administration, ensure_topics
from tocsin.embedded import ports, process
from tocsin.embedded.kafka import Kafka
from tocsin.embedded.postgres import Postgres
from tocsin.embedded.readiness import is_ready
from tocsin.events.topics import topics

PARTITIONS: Final = 4
ALERTMANAGER_SECRET: Final = "bench"  # noqa: S105 - of a broker that lives for one row
ROOT: Final = Path(__file__).parent.parent
_TEMPLATE: Final = "bench_template"
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation is: empty topics, an empty database, a name that no consumer group has seen."""

    bootstrap: str
    database: str
    name: str


class Program:
    """A child process; it dies with the bench. What it says goes to ``log``."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.port = int(environment.get("API_PORT", "0"))
        self.metrics_port = int(environment.get("METRICS_PORT", "0"))
        self.process = process.spawn(command, log=log, environment=environment, directory=log.parent)

    @property
    def alive(self) -> bool:
        return process.is_alive(self.process)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
        process.stop(self.process, signal.SIGTERM, 15)

    def kill(self) -> None:
        process.kill(self.process)

    def check(self) -> None:
        """Raises RuntimeError with its last words when it has ended."""
        if not self.alive:
            said = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.log.name} ended with {self.process.poll()}:\n{said}")

    async def until_ready(self, seconds: float = 60) -> None:
        """Until its HTTP port answers that it is ready."""
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(is_ready, "127.0.0.1", self.port):
                self.check()
                await asyncio.sleep(0.02)

    async def until_open(self, seconds: float = 60) -> None:
        """Until its HTTP port takes connections."""
        async with asyncio.timeout(seconds):
            while ports.is_free(self.port):
                self.check()
                await asyncio.sleep(0.02)

    def metrics(self) -> dict[tuple[str, str], float]:
        """Its samples by (name, labels as printed); empty when it does not answer."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        found = (_SAMPLE.match(line) for line in text.splitlines())
        return {(one[1], one[2] or ""): float(one[3]) for one in found if one}

    def total(self, name: str) -> float:
        """The sum of a metric over its labels; 0 when the process does not answer."""
        return sum(value for (found, _), value in self.metrics().items() if found == name)

    async def until_total(self, name: str, wanted: float, seconds: float = 600, pause: float = 0.25) -> None:
        """Until a metric has reached ``wanted``. Raises TimeoutError, RuntimeError when the process ends."""
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(self.total, name) < wanted:
                self.check()
                await asyncio.sleep(pause)

    def memory(self) -> psutil._ntuples.pmem:
        return self.process.memory_info()


class Environment:
    """The backends of one row; each starts on first use, and ``stop`` ends them and every program.

    settings: what its roles are told besides.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings: dict[str, str] = {}
        self._kafka = Kafka(directory / "kafka")
        self._postgres = Postgres(directory / "pg")
        self._programs: list[Program] = []
        self._places = 0

    @cached_property
    def bootstrap(self) -> str:
        return self._kafka.start()

    @cached_property
    def server(self) -> str:
        """DSN of the server's own database."""
        return self._postgres.start()

    def stop(self) -> None:
        for program in self._programs:
            if program.alive:
                program.kill()
        self._kafka.stop()
        self._postgres.stop()

    async def place(self, *, database: bool = True) -> Place:
        """A new installation on these backends. Topics of an earlier one are deleted, so stop its programs before."""
        self._places += 1
        await self._recreate_topics()
        name = f"bench-{self._places}"
        return Place(self.bootstrap, await self._new_database(name) if database else "", name)

    async def _recreate_topics(self) -> None:
        wanted = topics()
        async with administration(self.bootstrap) as admin:
            old = [topic.name for topic in wanted if topic.name in await admin.list_topics()]
            if old:
                await admin.delete_topics(old)
            while set(old).intersection(await admin.list_topics()):  # noqa: ASYNC110 - the broker's state
                await asyncio.sleep(0.05)
        await ensure_topics(self.bootstrap, wanted, PARTITIONS)

    async def _new_database(self, name: str) -> str:
        connection = await asyncpg.connect(self.server)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", _TEMPLATE):
                await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                await asyncio.to_thread(_migrate, _named(self.server, _TEMPLATE))
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE}')
        finally:
            await connection.close()
        return _named(self.server, name)

    def role(self, place: Place, *arguments: str) -> Program:
        """A process of tocsin, as ``tocsin up`` starts it; ``arguments`` as on its command line."""
        return self._start(["-m", "tocsin", *arguments], self._settings(place))

    def module(self, place: Place, module: str, *arguments: str) -> Program:
        """A Python module of this repository as a process, with the settings of a role."""
        return self._start(["-m", module, *arguments], {**self._settings(place), "PYTHONPATH": str(ROOT)})

    def _start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Program:
        number = len(self._programs)
        first = "".join(arguments[2:3]).rpartition("/")[2]  # it may be a path
        log = self.directory / f"{number}-{arguments[1].rpartition('.')[2]}-{first}.log"
        self._programs.append(Program([sys.executable, *arguments], environment, log))
        return self._programs[-1]

    def _settings(self, place: Place) -> dict[str, str]:
        api, metrics = ports.choose(2)
        ours = ("TOCSIN_", "API_", "METRICS_", "KAFKA_", "DATABASE_")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "KAFKA_BOOTSTRAP_SERVERS": place.bootstrap,
            "DATABASE_URL": place.database,
            "TOCSIN_INSTALLATION": place.name,
            "TOCSIN_PARTITIONS": str(PARTITIONS),
            "TOCSIN_DATA_DIR": str(self.directory / "data"),
            "TOCSIN_LOG_DIR": str(self.directory / "logs"),
            "TOCSIN_KEY_PEPPER": "bench",
            "TOCSIN_EGRESS_ALLOW": "127.0.0.1:1024-65535",
            "ALERTMANAGER_WEBHOOK_SECRET": ALERTMANAGER_SECRET,
            "SLA_CONFIG_PATH": str(ROOT / "deploy" / "sla.yaml"),
            "API_PORT": str(api),
            "METRICS_PORT": str(metrics),
            "PYTHONUNBUFFERED": "1",
            **self.settings,
        }


def _migrate(dsn: str) -> None:
    from tocsin.projections.migrate import upgrade  # takes a second to import

    upgrade(dsn)


def _named(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
