"""docker-compose.yml without an engine: valid by the specification, and true to the house rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tocsin.egress import urls
from tocsin.egress.policy import parse
from tocsin.embedded.jars import KAFKA_VERSION
from tocsin.embedded.kafka_configuration import server_properties
from tocsin.embedded.roles import ROLES
from tocsin.events.topics import DOMAINS
from tocsin.mock_slack.app import PORT, WEBHOOK
from tocsin.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-spec" / "compose-spec.json").read_text())
TOCSIN_GRACE_SECONDS = 25


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


OURS = sorted(name for name, service in services().items() if service["image"] == "tocsin:local")


def test_compose_is_valid_by_the_specification() -> None:
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(compose())) == []


@pytest.mark.parametrize(("key", "value"), [("helthcheck", {}), ("depends_on", {"kafka": {"condition": "ready"}})])
def test_the_schema_would_find_a_mistake(key: str, value: object) -> None:
    content = compose()
    content["services"]["http"][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(content)


def test_every_role_is_present_and_runs_its_command() -> None:
    commands = {
        name: service["command"]
        for name, service in services().items()
        if name in OURS and name not in {"migrate", "topics", "mock-slack"}
    }
    *stream, domains = commands.pop("stream")
    assert (stream, commands.pop("deliver")) == (["tocsin", "stream", "--domains"], ["tocsin", "deliver"])
    assert {*domains.split(","), "deliveries"} == set(DOMAINS)  # each has an owner, and one only
    assert "deliveries" not in domains
    assert {"stream": ["tocsin", "stream"]} | commands == {
        command.name: ["tocsin", *command.arguments] for command in ROLES
    }


@pytest.mark.parametrize("name", OURS)
def test_a_service_knows_only_settings_that_exist(name: str) -> None:
    known = {(field.alias or key).upper() for key, field in Settings.model_fields.items()}
    assert set(services()[name]["environment"]) <= known


def test_the_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {key: re.sub(r"\$\{[^}]*:-([^}]*)\}", r"\1", value) for key, value in compose()["x-environment"].items()}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    found = Settings(_env_file=None)
    assert (found.partitions, found.unversioned_is_open, found.metrics_host) == (12, True, "0.0.0.0")


def test_S10_notifications_reach_the_mock_slack_unless_a_url_is_given() -> None:
    shown = services()["mock-slack"]
    given = compose()["x-environment"]["SLACK_WEBHOOK_URL"]
    url = re.fullmatch(r"\$\{SLACK_WEBHOOK_URL:-(.*)\}", given)
    assert url is not None
    destination = urls.read(url[1])
    assert (destination.host, destination.port) == ("mock-slack", PORT)
    assert WEBHOOK.fullmatch(destination.target.removeprefix("/services/"))
    assert shown["command"] == ["tocsin", "mock-slack", "--host", "0.0.0.0"]
    assert shown["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    # inside the network of compose its address is private: the operator's own URL may lead there
    policy = parse("", {"SLACK_WEBHOOK_URL": url[1]})
    asked = policy.check_url(url[1], by_operator=True)
    assert isinstance(asked, urls.Destination)
    assert policy.check_addresses(["172.18.0.5"], asked) is None
    assert policy.check_url(url[1]) != asked


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_pinned_logs_a_bounded_amount_and_has_a_health_check(name: str) -> None:
    service = services()[name]
    assert re.search(r":[\w.]+$", service["image"])
    assert not service["image"].endswith(":latest")
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_privileges(name: str) -> None:
    service = services()[name]
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    assert not service.get("privileged")


@pytest.mark.parametrize("name", [*(command.name for command in ROLES), "deliver"])
def test_a_role_waits_for_topics_and_schema_and_may_finish_its_work(name: str) -> None:
    service = services()[name]
    assert {key: value["condition"] for key, value in service["depends_on"].items()} == {
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
    }
    assert int(service["stop_grace_period"].removesuffix("s")) > TOCSIN_GRACE_SECONDS


def test_kafka_is_the_version_of_the_embedded_broker_with_its_settings() -> None:
    kafka = services()["kafka"]
    assert kafka["image"] == f"apache/kafka:{KAFKA_VERSION}"
    lines = dict(line.split("=", 1) for line in server_properties(Path("/x"), 1, 2).splitlines())
    shared = (
        "message.max.bytes",
        "replica.fetch.max.bytes",
        "group.min.session.timeout.ms",
        "group.initial.rebalance.delay.ms",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "log.cleaner.backoff.ms",
        "auto.create.topics.enable",
    )
    for name in shared:
        assert kafka["environment"]["KAFKA_" + name.replace(".", "_").upper()] == lines[name]


def test_the_image_is_built_from_the_lock_and_runs_unprivileged() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in text
    last_stage = text.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER \d+$", last_stage, re.M)
    assert "pip install" not in last_stage
