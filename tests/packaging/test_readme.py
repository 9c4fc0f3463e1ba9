"""What the documents tell a reader to type works as they say; their links lead somewhere."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.installation import Installation, eventually, running
from tocsin.events.identity import failure_entity, partition_of, record_key
from tocsin.events.topics import events_topic

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (tocsin .*?)(?:\s+#.*)?$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Shell:
    """One bash session that ends at the first failing command, as ``set -e`` has it."""

    def __init__(self, installation: Installation) -> None:
        self._port = installation.api_port
        self._process = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"],
            cwd=installation.directory,
            env={**installation.environment, "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, block: str) -> str:
        """What the block prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = uuid.uuid4().hex
        self._process.stdin.write(f"{self._here(block)}\necho\necho {mark}\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.strip() == mark:
                return "".join(printed)
            printed.append(line)
        raise AssertionError("a command failed:\n" + "".join(printed))

    def close(self) -> None:
        self._process.communicate()

    def _here(self, block: str) -> str:
        """The same commands for this installation."""
        block = block.replace("localhost:8000", f"localhost:{self._port}")
        return re.sub(r"(?m)(?<=\()\.venv/bin/tocsin|^(\.venv/bin/)?tocsin", f"{sys.executable} -m tocsin", block)


def documents_in(printed: str) -> list[Any]:
    """The JSON documents in what was printed, one after the other."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while match := re.compile(r"[\[{]").search(printed, position):
        document, position = decoder.raw_decode(printed, match.start())
        found.append(document)
    return found


@pytest.fixture(scope="module")
def installation(session_directory: Path) -> Iterator[Installation]:
    policy = session_directory / "readme-sla.yaml"
    shutil.copy(ROOT / "deploy" / "sla.yaml", policy)
    others = {"TICKETS_CONFIG_PATH": str(ROOT / "deploy" / "tickets.yaml")}
    with running(session_directory / "readme", SLA_CONFIG_PATH=str(policy), **others) as installed:
        yield installed


@pytest.fixture(scope="module")
def printed(installation: Installation) -> Iterator[list[str]]:
    """What each block of the README printed, in order; a reader takes longer than a decision from one to the next."""
    shell = Shell(installation)
    found = []
    for block in _BLOCK.findall(README):
        found.append(shell.run(block))
        reported = sum(text.count('"status_url"') for text in found)
        eventually(lambda reported=reported: counted(installation, "nightly-etl") >= reported)  # type: ignore[misc]
    yield found
    shell.close()


def counted(installation: Installation, workflow: str) -> int:
    with installation.client() as client:
        found = client.get("/tickets", params={"workflow": workflow}).json()["items"]
    return sum(one["occurrences"] for one in found)


def block_with(printed: list[str], text: str) -> list[Any]:
    """What the first block with this text printed, as JSON documents."""
    number = next(number for number, block in enumerate(_BLOCK.findall(README)) if text in block)
    return documents_in(printed[number])


@pytest.mark.embedded
def test_report_is_accepted_with_its_identity(printed: list[str]) -> None:
    (accepted,) = block_with(printed, '"severity": "error"')
    assert accepted["identifier"] == "orders"
    assert {"event_id", "identity_reason", "status_url"} <= accepted.keys()


@pytest.mark.embedded
def test_repeat_counts_on_the_same_ticket_and_it_can_be_resolved(printed: list[str]) -> None:
    repeated, listed = block_with(printed, "status=open&workflow=nightly-etl")
    assert repeated["identifier"] == "orders"
    assert listed["total"] == 1
    changed, shown = block_with(printed, "ticket=$(")
    assert (changed["status"], changed["occurrences"]) == ("done", 2)
    assert (shown["status"], shown["history"][-1]["actor"]) == ("done", "ana")


@pytest.mark.embedded
def test_batch_is_answered_by_item_and_a_success_is_refused(printed: list[str]) -> None:
    batch, refused = block_with(printed, "/failures/batch")
    assert (batch["accepted"], batch["rejected"]) == (1, 1)
    assert [item["status"] for item in batch["items"]] == [202, 422]
    assert refused["status"] == 422
    assert refused["errors"][0]["field"] == "status"


@pytest.mark.embedded
def test_T5_the_workflow_of_the_readme_goes_on_with_the_result(printed: list[str]) -> None:
    shown = block_with(printed, "--name waiting")[-1]
    assert (shown["status"], shown["settlement"]["result"]) == ("COMPLETED", {"rows": 42})


@pytest.mark.embedded
def test_command_line_does_what_the_readme_says(printed: list[str]) -> None:
    (sent,) = block_with(printed, "send failure")
    assert sent["identifier"] != "orders"
    (listed,) = block_with(printed, "--name ci")
    assert listed["total"] >= 1
    inside = next(text for text in printed if "Everything answers." in text)
    assert "No record waits in the dead-letter queues." in inside
    assert "tocsin_tickets_opened_total" in inside


@pytest.mark.embedded
def test_I8_sample_incidents_are_there_and_one_is_taken_up(printed: list[str]) -> None:
    listed, shown, changed, alerts, counted_by = block_with(printed, "tocsin demo")[-5:]
    assert listed["total"] >= 5
    assert (shown["status"], changed["status"], changed["id"]) == ("OPEN", "INVESTIGATING", shown["id"])
    assert shown["alerts_total"] >= 1
    assert {one["service"] for one in alerts["items"]} == {"checkout"}
    assert sum(one["count"] for one in counted_by["facets"]["status"]) >= 10


@pytest.mark.embedded
def test_I9_every_command_of_the_howto_on_incidents_works(installation: Installation, printed: list[str]) -> None:
    deploy = installation.directory / "deploy"
    deploy.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy" / "grouping.yaml", deploy)
    shell = Shell(installation)
    blocks = _BLOCK.findall((ROOT / "docs" / "howto" / "incidents.md").read_text())
    found = [shell.run(block) for block in blocks]
    shell.close()
    assert [one["status"] for one in documents_in(found[1])[-3:]] == ["INVESTIGATING"] * 3
    assert not [text for text in found if "tocsin.dev/problems" in text]
    assert (installation.directory / "incidents.csv").read_text().startswith("id,workspace,title,status")


@pytest.mark.embedded
def test_J17_a_job_is_previewed_and_created(printed: list[str]) -> None:
    preview, created, listed = block_with(printed, "/v1/jobs/preview")
    assert preview["sentence"].startswith("At 02:30 on Monday to Friday")
    assert (created["status"], listed["items"][0]["id"]) == ("active", created["id"])


@pytest.mark.embedded
def test_J17_every_command_of_the_howto_on_jobs_works(installation: Installation, printed: list[str]) -> None:
    shell = Shell(installation)
    blocks = _BLOCK.findall((ROOT / "docs" / "howto" / "jobs.md").read_text())
    found = [shell.run(block) for block in blocks]
    shell.close()
    jobs = [one["status"] for text in found for one in documents_in(text) if "status" in one and "callback_url" in one]
    assert {"active", "paused"} <= set(jobs)


@pytest.mark.embedded
def test_S1_the_ticket_of_the_readme_is_reported_watched_and_acknowledged(printed: list[str]) -> None:
    reported, shown, acknowledged, dashboard, report = block_with(printed, '"id": "T-4711"')
    assert (reported[0]["id"], reported[0]["priority"]) == ("T-4711", "high")
    assert {clock["metric"] for clock in shown["clocks"]} == {"first_response", "resolution"}
    assert shown["escalation_level"] == acknowledged["escalation_level"] > 0
    assert acknowledged["acknowledged_at"]
    assert "T-4711" in {one["id"] for one in dashboard["items"]}
    assert {row["priority"] for row in report["items"]} >= {"high"}


@pytest.mark.embedded
def test_S11_every_command_of_the_howto_on_service_levels_works(installation: Installation, printed: list[str]) -> None:
    deploy = installation.directory / "deploy"
    deploy.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy" / "sla.yaml", deploy)
    shell = Shell(installation)
    blocks = _BLOCK.findall((ROOT / "docs" / "howto" / "sla.md").read_text())
    found = [shell.run(block) for block in blocks]
    shell.close()
    documents = [one for text in found for one in documents_in(text)]
    assert not [text for text in found if "tocsin.dev/problems" in text]
    assert {one["id"] for many in documents if isinstance(many, list) for one in many} >= {"T-1", "T-2"}
    assert [one for one in documents if isinstance(one, dict) and one.get("active")]
    assert (installation.directory / "sla.csv").read_text().startswith("metric,")


@pytest.mark.embedded
def test_T5_every_command_of_the_howto_on_task_tokens_works(installation: Installation, printed: list[str]) -> None:
    shell = Shell(installation)
    blocks = _BLOCK.findall((ROOT / "docs" / "howto" / "task-tokens.md").read_text())
    found = "".join(shell.run(block.replace(".venv/bin/python", sys.executable)) for block in blocks)
    shell.close()
    shown = [one for one in documents_in(found) if str(one.get("id", "")).startswith("k_")]
    assert {"PENDING", "COMPLETED", "POLLING", "CANCELLED"} <= {one["status"] for one in shown}
    assert next(one for one in shown if one["status"] == "COMPLETED")["settlement"]["result"] == {"rows": 42}


@pytest.mark.embedded
def test_S5_every_command_of_the_howto_on_live_events_works(installation: Installation, printed: list[str]) -> None:
    shell = Shell(installation)
    blocks = _BLOCK.findall((ROOT / "docs" / "howto" / "live-events.md").read_text())
    heard, resumed, tokens = [shell.run(block) for block in blocks]
    shell.close()
    assert [one["type"] for one in documents_in(heard) if one.get("ticket_id")] == ["ticket.opened"]
    assert [one["type"] for one in documents_in(resumed) if one.get("ticket_id")] == ["ticket.opened"] * 2
    assert tokens.count("retry: ") == 1
    assert documents_in(tokens)[-1]["status"] == 401


@pytest.mark.embedded
def test_howto_rebuild_gives_equal_checksums(installation: Installation, printed: list[str]) -> None:
    before, _, after = run_howto(installation, "rebuild-a-projection.md")
    assert before == after
    assert "tickets" in before


@pytest.mark.embedded
def test_howto_replay_makes_a_ticket_of_a_repaired_dead_letter(installation: Installation, printed: list[str]) -> None:
    repaired = {"workflow": "howto", "identifier": "id", "identity_reason": "given", "message": "boom"}
    (installation.directory / "repaired.json").write_text(
        json.dumps({**repaired, "occurred_at": "2026-01-02T03:04:05.678Z"})
    )
    asyncio.run(bury(installation.addresses.kafka))
    letter = eventually(lambda: documents_in(installation.run("dlq", "list", "--json").stdout))[0]
    listed, shown, *_ = run_howto(installation, "replay-a-dead-letter.md", ("0:17", letter["position"]))
    assert "bad_value" in listed
    assert "dlq.reason: bad_value" in shown
    eventually(lambda: counted(installation, "howto") == 1)


async def bury(bootstrap: str) -> None:
    """An event that cannot be read."""
    key = record_key("default", failure_entity("default", "howto", "id"))
    now = b"2026-01-02T03:04:05.678Z"
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"howto",
        "ce_type": b"tocsin.tickets.FailureReported.v1",
        "ce_source": b"/test",
        "ce_time": now,
        "ce_workspace": b"default",
    }
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(
            events_topic("tickets"), b"{", key=key, partition=partition_of(key, 4), headers=list(headers.items())
        )


def run_howto(installation: Installation, name: str, *replacements: tuple[str, str]) -> list[str]:
    """What each command of a how-to printed."""
    shell = Shell(installation)
    found = []
    for command in _INDENTED.findall((ROOT / "docs" / "howto" / name).read_text()):
        for old, new in replacements:
            command = command.replace(old, new)
        found.append(shell.run(command))
    shell.close()
    return found


# --- without an installation ------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    command = ["make", "--no-print-directory"]  # it may run inside another make
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in done.stdout.splitlines()} == targets
    assert set(re.findall(r"^\| `make ([a-z0-9-]+)`", README, re.MULTILINE)) <= targets


def anchors(text: str) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for path, anchor in _LINK.findall(document.read_text()):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"
