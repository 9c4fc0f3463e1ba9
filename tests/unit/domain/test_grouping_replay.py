"""I9: the dry run of grouping rules over what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.unit.domain.alert_story import START, word
from tests.unit.domain.test_silences import silence
from tocsin import backtest
from tocsin.cli import app
from tocsin.events.alerts import SilenceRequested
from tocsin.events.envelope import Envelope
from tocsin.events.identity import alert_entity
from tocsin.settings import settings
from tocsin.streams.domain.recorded import Recorded

MINUTE = 60_000
BY_HOST: dict[str, Any] = {
    "grouping": [{"name": "host", "group_by": ["tag:host"], "threshold": 2, "window_ms": 60 * MINUTE}]
}


def recorded(*events: Any, apart: int = MINUTE) -> list[Recorded]:
    found = []
    for number, event in enumerate(events):
        envelope = Envelope(f"e{number}", f"tocsin.alerts.{type(event).__name__}.v1", "/test", "", "default")
        entity = alert_entity("default", getattr(event, "fingerprint", ""))
        found.append(Recorded(START + number * apart, 0, number, entity, envelope, event))
    return found


def alert(name: str, transition: str = "triggered", at: int = 0, **fields: Any) -> Any:
    return msgspec.structs.replace(word(transition, at), fingerprint=name, **fields)


LOG = recorded(
    *(alert(f"f{number}", service=f"s{number}", tags={"host": f"h{number % 2}"}) for number in range(4)),
    alert("lonely", tags={"host": "h9"}),
    alert("f0", "resolved", 9),
)


def test_I9_other_rules_make_other_incidents_of_the_same_alerts() -> None:
    before, after = backtest.grouped(LOG, {}), backtest.grouped(LOG, BY_HOST)
    assert (before.alerts, before.incidents, before.by_rule) == (5, 5, {"alone": 1, "by-service": 4})
    assert (after.alerts, after.incidents, after.awaiting, after.by_rule) == (5, 2, 1, {"host": 2})
    assert [one.alerts for one in after.grouped] == [2, 2]


def test_I9_the_same_rules_give_the_same_outcome_twice() -> None:
    assert backtest.grouped(LOG, BY_HOST) == backtest.grouped(LOG, BY_HOST)


def test_I9_timers_and_silences_have_their_say_in_a_dry_run() -> None:
    body = {"resolve_after_ms": 5 * MINUTE}
    quiet = recorded(SilenceRequested(silence=silence(end=START + 10 * MINUTE)), alert("f0"))
    late = [*quiet, *[one._replace(at=START + 11 * MINUTE) for one in recorded(alert("f1"))]]
    assert backtest.grouped(late, body).incidents == 1
    twice = recorded(alert("f0"), alert("f0", at=1), apart=30 * MINUTE)
    assert backtest.grouped(twice, body).alerts == 2


def test_I9_the_dry_run_prints_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def log(_bootstrap: str, _since_ms: int) -> list[Recorded]:
        return LOG

    monkeypatch.setattr(backtest, "recorded_alerts", log)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    settings.cache_clear()
    rules = tmp_path / "rules.yaml"
    rules.write_text("grouping: [{name: host, group_by: ['tag:host'], threshold: 2}]")
    command = ["backtest", "grouping", "--rules", str(rules), "--since", "2d"]
    try:
        text = CliRunner().invoke(app, command)
        document = CliRunner().invoke(app, [*command, "--json"])
    finally:
        settings.cache_clear()
    assert text.exit_code == 0, text.output
    assert "5 alerts → 5 incidents" in text.output
    assert "5 alerts → 2 incidents (2 by host); 1 wait" in text.output
    found = json.loads(document.output)
    assert (found["before"]["incidents"], found["after"]["incidents"], found["events"]) == (5, 2, len(LOG))
