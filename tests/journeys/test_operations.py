"""J13, J15, J16, S2, S8, W9: keys, health, metrics, history and logs of a running installation."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.sinks import sink
from tests.journeys.test_failures import move, report, the_ticket
from tocsin.embedded import ports

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).resolve().parents[2]


def create_key(installation: Installation, workspace: str, *arguments: str) -> str:
    made = installation.run("keys", "create", "--workspace", workspace, *arguments)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.split()) == 1, "the key alone is printed, so that a shell can take it"
    return made.stdout.strip()


def test_J13_key_of_a_workspace_sees_only_that_workspace(
    installation: Installation, client: httpx.Client, workflow: str
) -> None:
    key = create_key(installation, "acme", "--name", "ci")
    mine = {"x-api-key": key}
    assert client.post("/failures", json={"workflow": workflow, "message": "x"}, headers=mine).status_code == 202

    def listed(**headers: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = client.get("/tickets", params={"workflow": workflow}, headers=headers).json()[
            "items"
        ]
        return items

    (ticket,) = eventually(lambda: listed(**mine))
    assert listed(authorization=f"Bearer {key}") == [ticket]
    assert listed() == []
    assert client.get(f"/tickets/{ticket['id']}").status_code == 404
    assert move(client, ticket["id"], "done").status_code == 404
    assert client.patch(f"/tickets/{ticket['id']}", json={"status": "done"}, headers=mine).status_code == 200


def test_J13_revoked_and_wrong_keys_are_refused_and_the_key_is_kept_nowhere(
    installation: Installation, client: httpx.Client
) -> None:
    key = create_key(installation, "beta")
    assert client.get("/tickets", headers={"x-api-key": key}).status_code == 200
    listed = json.loads(installation.run("keys", "list", "--json").stdout)
    (entry,) = [one for one in listed if one["workspace"] == "beta"]
    assert installation.run("keys", "revoke", entry["prefix"]).returncode == 0
    eventually(lambda: client.get("/tickets", headers={"x-api-key": key}).status_code == 401)
    assert client.get("/tickets", headers={"x-api-key": key[:-1] + "x"}).status_code in (401, 429)
    logs = "".join(path.read_text(errors="replace") for path in (installation.data / "logs").glob("*.log"))
    assert key not in logs


def test_J15_health_says_what_is_reachable(client: httpx.Client) -> None:
    health = client.get("/health")
    assert health.status_code == 200
    assert {"kafka", "postgres"} <= set(json.dumps(health.json()).lower().replace('"', " ").split())
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_S2_history_names_every_change_with_its_cause(client: httpx.Client, workflow: str) -> None:
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    for status, reason in (("in_progress", "on it"), ("done", "fixed")):
        assert move(client, ticket["id"], status, actor="ana", reason=reason).status_code == 200
    history = client.get(f"/tickets/{ticket['id']}").json()["history"]
    assert len(history) == 3
    assert "on it" in json.dumps(history)
    assert "new_identity" in json.dumps(history), "every entry carries the rule that decided"


def test_S8_correlation_id_is_followed_from_request_to_fact(
    installation: Installation, client: httpx.Client, workflow: str
) -> None:
    correlation = uuid.uuid4().hex
    answer = client.post(
        "/failures", json={"workflow": workflow, "message": "x"}, headers={"X-Request-ID": correlation}
    )
    assert answer.headers["x-request-id"] == correlation
    ticket = the_ticket(client, workflow)
    assert correlation in client.get(f"/tickets/{ticket['id']}").text

    def logged() -> list[dict[str, Any]]:
        lines = (installation.data / "logs" / "http.log").read_text().splitlines()
        entries = (json.loads(line) for line in lines if correlation in line)
        return [entry for entry in entries if "duration_ms" in entry]

    (entry,) = eventually(logged)
    assert (entry["status"], entry["route"], entry["role"]) == (202, "/failures", "http")


def test_W9_every_role_logs_json_lines(installation: Installation) -> None:
    for role in ("http", "stream", "project"):
        lines = (installation.data / "logs" / f"{role}.log").read_text().splitlines()
        assert lines
        assert all(json.loads(line)["role"] == role for line in lines[:50])


@pytest.fixture
def prometheus(installation: Installation, tmp_path: Path) -> Iterator[str]:
    """A real Prometheus that scrapes the installation every second; its address."""
    targets = [f"127.0.0.1:{installation.api_port}"]
    targets += [f"127.0.0.1:{int(installation.environment['METRICS_PORT']) + number}" for number in range(3)]
    jobs = [{"job_name": "tocsin", "scrape_interval": "1s", "static_configs": [{"targets": targets}]}]
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))
    address = f"127.0.0.1:{ports.choose(1)[0]}"
    arguments = [
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]
    program = [str(ROOT / "tools" / "prometheus.sh"), "prometheus"]
    version = subprocess.run([*program, "--version"], capture_output=True, text=True)
    if version.returncode == 69:
        pytest.skip(version.stderr.strip())
    with subprocess.Popen([*program, *arguments], stdout=sys.stderr, stderr=subprocess.DEVNULL) as process:
        yield f"http://{address}"
        process.terminate()


def value_of(prometheus: str, query: str) -> float | None:
    """What the query gives now; None while Prometheus is starting or knows nothing."""
    try:
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, trust_env=False)
    except httpx.TransportError:
        return None
    found = answer.json()["data"]["result"] if answer.status_code == 200 else []
    return float(found[0]["value"][1]) if found else None


def test_J16_real_prometheus_scrapes_business_and_process_metrics(
    prometheus: str, client: httpx.Client, workflow: str
) -> None:
    report(client, workflow)
    the_ticket(client, workflow)

    def value(query: str) -> float | None:
        return value_of(prometheus, query)

    assert eventually(lambda: value("tocsin_tickets_opened_total"), 30) >= 1
    assert eventually(lambda: value('sum(up{job="tocsin"})') == 4.0, 30)
    for query in (
        'sum(tocsin_decisions_total{domain="tickets",reason="new_identity"})',
        "sum(tocsin_accepted_to_visible_seconds_count)",
        'count(tocsin_lag_seconds{stage="decide"})',
        'count(tocsin_lag_seconds{stage="project"})',
        'sum(tocsin_http_requests_total{route="/failures",status="202"})',
        "sum(faust_messages_received_total)",
    ):
        assert eventually(lambda query=query: value(query), 30), query  # type: ignore[misc]


def test_J16_real_prometheus_scrapes_what_became_of_jobs(
    prometheus: str, installation: Installation, client: httpx.Client
) -> None:
    headers = {"x-api-key": create_key(installation, f"metrics-{uuid.uuid4().hex[:8]}")}
    with sink() as receiver:
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        job = {"name": "counted", "run_at": soon, "callback_url": receiver.url("/counted")}
        assert client.post("/v1/jobs", json=job, headers=headers).status_code == 201
        assert eventually(lambda: receiver.at("/counted"), 20)
    for query in (
        "tocsin_jobs_scheduled_total",
        "tocsin_jobs_executed_total",
        'tocsin_job_attempts_total{outcome="succeeded"}',
        'tocsin_job_slots_total{verdict="fired"}',
        "tocsin_job_lateness_seconds_count",
    ):
        assert eventually(lambda query=query: (value_of(prometheus, query) or 0) >= 1, 30), query  # type: ignore[misc]
    for query in ("tocsin_jobs_failed_total", "sum(tocsin_delivery_breakers_open)", "sum(tocsin_deliveries_running)"):
        assert eventually(lambda query=query: value_of(prometheus, query) is not None, 30), query  # type: ignore[misc]
