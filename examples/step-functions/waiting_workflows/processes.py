"""Processes that outlive the command that starts them; ``stop`` finds them again by their pid files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import psutil

from tocsin.embedded import process
from waiting_workflows.place import Place

NAMES: Final = ("tocsin", "front", "ministack", "moto")
"""In the order in which they are stopped."""
ALWAYS: Final = ("ministack", "moto")
_PASSED_ON: Final = frozenset({"PYTHONPATH", "JDK_JAVA_OPTIONS"})
_STOPPED_WITHIN: Final = 60.0


class NotReady(Exception):
    """Something did not come up; says where its log is."""


def spawn(place: Place, name: str, command: Sequence[str], settings: Mapping[str, str]) -> None:
    """With none of the caller's credentials: nothing here may reach a real account."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place.directory),
        "TMPDIR": str(place.scratch),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        **{name: value for name, value in os.environ.items() if name in _PASSED_ON},
        **settings,
    }
    with place.log(name).open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=place.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process.remember(place.pid_file(name), psutil.Process(child.pid))


def wait(place: Place, name: str, url: str, seconds: float = 60.0) -> None:
    """Until it answers with success. Raises NotReady when it ends or takes longer."""
    deadline = time.monotonic() + seconds
    with httpx.Client(timeout=2, trust_env=False) as client:
        while not _succeeds(client, url):
            if process.recall(place.pid_file(name)) is None:
                raise NotReady(f"{name} ended; see {place.log(name)}")
            if time.monotonic() > deadline:
                raise NotReady(f"{name} does not answer at {url}; see {place.log(name)}")
            time.sleep(0.05)


def _succeeds(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


def stop(place: Place) -> list[str]:
    """Names of those that ran. Also ends what they have started, and removes what MiniStack unpacked."""
    ran = []
    for name in NAMES:
        if (found := process.recall(place.pid_file(name))) is None:
            continue
        ran.append(name)
        children = found.children(recursive=True)
        process.stop(found, signal.SIGTERM, _STOPPED_WITHIN)
        for child in children:
            if process.is_alive(child):
                process.kill(child)
    for file in (place.addresses_file, place.keys_file):
        file.unlink(missing_ok=True)
    shutil.rmtree(place.scratch, ignore_errors=True)
    return ran


def alive(place: Place, names: Sequence[str] = ALWAYS) -> bool:
    return all(process.recall(place.pid_file(name)) for name in names)
