"""MiniStack and moto's server as processes of their own: on the loopback interface, in one directory, no Docker.

They outlive the command that starts them; ``stop`` finds them again by their pid files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import psutil

from tocsin.embedded import ports, process
from waiting_workflows.place import Addresses, Place

NAMES: Final = ("ministack", "moto")
_READY_WITHIN: Final = 60.0
_STOPPED_WITHIN: Final = 10.0
_SERVICES: Final = "lambda,dynamodb,stepfunctions,iam,sts,logs,scheduler"


class EmulatorFailed(Exception):
    """An emulator did not come up; says where its log is."""


def start(place: Place) -> Addresses:
    """Both, anew: they keep everything in memory. Raises EmulatorFailed."""
    stop(place)
    place.scratch.mkdir(parents=True, exist_ok=True)
    ministack, moto = ports.choose(2)
    _spawn(place, "ministack", [sys.executable, "-m", "ministack"], _ministack_settings(place, ministack))
    _spawn(place, "moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(moto)], {})
    addresses = Addresses(f"http://127.0.0.1:{ministack}", f"http://127.0.0.1:{moto}")
    _wait(place, "ministack", f"{addresses.ministack}/_ministack/health")
    _wait(place, "moto", f"{addresses.moto}/moto-api/")
    _execute_state_machines(addresses.moto)
    place.write(addresses)
    return addresses


def stop(place: Place) -> list[str]:
    """Names of those that ran. Also ends the functions MiniStack has started, and removes what they unpacked."""
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
    place.addresses_file.unlink(missing_ok=True)
    shutil.rmtree(place.scratch, ignore_errors=True)
    return ran


def alive(place: Place) -> bool:
    return all(process.recall(place.pid_file(name)) for name in NAMES)


def _ministack_settings(place: Place, port: int) -> dict[str, str]:
    """``BIND_HOST`` alone is not enough: its MQTT broker listens on every interface (0.0.0.0:8883)."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": _SERVICES,
        "STATE_DIR": str(place.directory / "state"),
        "S3_DATA_DIR": str(place.directory / "s3"),
        "LOG_LEVEL": "WARNING",
    }


def _spawn(place: Place, name: str, command: Sequence[str], settings: Mapping[str, str]) -> None:
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


def _wait(place: Place, name: str, url: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while True:
        if process.recall(place.pid_file(name)) is None:
            raise EmulatorFailed(f"{name} ended; see {place.log(name)}")
        try:
            httpx.get(url, timeout=2, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise EmulatorFailed(f"{name} does not answer at {url}; see {place.log(name)}") from None
            time.sleep(0.05)
        else:
            return


def _execute_state_machines(moto: str) -> None:
    """Without it moto only pretends; there is no environment variable that works."""
    settings = {"stepfunctions": {"execute_state_machine": True}}
    httpx.post(f"{moto}/moto-api/config", json=settings, timeout=5, trust_env=False).raise_for_status()
