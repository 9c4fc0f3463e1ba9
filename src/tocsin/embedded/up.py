"""The front of ``tocsin up``: one supervisor per data directory, and failures as one sentence."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from tocsin.embedded import runtime
from tocsin.embedded.platform import problem
from tocsin.embedded.supervisor import Supervisor
from tocsin.errors import NotRunning, StartError, from_os_error
from tocsin.log import configure as configure_log
from tocsin.settings import Settings

Failure = TypeVar("Failure", bound=BaseException)


def up(settings: Settings, console: Console) -> None:
    """Runs an installation in the foreground until SIGINT or SIGTERM. Raises StartError."""
    if reason := problem():
        raise StartError(reason)
    data_dir = settings.data_dir.absolute()
    with _exclusive(data_dir):
        configure_log("up", settings.model_copy(update={"log_dir": settings.log_dir or data_dir / "logs"}))
        try:
            asyncio.run(_run(Supervisor(settings, console)))
        except* StartError as group:
            raise _first(group) from None
        except* OSError as group:
            raise from_os_error(_first(group), data_dir) from group


async def _run(supervisor: Supervisor) -> None:
    if not await supervisor.run():
        os._exit(130)  # a download may still run in a thread nobody waits for any more


def _first(group: BaseExceptionGroup[Failure]) -> Failure:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


@contextmanager
def _exclusive(data_dir: Path) -> Iterator[None]:
    """One supervisor per data directory; the operating system frees the lock when it dies."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
        file = (data_dir / "lock").open("w")
    except OSError as error:
        raise from_os_error(error, data_dir) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"tocsin runs already in {data_dir}{_where(data_dir)}.") from None
        yield


def _where(data_dir: Path) -> str:
    try:
        found = runtime.running(data_dir)
    except NotRunning:
        return ""
    return f" ({found.url}, process {found.pid})"
