"""A tocsin of the example's own: everything in one directory, looking for AWS at MiniStack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
from botocore.exceptions import ClientError

from tocsin.embedded import ports
from waiting_workflows import processes
from waiting_workflows.place import Addresses, Place

REGION: Final = "us-west-2"
"""tocsin's AWS client has one region, and an emulator keeps its tokens by region."""
WORKSPACE: Final = "step-functions"
_READY_WITHIN: Final = 180.0
_KNOWN_WITHIN: Final = 30.0
_METRICS_PORTS: Final = 8


@dataclass(frozen=True)
class Keys:
    """``api``: x-api-key of the workspace; the other two sign calls of an AWS client."""

    api: str
    access_key_id: str
    secret_access_key: str

    @classmethod
    def of(cls, place: Place) -> Keys:
        return cls(**json.loads(place.keys_file.read_text()))


def spawn(place: Place, emulators: Addresses) -> Addresses:
    """Front and tocsin, anew."""
    port, api_port = ports.choose(2)
    command = [sys.executable, "-m", "waiting_workflows.front", str(port), emulators.ministack, REGION]
    processes.spawn(place, "front", command, {})
    shutil.rmtree(place.directory / "tocsin", ignore_errors=True)  # what it knew was of emulators that are gone
    settings = _settings(place, emulators.ministack, api_port, port)
    processes.spawn(place, "tocsin", [sys.executable, "-m", "tocsin", "up"], settings)
    return replace(emulators, front=f"http://127.0.0.1:{port}", tocsin=f"http://127.0.0.1:{api_port}")


def wait(place: Place, addresses: Addresses) -> None:
    """Until both answer, and keys are made and known everywhere. Raises NotReady."""
    processes.wait(place, "front", f"{addresses.front}/health")
    processes.wait(place, "tocsin", f"{addresses.tocsin}/health/ready", _READY_WITHIN)
    keys = Keys(*_create(place), *_create(place, "--aws"))
    place.keys_file.touch(mode=0o600)
    place.keys_file.write_text(json.dumps(asdict(keys)))
    _wait_until_known(addresses.tocsin, keys)


def client(place: Place, url: str) -> httpx.Client:
    headers = {"x-api-key": Keys.of(place).api}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def _settings(place: Place, ministack: str, api_port: int, front_port: int) -> dict[str, str]:
    return {
        "HOME": str(Path.home()),  # where the jars of Kafka are kept
        **_data(place),
        "API_PORT": str(api_port),
        "METRICS_PORT": str(_free_row(_METRICS_PORTS)),
        "TOCSIN_EGRESS_ALLOW": f"127.0.0.1:{front_port}",
        "TOCSIN_POLL_LAMBDAS": "poc-simulated-api",
        "AWS_ENDPOINT_URL_STEPFUNCTIONS": ministack,
        "AWS_ENDPOINT_URL_LAMBDA": ministack,
        "AWS_DEFAULT_REGION": REGION,
    }


def _data(place: Place) -> dict[str, str]:
    return {"TOCSIN_DATA_DIR": str(place.directory / "tocsin")}


def _free_row(count: int) -> int:
    while True:
        (first,) = ports.choose(1)
        if all(ports.is_free(port) for port in range(first, first + count)):
            return first


def _create(place: Place, *more: str) -> list[str]:
    """What ``tocsin keys create`` prints, without names."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "keys", "create", "--workspace", WORKSPACE, "--name", "example", *more],
        cwd=place.directory,
        env={**os.environ, **_data(place)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise processes.NotReady(f"tocsin keys create: {done.stderr.strip()}")
    return [line.rpartition("=")[2] for line in done.stdout.split()]


def _wait_until_known(url: str, keys: Keys) -> None:
    """Roles hear of a new key a moment after it was made. Raises NotReady."""
    states: Any = boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
    )
    deadline = time.monotonic() + _KNOWN_WITHIN
    while True:
        listed = httpx.get(f"{url}/v1/tasks", headers={"x-api-key": keys.api}, timeout=5, trust_env=False)
        try:
            states.send_task_heartbeat(taskToken="none")
        except ClientError as error:
            code = error.response["Error"]["Code"]
        if listed.is_success and code == "InvalidToken":
            return
        if time.monotonic() > deadline:
            raise processes.NotReady(f"tocsin does not know its keys: {listed.status_code}, {code}")
        time.sleep(0.1)
