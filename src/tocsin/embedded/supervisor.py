"""``tocsin up``: PostgreSQL, Kafka and every role as children of one process that restarts what crashes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final

from rich.console import Console

from tocsin.broker import ensure_topics
from tocsin.embedded import ports, runtime, startup_cache
from tocsin.embedded.children import Children
from tocsin.embedded.kafka import Kafka
from tocsin.embedded.postgres import Postgres
from tocsin.embedded.progress import Steps
from tocsin.embedded.readiness import wait_until_ready
from tocsin.embedded.roles import ROLES, Role, environment
from tocsin.errors import StartError
from tocsin.events.topics import topics
from tocsin.log import expire
from tocsin.settings import Settings

READY_SECONDS: Final = 60
HOPELESS_CRASHES: Final = 3
LOG_EXPIRY_INTERVAL_SECONDS: Final = 3600
# What takes work in goes first, what the others stand on last.
STOP_ORDER: Final = (*(command.name for command in ROLES), "kafka", "postgres")


class Supervisor:
    """Runs in the main thread of its process: Linux ends children with the *thread* that started them."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._data_dir = settings.data_dir.absolute()
        self._logs = settings.log_dir or self._data_dir / "logs"
        self._children = Children(lambda line: console.print(line, style="yellow", markup=False))
        self._stop = asyncio.Event()
        self._started_before = self._data_dir / "run" / "started-before"

    @property
    def url(self) -> str:
        host = "localhost" if self._settings.api_host in {"127.0.0.1", "0.0.0.0"} else self._settings.api_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._settings.api_port}"

    async def run(self) -> bool:
        """Starts everything, says so, and returns after SIGINT or SIGTERM stopped it: False when during the start.

        Raises StartError, after stopping what was started already.
        """
        loop = asyncio.get_running_loop()
        # addresses, known from the moment each is started
        self._kafka: asyncio.Future[str] = loop.create_future()
        self._database: asyncio.Future[str] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        beside = [asyncio.create_task(self._children.watch()), asyncio.create_task(self._expire_logs())]
        try:
            started = await self._unless_stopped(self._start())
            if started:
                self._say(f"tocsin is ready: {self.url}")
                beside.append(asyncio.create_task(self._train_startup_cache()))
                await self._stop.wait()
            return started
        finally:
            for task in beside:
                task.cancel()
            await self._children.stop(STOP_ORDER)
            runtime.withdraw(self._data_dir)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():  # asked twice: somebody is in a hurry
            self._children.kill()
        else:
            self._say("stopping")
        self._stop.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """True when ``work`` finished, False when a signal came first. Raises what it raises."""
        working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            working.result()
            return True
        working.cancel()
        return False

    # --- starting ---------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._check_ports()
        secrets = runtime.ensure_secrets(self._data_dir)
        with Steps(self._console) as steps:
            backends = self._backends(steps)
            if self._started_before.exists():
                # the schema and the topics are there: the roles load while what they wait for starts
                await _together(backends, self._start_roles(secrets, steps))
            else:
                await backends
                await self._start_roles(secrets, steps)
            self._started_before.touch()

    async def _backends(self, steps: Steps) -> None:
        kafka, database = await _together(self._kafka_with_topics(steps), self._postgres_with_schema(steps))
        runtime.publish(self._data_dir, kafka, database, self.url)

    def _check_ports(self) -> None:
        host, port = self._settings.api_host, self._settings.api_port
        if not ports.is_free(port, host):
            raise StartError(f"Port {port} is in use; set API_PORT to a free one.")
        for number, command in enumerate(ROLES):
            metrics_port = self._settings.metrics_port + number
            if not ports.is_free(metrics_port, self._settings.metrics_host):
                raise StartError(
                    f"Port {metrics_port}, for the metrics of {command.name}, is in use; set METRICS_PORT so that "
                    f"{len(ROLES)} ports from it are free."
                )

    async def _kafka_with_topics(self, steps: Steps) -> str:
        kafka = await self._start_kafka(steps)
        await self._create_topics(kafka, steps)
        return kafka

    async def _postgres_with_schema(self, steps: Steps) -> str:
        database = await self._start_postgres(steps)
        steps.begin("Database schema")
        await asyncio.to_thread(_migrate, database)
        steps.done("Database schema")
        return database

    async def _start_kafka(self, steps: Steps) -> str:
        if self._settings.kafka_bootstrap_servers:
            self._kafka.set_result(self._settings.kafka_bootstrap_servers)
            return self._settings.kafka_bootstrap_servers
        kafka = Kafka(
            self._data_dir / "kafka", logs=self._logs / "kafka", log_retention_days=self._settings.log_retention_days
        )
        steps.begin("Kafka")
        await asyncio.to_thread(kafka.prepare, lambda done, of: steps.begin("Kafka", f"downloaded {done} of {of} jars"))
        steps.begin("Kafka", "starting")
        self._children.spawn("kafka", kafka)
        self._kafka.set_result(kafka.bootstrap)
        await asyncio.to_thread(kafka.wait)
        self._children.keep("kafka")
        steps.done("Kafka", kafka.bootstrap)
        return kafka.bootstrap

    async def _start_postgres(self, steps: Steps) -> str:
        if self._settings.database_url:
            self._database.set_result(self._settings.database_url)
            return self._settings.database_url
        postgres = Postgres(self._data_dir / "postgres", logs=self._logs / "postgres")
        steps.begin("PostgreSQL")
        await asyncio.to_thread(postgres.prepare)
        self._children.spawn("postgres", postgres)
        self._database.set_result(postgres.dsn)
        await asyncio.to_thread(postgres.wait)
        self._children.keep("postgres")
        steps.done("PostgreSQL", str(postgres.socket_directory))
        return postgres.dsn

    async def _create_topics(self, kafka: str, steps: Steps) -> None:
        steps.begin("Topics")
        report = await ensure_topics(kafka, topics(self._settings.events_retention_days), self._settings.partitions)
        steps.done("Topics", f"{len(report.created)} created" if report.created else "")

    async def _start_roles(self, secrets: dict[str, str], steps: Steps) -> None:
        kafka, database = await self._kafka, await self._database
        names = ", ".join(command.name for command in ROLES)
        steps.begin("Roles", names)
        for number, command in enumerate(ROLES):
            role = Role(command, environment(self._settings, kafka, database, secrets, number), self._data_dir)
            await asyncio.to_thread(role.prepare)
            self._children.spawn(command.name, role)
            self._children.keep(command.name)
        await self._until_ready()
        steps.done("Roles", names)

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(wait_until_ready(self._settings.reachable_host, self._settings.api_port))
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not ready.done():
            await asyncio.wait({ready}, timeout=0.5)
            for command in ROLES:
                if not ready.done() and self._children.crashes(command.name) >= HOPELESS_CRASHES:
                    ready.cancel()
                    raise StartError(f"The role {command.name} ends again and again; its log is in {self._logs}.")
            if asyncio.get_running_loop().time() > deadline:
                ready.cancel()
                raise StartError(f"tocsin was not ready after {READY_SECONDS} s; the logs are in {self._logs}.")

    async def _train_startup_cache(self) -> None:
        if not self._settings.kafka_bootstrap_servers:
            await startup_cache.train(self._data_dir / "kafka-training")

    async def _expire_logs(self) -> None:
        while True:
            await asyncio.to_thread(expire, self._logs, self._settings.log_retention_days)
            await asyncio.sleep(LOG_EXPIRY_INTERVAL_SECONDS)


def _migrate(database: str) -> None:
    from tocsin.projections.migrate import upgrade  # takes a second to import: not in the event loop's thread

    upgrade(database)


async def _together(first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
    """Both results; the first failure ends both."""
    async with asyncio.TaskGroup() as group:
        tasks = group.create_task(first), group.create_task(second)
    return tasks[0].result(), tasks[1].result()
