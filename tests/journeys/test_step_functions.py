"""T6-T8: the Step Functions example as its readers run it: its scripts, on real emulators."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import QUICK_JVM

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "step-functions"
DOCUMENT = ROOT / "docs" / "step-functions.md"


class Example:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def environment(self) -> dict[str, str]:
        """How soon a workflow goes on is measured by the benchmarks, not on a machine busy with tests."""
        return {
            **os.environ,
            **QUICK_JVM,
            "PYTHON": sys.executable,
            "STEP_FUNCTIONS_DIR": str(self.directory),
            "STEP_FUNCTIONS_RESUMED_WITHIN_MS": "15000",
        }

    def play(self, scenario: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("test-local.sh", "--scenario", scenario, *arguments)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EXAMPLE / script, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )


@pytest.fixture(scope="module")
def example(session_directory: Path) -> Iterator[Example]:
    deployed = Example(session_directory / "step-functions")
    try:
        done = deployed.run("deploy-local.sh", "--tocsin")
        assert done.returncode == 0, done.stdout + done.stderr
        yield deployed
    finally:
        ended = deployed.run("deploy-local.sh", "--stop")
    assert ended.stdout.strip() == "ended: tocsin, front, ministack, moto"


def test_T7_the_result_of_a_completed_job_reaches_the_next_state(example: Example) -> None:
    done = example.play("happy", "--polls", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "✅ token generated",
        "✅ token persisted",
        "✅ external polling: 4 polls",
        "✅ workflow reconnected",
        "✅ final state UseResult: its input has result",
        "✅ final state in poc-task-tokens: COMPLETED, confirmed",
    ):
        assert line in done.stdout
    assert "attempts 2/24" in done.stdout, "progress is shown while it waits"


def test_T6_a_missed_heartbeat_ends_in_the_timeout_state(example: Example) -> None:
    done = example.play("heartbeat-missed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ final state TimeoutState" in done.stdout
    assert "✅ final state in poc-task-tokens: TIMEOUT, closed_elsewhere" in done.stdout


def test_T1_tocsin_asks_about_the_job_and_wakes_the_workflow(example: Example) -> None:
    done = example.play("polled-by-tocsin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ token persisted: tocsin/k_" in done.stdout
    assert "✅ final state UseResult: its input has result" in done.stdout
    assert "✅ final state in tocsin: COMPLETED, confirmed" in done.stdout


def test_T5_the_poller_settles_through_tocsin_by_an_unmodified_client(example: Example) -> None:
    done = example.play("settled-by-tocsin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ final state UseResult: its input has result" in done.stdout
    assert "✅ final state in poc-task-tokens: COMPLETED, confirmed" in done.stdout


def test_T6_the_table_is_shown_without_tokens(example: Example) -> None:
    shown = example.run("monitor.sh", "--once")
    assert shown.returncode == 0, shown.stderr
    assert "poc-task-tokens" in shown.stdout
    assert example.run("poll-once.sh", "--now").stdout.split() == [
        "us-east-1",
        "{}",
        "eu-west-1",
        "{}",
        "us-west-2",
        "{}",
    ]


def test_T6_nothing_of_it_listens_beyond_the_loopback_interface(example: Example) -> None:
    import psutil

    from tocsin.embedded import process

    for name in ("ministack", "moto"):
        found = process.recall(example.directory / f"{name}.pid")
        assert found is not None
        addresses = {
            one.laddr.ip
            for each in (found, *found.children(recursive=True))
            for one in each.net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        }
        assert addresses == {"127.0.0.1"}


def test_T7_the_test_says_what_to_do_when_nothing_is_deployed(tmp_path: Path) -> None:
    done = Example(tmp_path).run("test-local.sh")
    assert done.returncode == 2
    assert "run deploy-local.sh first" in done.stdout


@pytest.mark.long
def test_T7_every_scenario_passes_three_times_in_a_row(example: Example) -> None:
    for _ in range(3):
        done = example.run("test-local.sh")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "✅ 17 of 17 scenarios" in done.stdout


@pytest.mark.long
def test_T8_a_hundred_workflows_wait_at_once_and_each_goes_on(example: Example) -> None:
    done = example.run("run.sh", "crowd", "--count", "100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ waited at once: 100 of 100" in done.stdout
    assert "✅ external polling: 300 polls" in done.stdout


@pytest.mark.long
def test_T7_every_command_of_the_document_works(session_directory: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    deployed = Example(session_directory / "document")
    try:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail"],
            input="".join(blocks),
            cwd=ROOT,
            env=deployed.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:  # also after a command that failed, which the last one would have done
        deployed.run("deploy-local.sh", "--stop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(blocks) == 3
    assert done.stdout.rstrip().endswith("ended: tocsin, front, ministack, moto")


@pytest.mark.long
def test_T6_where_emulators_differ_from_aws_is_what_the_document_says(example: Example) -> None:
    done = example.run("run.sh", "differences")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout in DOCUMENT.read_text()
