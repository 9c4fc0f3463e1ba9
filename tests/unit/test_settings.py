"""Settings, their list in env.local, and how a command finds an embedded run."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from tocsin import channels, cli
from tocsin.embedded import runtime
from tocsin.errors import NotRunning
from tocsin.settings import Settings, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _without_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def environment_names() -> set[str]:
    return {(field.alias or name).upper() for name, field in Settings.model_fields.items()}


def listed() -> dict[str, str]:
    lines = (ROOT / "env.local").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_env_local_lists_every_setting_and_nothing_else() -> None:
    assert set(listed()) == environment_names()


def test_a_copied_env_local_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / "env.local").read_text())
    assert Settings() == Settings(_env_file=None)


@pytest.mark.parametrize("days", ["6", "15"])
def test_a_log_retention_outside_7_to_14_days_is_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("LOG_RETENTION_DAYS", days)
    with pytest.raises(ValidationError, match="log_retention_days"):
        Settings()


def test_J9_an_entry_of_the_egress_list_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_EGRESS_ALLOW", "10.0.0.0/8, [fd00::/8]:8443")
    assert Settings().egress_allow == ("10.0.0.0/8", "[fd00::/8]:8443")
    monkeypatch.setenv("TOCSIN_EGRESS_ALLOW", "10.0.0.1/8")
    with pytest.raises(ValidationError, match="host bits"):
        Settings()


SLACK = "https://hooks.slack.example/services/T1/B1/secret"


def test_S9_slack_urls_become_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert channels.urls(Settings()) == {}
    monkeypatch.setenv("SLACK_WEBHOOK_URL", SLACK)
    monkeypatch.setenv("SLACK_WEBHOOK_URLS", f"payments={SLACK}2, search={SLACK}3")
    found = Settings()
    assert channels.urls(found) == {
        "slack:default": SLACK,
        "slack:payments": f"{SLACK}2",
        "slack:search": f"{SLACK}3",
    }
    assert SLACK not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SLACK_WEBHOOK_URL", "hooks.slack.example/secret", "An absolute URL is needed"),
        ("SLACK_WEBHOOK_URL", "ftp://hooks.slack.example/secret", "The scheme is http or https"),
        ("SLACK_WEBHOOK_URLS", SLACK, "entry 1 is not name=url"),
        ("SLACK_WEBHOOK_URLS", f"a={SLACK}, Team B={SLACK}", "entry 2 is not name=url"),
        ("SLACK_WEBHOOK_URLS", f"a={SLACK},a={SLACK}", "a is there twice"),
        ("SLACK_WEBHOOK_URLS", f"default={SLACK}", "the default is SLACK_WEBHOOK_URL"),
        ("SLACK_WEBHOOK_URLS", "a=https://user:secret@hooks.slack.example/", "a: A URL has no user name"),
    ],
)
def test_S9_a_slack_url_that_is_none_is_refused_and_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(cli, "app", Settings)
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr().err
    assert f"{name}=***: Value error, {message}" in printed
    assert "secret" not in printed


SASL = {
    "KAFKA_BOOTSTRAP_SERVERS": "b-1.example:9096",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "tocsin",
    "KAFKA_SASL_PASSWORD": "hush",
}


@pytest.mark.parametrize(
    ("left_out", "more", "message"),
    [
        ("KAFKA_SASL_PASSWORD", {}, "SASL takes all of"),
        ("KAFKA_SASL_MECHANISM", {}, "SASL takes all of"),
        ("KAFKA_SECURITY_PROTOCOL", {}, "SASL takes all of"),
        ("", {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "SASL takes all of"),
        ("KAFKA_BOOTSTRAP_SERVERS", {}, "needs KAFKA_BOOTSTRAP_SERVERS"),
        ("", {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_CA_FILE": "ca.pem"}, "KAFKA_CA_FILE needs"),
    ],
)
def test_S10_half_a_set_of_kafka_credentials_is_refused_without_printing_them(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    left_out: str,
    more: dict[str, str],
    message: str,
) -> None:
    for name, value in {**SASL, **more}.items():
        if name != left_out:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(cli, "app", Settings)
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr().err
    assert message in printed
    assert "hush" not in printed


def test_addresses_come_from_the_embedded_run_of_the_data_directory(tmp_path: Path) -> None:
    current = Settings(TOCSIN_DATA_DIR=tmp_path)
    runtime.publish(tmp_path, "127.0.0.1:1", "postgresql://here", "http://localhost:8000")
    assert (current.kafka, current.database) == ("127.0.0.1:1", "postgresql://here")
    assert stat.S_IMODE((tmp_path / "runtime.json").stat().st_mode) == 0o600
    runtime.withdraw(tmp_path)
    with pytest.raises(NotRunning, match="tocsin up"):
        _ = current.kafka


def test_a_run_whose_supervisor_is_gone_does_not_count(tmp_path: Path) -> None:
    runtime.publish(tmp_path, "127.0.0.1:1", "postgresql://here", "http://localhost:8000")
    text = (tmp_path / "runtime.json").read_text()
    (tmp_path / "runtime.json").write_text(text.replace('"pid_created": 1', '"pid_created": 2'))
    with pytest.raises(NotRunning):
        _ = Settings(TOCSIN_DATA_DIR=tmp_path).database


def test_set_addresses_win(tmp_path: Path) -> None:
    runtime.publish(tmp_path, "127.0.0.1:1", "postgresql://here", "http://localhost:8000")
    current = Settings(TOCSIN_DATA_DIR=tmp_path, kafka_bootstrap_servers="k:9092", database_url="postgresql://there")
    assert (current.kafka, current.database) == ("k:9092", "postgresql://there")


def test_secrets_are_made_once_private_and_found_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path))
    made = runtime.ensure_secrets(tmp_path)
    assert runtime.ensure_secrets(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    found = settings.__wrapped__()
    assert found.key_pepper.get_secret_value() == made["TOCSIN_KEY_PEPPER"]
    assert made["TOCSIN_KEY_PEPPER"] not in repr(found)
