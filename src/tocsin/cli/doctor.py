"""``tocsin doctor``: checks this machine before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from tocsin.settings import Settings

Finding = tuple[str, str]
"""What was found, and what is wrong with it (empty: nothing)."""

_NEEDED_MIB: Final = 1024


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Administration")(doctor)


def doctor() -> None:
    """Check Python, platform, disk, ports, Java, jars, directories and configuration files. Exit 1 on a problem."""
    from tocsin.settings import settings

    current = settings()
    problems = 0
    for check in (_platform, _directories, _ports, _java, _postgres, _jars, _configuration):
        for found, problem in check(current):
            problems += bool(problem)
            typer.echo(f"{'✗' if problem else '✓'} {found}{f': {problem}' if problem else ''}")
    if problems:
        raise typer.Exit(1)


def _platform(_: Settings) -> Iterator[Finding]:
    import platform

    from tocsin.embedded.platform import problem

    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", problem()


def _directories(current: Settings) -> Iterator[Finding]:
    import os
    import shutil

    directory = current.data_dir.absolute()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    yield f"data directory {directory}", "" if os.access(existing, os.W_OK) else "not writable"
    free = shutil.disk_usage(existing).free // 2**20
    yield f"{free} MiB free on its disk", "" if free >= _NEEDED_MIB else f"{_NEEDED_MIB} MiB are needed"


def _ports(current: Settings) -> Iterator[Finding]:
    from tocsin.embedded import ports, runtime
    from tocsin.embedded.roles import ROLES
    from tocsin.errors import NotRunning

    try:
        yield f"tocsin runs at {runtime.running(current.data_dir).url}", ""
    except NotRunning:
        free = ports.is_free(current.api_port, current.api_host)
        yield f"API_PORT {current.api_port}", "" if free else "in use"
        for number, command in enumerate(ROLES):
            port = current.metrics_port + number
            free = ports.is_free(port, current.metrics_host)
            yield f"metrics port {port} of {command.name}", "" if free else "in use"


def _java(_: Settings) -> Iterator[Finding]:
    from tocsin.embedded import java

    yield from _installed("Java runtime", lambda: str(java.executable()))


def _postgres(_: Settings) -> Iterator[Finding]:
    from tocsin.embedded.postgres import binaries

    yield from _installed("PostgreSQL", lambda: str(binaries()))


def _jars(_: Settings) -> Iterator[Finding]:
    from tocsin.embedded.jars import KAFKA_VERSION, cache_dir, pinned

    repository = cache_dir() / "maven"
    present = sum(jar.path(repository).exists() for jar in pinned())
    what = f"Kafka {KAFKA_VERSION}: {present} of {len(pinned())} jars in {repository}"
    # not a problem: the first start fetches them
    yield what if present == len(pinned()) else f"{what} (fetched at the first start, with network)", ""


def _configuration(current: Settings) -> Iterator[Finding]:
    from tocsin.grouping_policy import read_grouping_policy
    from tocsin.policies import read_tickets_policy
    from tocsin.sla_policy import read_sla_policy

    for name, path, read in (
        ("TICKETS_CONFIG_PATH", current.tickets_config_path, read_tickets_policy),
        ("GROUPING_CONFIG_PATH", current.grouping_config_path, read_grouping_policy),
        ("SLA_CONFIG_PATH", current.sla_config_path, read_sla_policy),
    ):
        try:
            read(path)
        except (OSError, ValueError) as error:
            yield f"{name} {path}", str(error)
        else:
            yield f"{name} {path}", ""


def _installed(name: str, find: Callable[[], str]) -> Iterator[Finding]:
    from tocsin.errors import StartError

    try:
        yield f"{name} {find()}", ""
    except StartError as error:
        yield name, str(error)
