"""I8: one command makes sample incidents through the real pipeline; the how-to's commands, typed into a shell."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.journeys.incidents import actions, listed
from tests.packaging.test_readme import Shell, documents_in
from tocsin.cli import demo_secrets
from tocsin.demo.scenario import scenario
from tocsin.settings import Settings

pytestmark = pytest.mark.embedded

HOWTO = (Path(__file__).parents[2] / "docs" / "howto" / "sample-data.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", HOWTO, re.MULTILINE | re.DOTALL)
GROUPS = {alert.group for alert in scenario(1).alerts}


def incidents(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Those of the story, by id."""
    found = [one for service, _ in GROUPS for one in listed(client, service=service)]
    return {one["id"]: one for one in found if (one["service"], one["environment"]) in GROUPS}


@pytest.fixture(scope="module")
def fresh(installation: Installation) -> Installation:
    """The same from a shell in which no secret is set, as after a first ``make up``."""
    found = copy.copy(installation)
    unset = [setting.upper() for setting in demo_secrets.SETTINGS.values()]
    found.environment = {name: value for name, value in installation.environment.items() if name not in unset}
    return found


def live_secrets(installation: Installation) -> set[str]:
    done = installation.run("sources", "secret", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["secret_id"] for row in json.loads(done.stdout) if not row["revoked_at"]}


@pytest.fixture(scope="module")
def printed(installation: Installation) -> list[str]:
    """What each block of the how-to printed; no secret is live afterwards that was not before."""
    before = live_secrets(installation)
    shell = Shell(installation)
    found = [shell.run(block) for block in BLOCKS]
    shell.close()
    assert live_secrets(installation) == before
    return found


def test_I8_one_command_makes_incidents_of_every_kind(client: httpx.Client, printed: list[str]) -> None:
    assert "15 incidents" in printed[0]
    assert "was not possible" not in printed[0]
    found = incidents(client)
    assert Counter((one["service"], one["environment"]) for one in found.values()) == dict.fromkeys(GROUPS, 1)
    assert {one["status"] for one in found.values()} == {"OPEN", "INVESTIGATING", "RESOLVED", "CLOSED"}
    assert {one["severity"] for one in found.values()} == {"critical", "error", "warning", "info"}
    assert {source for one in found.values() for source in one["sources"]} == {"datadog", "sentry", "alertmanager"}
    told = {action for incident_id in found for action in actions(client, incident_id)}
    assert {"opened", "acknowledged", "assigned", "status_changed", "auto_resolved", "reopened"} <= told


def test_I8_what_the_howto_shows_is_there(printed: list[str]) -> None:
    opened, checkout, acknowledged = documents_in(printed[1])
    assert "orders-db" in {one["service"] for one in opened["items"]}
    assert [(one["status"], one["team"], one["alert_count"]) for one in checkout["items"]] == [
        ("INVESTIGATING", "payments", 5)
    ]
    assert "inventory" in {one["service"] for one in acknowledged["items"]}
    assert "15 incidents" in printed[2]


def test_I8_the_same_story_again_makes_nothing_new(
    installation: Installation, client: httpx.Client, printed: list[str]
) -> None:
    before = incidents(client)
    again = installation.run("demo")
    assert again.returncode == 0, again.stderr
    assert "was told here before" in again.stdout
    after = incidents(client)
    assert after == before


def test_I8_without_secrets_temporary_ones_are_made_and_revoked_also_those_a_killed_run_left(
    installation: Installation, fresh: Installation
) -> None:
    before = live_secrets(installation)
    made = json.loads((installation.data / "secrets.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOCSIN_ENCRYPTION_KEYS", made["TOCSIN_ENCRYPTION_KEYS"])
        patch.setenv("DATABASE_URL", installation.addresses.database)
        left = demo_secrets.secret_of(Settings(_env_file=None), "datadog")
    added = installation.run("sources", "secret", "add", "-w", "default", "-s", "datadog", text=left)
    assert live_secrets(installation) == before | {added.stdout.strip()}
    done = fresh.run("demo", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "15 incidents" in done.stdout
    assert live_secrets(installation) == before


def test_I8_elsewhere_the_secrets_are_asked_for_and_a_wrong_one_is_named(fresh: Installation) -> None:
    done = fresh.run("demo", "--url", fresh.url)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "tocsin: Set DATADOG_WEBHOOK_SECRET, SENTRY_CLIENT_SECRET, ALERTMANAGER_WEBHOOK_SECRET as they are at http"
    )
    wrong = [f"--{source}-secret=wrong" for source in demo_secrets.SETTINGS]
    done = fresh.run("demo", "--url", fresh.url, "--seed", "4", *wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("tocsin: The gateway knows another secret of ")
