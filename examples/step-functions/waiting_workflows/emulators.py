"""MiniStack and moto's server: on the loopback interface, in one directory, no Docker."""

from __future__ import annotations

import sys
from typing import Final

import httpx

from tocsin.embedded import ports
from waiting_workflows import processes
from waiting_workflows.place import Addresses, Place

_SERVICES: Final = "lambda,dynamodb,stepfunctions,iam,sts,logs,scheduler"


def spawn(place: Place) -> Addresses:
    """Both, anew: they keep everything in memory."""
    place.scratch.mkdir(parents=True, exist_ok=True)
    ministack, moto = ports.choose(2)
    processes.spawn(place, "ministack", [sys.executable, "-m", "ministack"], _ministack_settings(place, ministack))
    processes.spawn(place, "moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(moto)], {})
    return Addresses(f"http://127.0.0.1:{ministack}", f"http://127.0.0.1:{moto}")


def wait(place: Place, addresses: Addresses) -> None:
    """Until both can be deployed to. Raises NotReady."""
    processes.wait(place, "ministack", f"{addresses.ministack}/_ministack/health")
    processes.wait(place, "moto", f"{addresses.moto}/moto-api/")
    _execute_state_machines(addresses.moto)


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


def _execute_state_machines(moto: str) -> None:
    """Without it moto only pretends; there is no environment variable that works."""
    settings = {"stepfunctions": {"execute_state_machine": True}}
    httpx.post(f"{moto}/moto-api/config", json=settings, timeout=5, trust_env=False).raise_for_status()
