"""The three ways to a real Kafka and PostgreSQL for the tests."""

from __future__ import annotations

import gc
import os
import warnings
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import Any, Final

from tocsin.embedded.kafka import Kafka
from tocsin.embedded.postgres import Postgres

KAFKA_IMAGE: Final = "apache/kafka:4.1.2"
POSTGRES_IMAGE: Final = "postgres:18"


class Backend(ABC):
    """Starts each half on first use; ``stop`` ends what was started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @abstractmethod
    def kafka(self) -> str: ...

    @abstractmethod
    def postgres(self) -> str: ...

    @abstractmethod
    def stop(self) -> None: ...


class Embedded(Backend):
    """Child processes; the operating system ends them when the test run is killed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._kafka = Kafka(directory / "kafka", quick=True)
        self._postgres = Postgres(directory / "pg")

    @cache  # noqa: B019
    def kafka(self) -> str:
        return self._kafka.start()

    @cache  # noqa: B019
    def postgres(self) -> str:
        return self._postgres.start()

    @property
    def broker(self) -> Kafka:
        """Started; for tests that end it."""
        self.kafka()
        return self._kafka

    def stop(self) -> None:
        self._kafka.stop()
        self._postgres.stop()


class External(Backend):
    """Servers somebody else runs."""

    def kafka(self) -> str:
        return os.environ["TOCSIN_TEST_KAFKA"]

    def postgres(self) -> str:
        return os.environ["TOCSIN_TEST_DATABASE_URL"]

    def stop(self) -> None:
        """They are not ours to stop."""


class Containers(Backend):
    """testcontainers; needs a container engine."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._started: list[Any] = []

    @cache  # noqa: B019
    def kafka(self) -> str:
        from testcontainers.kafka import KafkaContainer

        container = KafkaContainer(KAFKA_IMAGE)
        self._started.append(container)
        container.start()
        return str(container.get_bootstrap_server())

    @cache  # noqa: B019
    def postgres(self) -> str:
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer(POSTGRES_IMAGE, driver=None)
        self._started.append(container)
        container.start()
        return str(container.get_connection_url())

    def stop(self) -> None:
        for container in self._started:
            container.stop()


BACKENDS: Final[dict[str, type[Backend]]] = {"embedded": Embedded, "external": External, "containers": Containers}


@cache
def engine_problem() -> str:
    """Why containers cannot be started; empty when they can."""
    import docker  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a failed connection of the docker package stays open
        try:
            client = docker.from_env()
            client.ping()
            client.close()
        except docker.errors.DockerException as error:
            problem = f"no container engine answers ({error.__class__.__name__})"
        else:
            problem = ""
        gc.collect()
    return problem
