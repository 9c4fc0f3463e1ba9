"""A real Alertmanager of the Debian package, on loopback, that notifies an installation."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.installation import eventually
from tocsin.embedded import ports, process

PROGRAM = [str(Path(__file__).parents[1] / "tools" / "prometheus.sh"), "prometheus-alertmanager"]
UNAVAILABLE = 69  # what tools/prometheus.sh says when it can get none
_FAILED = re.compile(r'^alertmanager_notification_requests_failed_total\{integration="webhook"\} (\S+)$', re.MULTILINE)


class Alertmanager:
    """``http``: a client of its API."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def post(self, alerts: Sequence[dict[str, Any]]) -> None:
        """What a Prometheus would tell it."""
        answer = self._http.post("/api/v2/alerts", json=alerts)
        assert answer.status_code == 200, answer.text

    def firing(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("/api/v2/alerts").raise_for_status().json()
        return found

    def failed_requests(self) -> int:
        """Requests to its receiver that got no good answer, and were repeated."""
        found = _FAILED.search(self._http.get("/metrics").text)
        return round(float(found[1])) if found else 0

    def ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def alertmanager(directory: Path, url: str, secret: str) -> Iterator[Alertmanager]:
    """Ready; ended afterwards. Skips the test where none can be had."""
    had = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True)
    if had.returncode == UNAVAILABLE:
        pytest.skip(had.stderr.strip())
    assert had.returncode == 0, had.stderr
    directory.mkdir()
    address = f"127.0.0.1:{ports.choose(1)[0]}"
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(configuration(url, secret)))
    options = [
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    running = process.spawn([*PROGRAM, *options], log=directory / "log")
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=10, trust_env=False) as http:
            found = Alertmanager(http)
            eventually(found.ready)
            yield found
    finally:
        process.kill(running)


def configuration(url: str, secret: str) -> dict[str, Any]:
    """Notifies at once, and again and again, as impatiently as it can."""
    return {
        "route": {
            "receiver": "tocsin",
            "group_by": ["alertname", "service"],
            "group_wait": "100ms",
            "group_interval": "500ms",
            "repeat_interval": "1s",
        },
        "receivers": [
            {
                "name": "tocsin",
                "webhook_configs": [
                    {
                        "url": f"{url}/webhooks/alertmanager",
                        "send_resolved": True,
                        "http_config": {"authorization": {"credentials": secret}},
                    }
                ],
            }
        ],
    }
