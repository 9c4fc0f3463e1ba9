"""Real backends for every test: one Kafka and one PostgreSQL a session, a fresh database a test.

``TOCSIN_TEST_BACKEND``: ``embedded`` (default), ``containers`` (testcontainers), or ``external`` (``TOCSIN_TEST_KAFKA``
and ``TOCSIN_TEST_DATABASE_URL`` name them). Tests that use these fixtures are marked ``embedded``.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.backends import BACKENDS, Backend, Embedded, engine_problem
from tocsin.embedded.kafka import Kafka
from tocsin.embedded.process import is_alive

TEMPLATE = "tocsin_template"
_FOLDERS = ("unit", "journeys", "faults", "integration", "conformance", "packaging", "stages", "others")
_SHARING = {
    "journeys": re.compile(r"tests/journeys/(?!test_step_functions)"),
    "faults": re.compile(r"tests/faults/test_(alertmanager|poison|roles|supervisor|task_roles)\.py"),
}
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long too: all rounds")


def pytest_configure(config: pytest.Config) -> None:
    # every client reads the certificates of the world, 20 ms each time, and none here speaks TLS to it
    httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]
    # every day the same examples, so that what fails fails again; with all rounds many more, at random
    settings.register_profile("everyday", max_examples=40, derandomize=True, database=None, deadline=None)
    settings.register_profile("long", max_examples=400, deadline=None)
    settings.load_profile("long" if config.getoption("--long") else "everyday")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # what takes long comes first, so that all processes end together
    items.sort(key=lambda item: _FOLDERS.index(_folder(item)))
    if not config.getoption("--long"):
        _deselect(config, items, [item for item in items if item.get_closest_marker("long")])
    if _backend_name() == "containers" and (problem := engine_problem()):
        needing = [item for item in items if item.get_closest_marker("embedded")]
        for item in needing[:1]:  # one skip says it; a hundred would hide others
            item.add_marker(pytest.mark.skip(f"{problem}; {len(needing)} tests with a real backend were not run"))
        _deselect(config, items, needing[1:])


def _folder(item: pytest.Item) -> str:
    folder = item.nodeid.split("/")[1]
    return folder if folder in _FOLDERS else _FOLDERS[-1]


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """What one process runs: a module, or the modules of a folder that share its installation."""

    def _split_scope(self, nodeid: str) -> str:
        module: str = nodeid.partition("::")[0]
        return next((folder for folder, sharing in _SHARING.items() if sharing.match(module)), module)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def _deselect(config: pytest.Config, items: list[pytest.Item], out: list[pytest.Item]) -> None:
    if out:
        config.hook.pytest_deselected(items=out)
        gone = set(out)
        items[:] = [item for item in items if item not in gone]


def _backend_name() -> str:
    return os.environ.get("TOCSIN_TEST_BACKEND", "embedded")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether all rounds were asked for."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """A short path: PostgreSQL's socket lives below it. Removed at the end, also after an interrupt."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def backend(session_directory: Path) -> Iterator[Backend]:
    """The chosen backend; each half starts when first asked for."""
    chosen = BACKENDS[_backend_name()](session_directory)
    try:
        yield chosen
    finally:
        chosen.stop()


@pytest.fixture(scope="session")
def kafka(backend: Backend) -> str:
    """Bootstrap address of the session's broker; it has no topics. Names must be the test's own."""
    return backend.kafka()


@pytest.fixture(scope="session")
def postgres(backend: Backend) -> str:
    """DSN of the session's server (its ``postgres`` database): for tests that create their own databases."""
    return backend.postgres()


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> str:
    """Name of a database with all migrations applied, to copy from."""
    from tocsin.projections.migrate import upgrade

    asyncio.run(_execute(postgres, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}"))
    upgrade(_with_database(postgres, TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def database(postgres: str, migrated_template: str) -> AsyncIterator[str]:
    """DSN of a fresh, migrated database; dropped afterwards."""
    async with _TemporaryDatabase(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def module_database(postgres: str, migrated_template: str) -> AsyncIterator[str]:
    """The same for all tests of a module, for what is too long to start for each."""
    async with _TemporaryDatabase(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """DSN of a fresh database without tables; dropped afterwards."""
    async with _TemporaryDatabase(postgres, "template1") as dsn:
        yield dsn


class _TemporaryDatabase:
    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._name = f"test_{os.getpid()}_{next(_numbers)}"

    async def __aenter__(self) -> str:
        await _execute(self._server, f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
        return _with_database(self._server, self._name)

    async def __aexit__(self, *_: object) -> None:
        await _execute(self._server, f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def _broker(backend: Backend, session_directory: Path) -> Iterator[Kafka]:
    """The session's where it is ours to end, else one beside it."""
    if isinstance(backend, Embedded):
        yield backend.broker
        return
    beside = Kafka(session_directory / "broker", quick=True)
    beside.start()
    try:
        yield beside
    finally:
        beside.stop()


@pytest.fixture(scope="module")
def module_broker(_broker: Kafka) -> Iterator[Kafka]:
    """The same for all tests of a module: without topics before it and after it."""
    _restore(_broker)
    yield _broker
    _restore(_broker)


def _restore(broker: Kafka) -> None:
    if not _runs(broker):
        broker.restart()
    asyncio.run(_delete_topics(broker.bootstrap))


@pytest.fixture
def broker_process(module_broker: Kafka) -> Kafka:
    """A broker to ``kill()``, ``stop()`` and ``restart()``: same port, same data; its topics are the module's own."""
    if not _runs(module_broker):
        module_broker.restart()
    return module_broker


def _runs(broker: Kafka) -> bool:
    return broker.process is not None and is_alive(broker.process)


async def _delete_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(30):
            while names := [name for name in await admin.list_topics() if not name.startswith("__")]:
                await admin.delete_topics(names)
    finally:
        await admin.close()
