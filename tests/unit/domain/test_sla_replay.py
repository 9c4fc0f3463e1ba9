"""The recorded tickets decided again under another SLA policy (X4), and what ``tocsin sla check`` says (S6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.domain import given
from tests.unit.domain.sla_story import HOUR, MINUTE, START, TICKET, acknowledge, body, move, report
from tocsin import backtest, cli
from tocsin.events.envelope import Envelope
from tocsin.settings import settings
from tocsin.streams.domain.recorded import Recorded
from tocsin.streams.domain.sla_replay import differing

NOW = START + 10 * HOUR
PRESENT = body()
MILDER = body({"targets": {"resolution": {"default": {"high": "8h"}}}})
PACKAGED = Path(__file__).parents[3] / "deploy" / "sla.yaml"


def recorded(*steps: tuple[int, Any], entity: str = TICKET) -> list[Recorded]:
    events = []
    for number, (after, event) in enumerate(steps):
        name = f"tocsin.tickets.{type(event).__name__}.v1"
        envelope = Envelope(f"{entity}-{number}", name, "/test", "", "default", sender_given=True)
        events.append(Recorded(START + after, 0, number, entity, envelope, event))
    return events


LOG = sorted(
    [
        *recorded((0, report(title="Checkout is down")), (15 * MINUTE, acknowledge()), (3 * HOUR, move("done"))),
        *recorded((MINUTE, given.failure()), (2 * MINUTE, given.failure()), entity=given.ENTITY),
        *recorded((5, move("done", ticket_id="T-older")), entity="T-older"),
    ]
)


def test_X4_what_another_policy_would_have_missed_and_told() -> None:
    before, after = (backtest.judged(LOG, one, {}, NOW) for one in (PRESENT, MILDER))
    assert (before.tickets, before.older) == (2, 1)
    assert before.clocks == {"first_response": {"breached": 2}, "resolution": {"breached": 2}}
    assert after.clocks == {"resolution": {"breached": 1, "met": 1}}
    assert (sum(before.messages.values()), after.messages) == (7, {"slack": 2})
    pairs = differing(before, after)
    assert [(one.ticket_id, len(one.missed), len(other.missed)) for one, other in pairs] == [
        (TICKET, 2, 0),
        (given.FIRST, 2, 1),
    ]


def test_X4_the_same_log_gives_the_same_outcome() -> None:
    assert backtest.judged(LOG, PRESENT, {}, NOW) == backtest.judged(LOG, PRESENT, {}, NOW)
    assert differing(backtest.judged(LOG, PRESENT, {}, NOW), backtest.judged(LOG, PRESENT, {}, NOW)) == []


def test_X4_an_event_delivered_twice_counts_once() -> None:
    twice = sorted([*LOG, *LOG])
    assert backtest.judged(twice, PRESENT, {}, NOW).messages == backtest.judged(LOG, PRESENT, {}, NOW).messages


def test_X4_the_command_shows_both_and_what_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    async def log(*arguments: Any) -> list[Recorded]:
        asked.append(arguments)
        return LOG

    monkeypatch.setattr(backtest, "recorded_events", log)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k:9092")
    monkeypatch.setenv("SLA_CONFIG_PATH", str(PACKAGED))
    monkeypatch.setenv("TICKETS_CONFIG_PATH", str(PACKAGED.with_name("tickets.yaml")))
    settings.cache_clear()
    new = tmp_path / "sla.yaml"
    new.write_text("targets: {resolution: {default: {high: 30m}}}")
    command = ["backtest", "sla", "--policy", str(new), "--since", "2d"]
    try:
        done = CliRunner().invoke(cli.app, command)
        as_json = CliRunner().invoke(cli.app, [*command, "--json"])
    finally:
        settings.cache_clear()
    assert done.exit_code == 0, done.output
    assert "the present policy: 2 tickets" in done.output
    assert "2 tickets are judged differently" in done.output
    document = json.loads(as_json.output)
    assert document["after"]["clocks"]["resolution"] == {"breached": 2}
    assert len(document["differing"]) == 2
    assert asked[0][:2] == ("k:9092", "tickets")


def test_S6_check_says_what_a_file_means() -> None:
    done = CliRunner().invoke(cli.app, ["sla", "check", str(PACKAGED)])
    assert done.exit_code == 0
    assert "first response, tier premium: critical 5 min of 24x7" in done.output
    assert "ladder default: +0 s team → +15 min team → +30 min team" in done.output


def test_S6_check_names_every_error_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "sla.yaml"
    file.write_text("targets: {resolution: {gold: {high: x}}}\nladders: {a: {steps: []}}\n")
    done = CliRunner().invoke(cli.app, ["sla", "check", str(file)])
    assert done.exit_code == 1
    said = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in said] == ["targets.resolution.gold.high", "ladders.a.steps"]
    file.write_text("targets: {resolution: {gold: {high: 1h}}}\nescalation: [{ladder: x}]\ndefault_channel: y\n")
    said = CliRunner().invoke(cli.app, ["sla", "check", str(file)]).stderr.splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "targets.resolution",
        "default_channel",
        "escalation.0.ladder",
    ]
